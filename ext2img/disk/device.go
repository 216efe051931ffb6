package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Device reads a disk as it is on the medium: past the page cache (O_DIRECT), in which
// blocks that a mounted file system has written since may be old.
type Device struct {
	mu     sync.Mutex
	file   *os.File
	buf    []byte // a page's border, as O_DIRECT wants it
	direct bool
}

// window is how much of a device is read at once, in bytes.
const window = 1 << 20

// Open opens the disk at path, a block device or a file, for reading.
func Open(path string) (*Device, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_DIRECT, 0)
	direct := err == nil
	if errors.Is(err, unix.EINVAL) { // a file system without it
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	buf, err := unix.Mmap(-1, 0, window, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("memory to read %s: %w", path, err)
	}
	return &Device{file: os.NewFile(uintptr(fd), path), buf: buf, direct: direct}, nil
}

// Close closes the device.
func (d *Device) Close() error {
	return errors.Join(d.file.Close(), unix.Munmap(d.buf))
}

// ReadAt implements io.ReaderAt.
func (d *Device) ReadAt(p []byte, off int64) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	const page = 4096 // no device has larger logical blocks
	for n < len(p) {
		at := off + int64(n)
		start := at &^ (page - 1)
		want := min(window, (at-start+int64(len(p)-n)+page-1)&^(page-1))
		got, err := d.file.ReadAt(d.buf[:want], start)
		if d.direct && errors.Is(err, unix.EINVAL) {
			if err := d.undirect(); err != nil {
				return n, err
			}
			continue
		}
		if int64(got) <= at-start {
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
		n += copy(p[n:], d.buf[at-start:got])
		if err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
	}
	return n, nil
}

// undirect goes on by the page cache: the device wants other borders than pages.
func (d *Device) undirect() error {
	flags, err := unix.FcntlInt(d.file.Fd(), unix.F_GETFL, 0)
	if err == nil {
		_, err = unix.FcntlInt(d.file.Fd(), unix.F_SETFL, flags&^unix.O_DIRECT)
	}
	d.direct = false
	return err
}
