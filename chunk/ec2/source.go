package ec2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Range is a run of bytes of an image.
type Range struct{ Off, Len int64 } // bytes

func (r Range) end() int64 { return r.Off + r.Len }

// Source is an image to bundle.
type Source struct {
	Image io.ReaderAt // read once, in ascending order
	Size  int64       // bytes
	Data  []Range     // ascending; all else is zero and never read. nil: all of it
	// Consumed, if not nil, is told now and then that what lies before off will
	// not be read again.
	Consumed func(off int64) error
}

const (
	// grain is the least run of zeros that becomes a hole, in bytes: gzip makes
	// next to nothing of fewer, and the map of holes stays small.
	grain = 64 << 10
	// maxHoles bounds the map, at 24 bytes of tar a hole.
	maxHoles = 1 << 18
	// page is the grain of zeros, in bytes: the block size of nearly every file system.
	page = 4096
)

// normal completes and checks s: holes below the grain are closed.
func (s *Source) normal() error {
	if s.Size < 0 {
		return fmt.Errorf("image of %d bytes", s.Size)
	}
	if s.Data == nil {
		s.Data = []Range{{0, s.Size}}
	}
	least := max(int64(grain), s.Size/maxHoles)
	var out []Range
	at := int64(0)
	for _, r := range s.Data {
		if r.Off < at || r.Len < 0 || r.end() > s.Size || r.end() < r.Off {
			return fmt.Errorf("data at %d, %d bytes: out of order or beyond the image of %d bytes", r.Off, r.Len, s.Size)
		}
		at = r.end()
		if r.Len == 0 {
			continue
		}
		if n := len(out); n > 0 && r.Off-out[n-1].end() < least {
			out[n-1].Len = r.end() - out[n-1].Off
		} else {
			out = append(out, r)
		}
	}
	s.Data = out
	return nil
}

// FileData lists the data of a file, by lseek(2) SEEK_DATA. If the file
// system cannot tell, all of it counts as data. The result is never nil.
func FileData(f *os.File, size int64) ([]Range, error) {
	data := []Range{}
	for at := int64(0); at < size; {
		start, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if errors.Is(err, unix.EINVAL) && at == 0 {
			return []Range{{0, size}}, nil
		}
		if err != nil {
			return nil, fail("seek", f.Name(), err)
		}
		end, err := unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE)
		if err != nil {
			return nil, fail("seek", f.Name(), err)
		}
		if start >= size || end <= start {
			break
		}
		data = append(data, Range{start, min(end, size) - start})
		at = end
	}
	return data, nil
}

// Scan reads the ranges of img (nil: all of size) and lists what is not zero in
// them. done, if not nil, is told how many bytes have passed. The result is
// never nil.
func Scan(ctx context.Context, img io.ReaderAt, size int64, within []Range, done func(n int64)) ([]Range, error) {
	if within == nil {
		within = []Range{{0, size}}
	}
	data := []Range{}
	var zero [page]byte
	buf := make([]byte, 1<<20)
	for _, r := range within {
		for at := r.Off; at < r.end(); {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			p := buf[:min(int64(len(buf)), r.end()-at)]
			if err := readFull(img, p, at); err != nil {
				return nil, err
			}
			for i := 0; i < len(p); i += page {
				b := p[i:min(i+page, len(p))]
				if bytes.Equal(b, zero[:len(b)]) {
					continue
				}
				off := at + int64(i)
				if n := len(data); n > 0 && off-data[n-1].end() < page {
					data[n-1].Len = off + int64(len(b)) - data[n-1].Off
				} else {
					data = append(data, Range{off, int64(len(b))})
				}
			}
			at += int64(len(p))
			if done != nil {
				done(int64(len(p)))
			}
		}
	}
	return data, nil
}

// readFull reads len(p) bytes at off. An image that ends before is an error.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = fmt.Errorf("read image at %d: %w", off+int64(n), io.ErrUnexpectedEOF)
	}
	return err
}
