package wrap

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"time"
)

// gcpAlign is what Google wants a disk to be a multiple of, in bytes.
const gcpAlign = 1 << 30

// gcp is an image in a compressed archive.
type gcp struct {
	at   appender
	buf  *bufio.Writer
	zip  *gzip.Writer
	tar  *tar.Writer
	done int64 // bytes of the image
	size int64 // bytes of disk.raw
}

// appender writes to a file what comes, one after the other.
type appender struct {
	f   File
	off int64
}

// Write implements io.Writer.
func (a *appender) Write(p []byte) (int, error) {
	if err := a.f.WriteSparse(p, a.off); err != nil {
		return 0, err
	}
	a.off += int64(len(p))
	return len(p), nil
}

func newGCP(f File, size int64) (Writer, error) {
	g := &gcp{at: appender{f: f}, size: ceilDiv(size, gcpAlign) * gcpAlign}
	g.buf = bufio.NewWriterSize(&g.at, 1<<20)
	var err error
	if g.zip, err = gzip.NewWriterLevel(g.buf, gzip.BestSpeed); err != nil {
		return nil, err
	}
	g.tar = tar.NewWriter(g.zip)
	return g, g.tar.WriteHeader(&tar.Header{Name: "disk.raw", Mode: 0o600, Size: g.size, ModTime: time.Now().Truncate(time.Second), Format: tar.FormatGNU})
}

// Write implements Writer.
func (g *gcp) Write(p []byte, off int64) error {
	if off != g.done {
		return fmt.Errorf("archive: bytes from %d on after %d", off, g.done)
	}
	n, err := g.tar.Write(p)
	g.done += int64(n)
	return err
}

// Close fills the disk up to whole GiB and ends the archive.
func (g *gcp) Close() error {
	_, err := io.CopyN(g.tar, zeros{}, g.size-g.done)
	if err = errors.Join(err, g.tar.Close(), g.zip.Close(), g.buf.Flush()); err != nil {
		return err
	}
	return g.at.f.Truncate(g.at.off)
}

// zeros reads as zeros without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
