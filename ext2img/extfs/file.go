package extfs

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"purebundle/ext2img/internal/ondisk"
)

// Range is a run of bytes of a file.
type Range struct{ Off, Len int64 }

// File reads the content of a regular file. It is safe for concurrent use.
type File struct {
	f  *FS
	n  *Inode
	mu sync.Mutex
	m  mapper
}

// File opens a regular file.
func (f *FS) File(n *Inode) (*File, error) {
	if !n.IsRegular() {
		return nil, fmt.Errorf("inode %d is not a regular file", n.Ino)
	}
	if err := n.readable(); err != nil {
		return nil, err
	}
	return &File{f: f, n: n, m: mapper{f: f, n: n}}, nil
}

// readable refuses content that is not kept in plain blocks.
func (n *Inode) readable() error {
	for _, c := range []struct {
		flag uint32
		name string
	}{
		{ondisk.EncryptFl, "encrypted"}, {ondisk.InlineDataFl, "inline data"},
		{ondisk.EAInodeFl, "an xattr value"}, {ondisk.CasefoldFl, "case-folded"},
	} {
		if n.Flags&c.flag != 0 {
			return fmt.Errorf("inode %d: not supported: %s", n.Ino, c.name)
		}
	}
	return nil
}

// Size returns the length of the file in bytes.
func (f *File) Size() int64 { return f.n.Size }

// segmentAt gives the segment that starts with a logical block.
func (f *File) segmentAt(block uint64) (segment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.m.at(block)
}

// ReadAt implements io.ReaderAt; holes and unwritten extents read as zero.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	bs := int64(f.f.sb.blockSize)
	done := 0
	for done < len(p) {
		if off >= f.n.Size {
			return done, io.EOF
		}
		s, err := f.segmentAt(uint64(off / bs))
		if err != nil {
			return done, err
		}
		skip := off % bs
		n := min(int64(len(p)-done), f.n.Size-off, int64(s.count)*bs-skip)
		part := p[done : done+int(n)]
		if s.data() {
			if _, err := readFull(f.f.r, part, int64(s.phys)*bs+skip); err != nil {
				return done, fmt.Errorf("inode %d: read block %d: %w", f.n.Ino, s.phys, err)
			}
		} else {
			clear(part)
		}
		done += int(n)
		off += n
	}
	return done, nil
}

// Ranges gives the parts of the file that are neither holes nor unwritten,
// ascending, adjacent ones merged. It stops after an error.
func (f *File) Ranges() iter.Seq2[Range, error] {
	return func(yield func(Range, error) bool) {
		bs := int64(f.f.sb.blockSize)
		var r Range
		for s, err := range f.f.segments(f.n) {
			if err != nil {
				yield(Range{}, err)
				return
			}
			off := int64(s.block) * bs
			n := min(int64(s.count)*bs, f.n.Size-off)
			if r.Len > 0 && r.Off+r.Len == off {
				r.Len += n
				continue
			}
			if r.Len > 0 && !yield(r, nil) {
				return
			}
			r = Range{off, n}
		}
		if r.Len > 0 {
			yield(r, nil)
		}
	}
}

// WriteTo writes the whole file, holes as zeros. See Ranges for how not to.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	buf := make([]byte, 256<<10)
	done := int64(0)
	copyTo := func(end int64, hole bool) error {
		if hole {
			clear(buf)
		}
		for done < end {
			part := buf[:min(int64(len(buf)), end-done)]
			if !hole {
				if _, err := f.ReadAt(part, done); err != nil {
					return err
				}
			}
			n, err := w.Write(part)
			done += int64(n)
			if err != nil {
				return err
			}
		}
		return nil
	}
	for r, err := range f.Ranges() {
		if err != nil {
			return done, err
		}
		if err := copyTo(r.Off, true); err != nil {
			return done, err
		}
		if err := copyTo(r.Off+r.Len, false); err != nil {
			return done, err
		}
	}
	return done, copyTo(f.n.Size, true)
}

// segments gives the data segments of an inode up to its size, ascending. An
// inode that maps more blocks than the file system has is an error, so that
// the work is bounded by the image and not by what the inode claims.
func (f *FS) segments(n *Inode) iter.Seq2[segment, error] {
	return func(yield func(segment, error) bool) {
		m := mapper{f: f, n: n}
		bs := uint64(f.sb.blockSize)
		end := (uint64(n.Size) + bs - 1) / bs
		left := f.sb.blocksCount
		for block := uint64(0); block < end; {
			s, err := m.at(block)
			if err != nil {
				yield(segment{}, err)
				return
			}
			s.count = min(s.count, end-block)
			block += s.count
			if !s.data() {
				continue
			}
			if s.count > left {
				yield(segment{}, fmt.Errorf("inode %d: maps more blocks than the file system has", n.Ino))
				return
			}
			left -= s.count
			if !yield(s, nil) {
				return
			}
		}
	}
}
