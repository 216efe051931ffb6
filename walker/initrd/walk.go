package initrd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Entry is a name in an archive.
type Entry struct {
	Name string // as the archive has it: "usr/lib/modules/6.1.0-18-amd64/kernel/fs/ext4/ext4.ko"
	Mode uint32 // as st_mode
	Size int64  // bytes
}

// ErrFormat says that a file is no initrd of a kind that is known.
var ErrFormat = errors.New("no archive of cpio, and not compressed in a way that is known (gzip, xz, zstd, lz4, bzip2, lzma)")

// maxBytes bounds what is read in all, decompressed.
const maxBytes = 2 << 30

// errTooLong says that there is more.
var errTooLong = fmt.Errorf("more than %d bytes", int64(maxBytes))

// bufferSize is the size of the buffers for reading, in bytes.
const bufferSize = 64 << 10

// Walk calls fn for each name in an initrd, in order, until fn returns an error, which
// Walk returns.
func Walk(r io.Reader, fn func(Entry) error) error {
	w := &walk{fn: fn, left: maxBytes}
	err := w.all(bufio.NewReaderSize(r, bufferSize))
	if w.stopped != nil {
		return w.stopped
	}
	return err
}

// walk is one walk.
type walk struct {
	fn      func(Entry) error
	stopped error  // what fn returned
	left    int64  // bytes that may still be read
	name    []byte // used again
}

// all reads the archives and compressed archives of a file.
func (w *walk) all(in *bufio.Reader) error {
	for n := 0; ; n++ {
		magic, err := nextMagic(in, &w.left)
		switch {
		case err == io.EOF && n > 0:
			return nil
		case err == io.EOF:
			return fmt.Errorf("empty: %w", ErrFormat)
		case err != nil:
			return err
		case isArchive(magic):
			err = w.archive(in)
		default:
			var more bool
			if more, err = w.compressed(in, magic); err == nil && !more {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
}

// nextMagic returns the next six bytes, fewer at the end, after zeros; io.EOF if there is
// nothing but zeros.
func nextMagic(in *bufio.Reader, left *int64) ([]byte, error) {
	for {
		if _, err := in.Peek(1); err != nil {
			return nil, err
		}
		b, err := in.Peek(in.Buffered())
		if err != nil {
			return nil, err
		}
		zeros := len(b) - len(bytes.TrimLeft(b, "\x00"))
		if *left -= int64(zeros); *left < 0 {
			return nil, errTooLong
		}
		if _, err := in.Discard(zeros); err != nil {
			return nil, err
		}
		if zeros < len(b) {
			magic, err := in.Peek(6)
			if len(magic) > 0 {
				err = nil
			}
			return magic, err
		}
	}
}

// compressed reads archives from what is compressed. More says that the stream has an end
// at which in stands now.
func (w *walk) compressed(in *bufio.Reader, magic []byte) (more bool, err error) {
	dec, name, ends, err := decompress(in, magic)
	if err != nil {
		return false, err
	}
	defer dec.Close()
	plain := bufio.NewReaderSize(dec, bufferSize)
	for n := 0; ; n++ {
		magic, err := nextMagic(plain, &w.left)
		switch {
		case err == io.EOF && n > 0:
			return ends, nil
		case err == io.EOF:
			err = ErrFormat
		case err == nil && !isArchive(magic):
			err = ErrFormat
		case err == nil:
			if err = w.archive(plain); err == nil {
				continue
			}
		}
		if n > 0 && w.stopped == nil && !errors.Is(err, errTooLong) { // what follows is no archive, and no initrd needs it
			return false, nil
		}
		return false, fmt.Errorf("%s: %w", name, err)
	}
}
