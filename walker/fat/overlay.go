package fat

import (
	"errors"
	"fmt"
	"io"
)

// pageSize is what memory is taken in, in bytes.
const pageSize = 4096

// overlay is a medium of size bytes with what was written over it.
type overlay struct {
	under io.ReaderAt
	size  int64
	refs  []ref                     // what is read elsewhere
	pages map[int64]*[pageSize]byte // what was written, by number; over refs
}

// ref is a run of bytes whose content is that of r from at on; behind its end it is zero.
type ref struct {
	Range
	r  io.ReaderAt
	at int64
}

// readAt fills what p has of the run, p being at offset off of the medium.
func (f *ref) readAt(p []byte, off int64) error {
	from, to := max(f.Off, off), min(f.Off+f.Len, off+int64(len(p)))
	if from >= to {
		return nil
	}
	b := p[from-off : to-off]
	n, err := f.r.ReadAt(b, f.at+from-f.Off)
	clear(b[n:])
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

// ReadAt implements io.ReaderAt.
func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.under.ReadAt(p, off)
	for i := range o.refs {
		if err := o.refs[i].readAt(p[:n], off); err != nil {
			return 0, err
		}
	}
	for at := off; at < off+int64(n); {
		end := min(at/pageSize*pageSize+pageSize, off+int64(n))
		if page := o.pages[at/pageSize]; page != nil {
			copy(p[at-off:end-off], page[at%pageSize:])
		}
		at = end
	}
	return n, err
}

// writeAt writes over the medium, in memory.
func (o *overlay) writeAt(p []byte, off int64) error {
	if off < 0 || off+int64(len(p)) > o.size {
		return fmt.Errorf("write %d bytes at %d: beyond the volume's %d bytes", len(p), off, o.size)
	}
	for len(p) > 0 {
		page, err := o.page(off / pageSize)
		if err != nil {
			return err
		}
		n := copy(page[off%pageSize:], p)
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// refer has a run of bytes read elsewhere. Pages that it begins or ends in may be written
// already.
func (o *overlay) refer(f ref) error {
	for n := f.Off / pageSize; n*pageSize < f.Off+f.Len; n++ {
		if page := o.pages[n]; page != nil {
			if err := f.readAt(page[:], n*pageSize); err != nil {
				return err
			}
		}
	}
	o.refs = append(o.refs, f)
	return nil
}

// page returns a page for writing, with what the medium has there.
func (o *overlay) page(number int64) (*[pageSize]byte, error) {
	if page := o.pages[number]; page != nil {
		return page, nil
	}
	page := new([pageSize]byte)
	at := number * pageSize
	if want := min(pageSize, o.size-at); want > 0 {
		if n, err := o.ReadAt(page[:want], at); int64(n) < want {
			return nil, fmt.Errorf("read volume at byte %d: %w", at, err)
		}
	}
	if o.pages == nil {
		o.pages = make(map[int64]*[pageSize]byte)
	}
	o.pages[number] = page
	return page, nil
}
