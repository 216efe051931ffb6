package ext2img

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/diskfs/go-diskfs/backend"
)

// storage is a sparse device in memory, for mkfs: blocks that were never
// written, or written with zeros, take no memory. It is read concurrently once
// nothing writes any more.
type storage struct {
	noFile
	size   int64 // bytes; a write beyond is an error
	blocks map[int64]*[BlockSize]byte
}

var _ backend.Storage = (*storage)(nil)

func newStorage(size int64) *storage {
	return &storage{size: size, blocks: make(map[int64]*[BlockSize]byte)}
}

// block gives block n for writing.
func (s *storage) block(n int64) *[BlockSize]byte {
	b := s.blocks[n]
	if b == nil {
		b = new([BlockSize]byte)
		s.blocks[n] = b
	}
	return b
}

func (s *storage) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off > s.size {
		return 0, fmt.Errorf("read at %d: beyond the device's %d bytes", off, s.size)
	}
	if rest := s.size - off; int64(len(p)) > rest {
		p, err = p[:rest], io.EOF
	}
	for n < len(p) {
		at := off + int64(n)
		in := int(at % BlockSize)
		c := min(len(p)-n, BlockSize-in)
		if b := s.blocks[at/BlockSize]; b != nil {
			copy(p[n:n+c], b[in:])
		} else {
			clear(p[n : n+c])
		}
		n += c
	}
	return n, err
}

func (s *storage) WriteAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off+int64(len(p)) > s.size {
		return 0, fmt.Errorf("write at %d: %d bytes reach beyond the device's %d bytes", off, len(p), s.size)
	}
	for n < len(p) {
		at := off + int64(n)
		in := int(at % BlockSize)
		c := min(len(p)-n, BlockSize-in)
		part := p[n : n+c]
		if b := s.blocks[at/BlockSize]; b != nil {
			copy(b[in:], part)
		} else if !isZero(part) {
			copy(s.block(at / BlockSize)[in:], part)
		}
		n += c
	}
	return n, nil
}

// zeroBlock is for isZero to compare with: comparing strings is vectorised.
var zeroBlock [BlockSize]byte

// isZero says whether p, at most a block, is all zero.
func isZero(p []byte) bool { return string(p) == string(zeroBlock[:len(p)]) }

func (s *storage) Writable() (backend.WritableFile, error) { return s, nil }

// noFile is the rest of backend.Storage: go-diskfs asks it for an os.File to sync
// and goes without if it gets an error; it calls nothing else of it.
type noFile struct{}

func (noFile) Sys() (*os.File, error)         { return nil, backend.ErrNotSuitable }
func (noFile) Path() string                   { return "" }
func (noFile) Close() error                   { return nil }
func (noFile) Stat() (fs.FileInfo, error)     { return nil, errors.ErrUnsupported }
func (noFile) Read([]byte) (int, error)       { return 0, errors.ErrUnsupported }
func (noFile) Seek(int64, int) (int64, error) { return 0, errors.ErrUnsupported }
