package sparse

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/diskfs/go-diskfs/backend"
)

// BlockSize is what memory is taken in, in bytes.
const BlockSize = 4096

// Device is a sparse device: blocks that were never written, or written with zeros,
// take no memory. It may be read concurrently once nothing writes any more.
type Device struct {
	NoFile
	Size   int64                      // bytes; a write beyond is an error
	Blocks map[int64]*[BlockSize]byte // by number
}

var _ backend.Storage = (*Device)(nil)

// New returns a device of size bytes, all zero.
func New(size int64) *Device {
	return &Device{Size: size, Blocks: make(map[int64]*[BlockSize]byte)}
}

// Block returns block n for writing.
func (s *Device) Block(n int64) *[BlockSize]byte {
	b := s.Blocks[n]
	if b == nil {
		b = new([BlockSize]byte)
		s.Blocks[n] = b
	}
	return b
}

// ReadAt implements io.ReaderAt.
func (s *Device) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off > s.Size {
		return 0, fmt.Errorf("read at %d: beyond the device's %d bytes", off, s.Size)
	}
	if rest := s.Size - off; int64(len(p)) > rest {
		p, err = p[:rest], io.EOF
	}
	for n < len(p) {
		at := off + int64(n)
		in := int(at % BlockSize)
		c := min(len(p)-n, BlockSize-in)
		if b := s.Blocks[at/BlockSize]; b != nil {
			copy(p[n:n+c], b[in:])
		} else {
			clear(p[n : n+c])
		}
		n += c
	}
	return n, err
}

// WriteAt implements io.WriterAt.
func (s *Device) WriteAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off+int64(len(p)) > s.Size {
		return 0, fmt.Errorf("write at %d: %d bytes reach beyond the device's %d bytes", off, len(p), s.Size)
	}
	for n < len(p) {
		at := off + int64(n)
		in := int(at % BlockSize)
		c := min(len(p)-n, BlockSize-in)
		part := p[n : n+c]
		if b := s.Blocks[at/BlockSize]; b != nil {
			copy(b[in:], part)
		} else if !isZero(part) {
			copy(s.Block(at / BlockSize)[in:], part)
		}
		n += c
	}
	return n, nil
}

// zeroBlock is for isZero to compare with: comparing strings is vectorised.
var zeroBlock [BlockSize]byte

// isZero says whether p, at most a block, is all zero.
func isZero(p []byte) bool { return string(p) == string(zeroBlock[:len(p)]) }

// Writable implements backend.Storage.
func (s *Device) Writable() (backend.WritableFile, error) { return s, nil }

// NoFile is the rest of backend.Storage: go-diskfs asks it for an os.File to sync
// and goes without if it gets an error; it calls nothing else of it.
type NoFile struct{}

func (NoFile) Sys() (*os.File, error)         { return nil, backend.ErrNotSuitable }
func (NoFile) Path() string                   { return "" }
func (NoFile) Close() error                   { return nil }
func (NoFile) Stat() (fs.FileInfo, error)     { return nil, errors.ErrUnsupported }
func (NoFile) Read([]byte) (int, error)       { return 0, errors.ErrUnsupported }
func (NoFile) Seek(int64, int) (int64, error) { return 0, errors.ErrUnsupported }
