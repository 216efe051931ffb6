package disk

import (
	"errors"
	"fmt"
	"io"
)

// beforeReader reads what is copied, and the table before it.
type beforeReader struct {
	m     *Image
	snaps []snapshot
}

// ReadAt implements io.ReaderAt.
func (r beforeReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > r.m.copied {
		return 0, fmt.Errorf("read disk at %d: not before its file systems", off)
	}
	if _, err := r.m.fixed.ReadAt(p, off); err != nil {
		return 0, err
	}
	for _, s := range r.snaps {
		from, to := max(s.start, off), min(s.end(), off+int64(len(p)))
		if from >= to {
			continue
		}
		if err := s.readAt(p[from-off:to-off], from-s.start); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// systemReader reads the parts of a file system, and the table behind it.
type systemReader struct {
	m      *Image
	system system
	image  io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (r systemReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.image.ReadAt(p, off-r.system.start)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	tail := r.m.Size() - Tail
	if end := off + int64(n); r.system.tail && end > tail {
		from := max(off, tail)
		if _, err := r.m.fixed.ReadAt(p[from-off:n], from); err != nil {
			return 0, err
		}
	}
	return n, err
}

// zeros reads as zeros.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }
