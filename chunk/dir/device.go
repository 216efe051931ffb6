package dir

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// OpenDevice opens the block device at path to write to it, for this process alone
// (O_EXCL). It must lie below /dev, so that nobody else has made it, and a symbolic
// link to it must be root's or ours.
func OpenDevice(path string) (*os.File, error) {
	var w way
	defer func() { w.close() }()
	if err := w.start(path); err != nil {
		return nil, Fail("open", path, err)
	}
	for {
		if err := w.walk(1); err != nil {
			return nil, err
		}
		if len(w.steps) == 0 {
			return nil, Fail("open", path, unix.EISDIR)
		}
		name := w.steps[0].name
		fd, st, err := w.look(name)
		if err != nil {
			return nil, Fail("open", path, err)
		}
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			w.steps = w.steps[1:]
			err = w.follow(fd, filepath.Join(w.real, name), st)
		}
		unix.Close(fd)
		switch {
		case err != nil:
			return nil, Fail("open", path, err)
		case st.Mode&unix.S_IFMT == unix.S_IFBLK:
			f, err := w.device(name, st)
			return f, Fail("open", path, err)
		case st.Mode&unix.S_IFMT != unix.S_IFLNK:
			return nil, Fail("open", path, Cause("is no block device"))
		}
	}
}

// device opens the device of this name, which was st.
func (w *way) device(name string, st *unix.Stat_t) (*os.File, error) {
	real := filepath.Join(w.real, name)
	if !strings.HasPrefix(real, "/dev/") {
		return nil, &Error{Op: "write", Path: real, Err: Cause("is a block device outside of /dev"), Hint: "name the one below /dev"}
	}
	fd, err := unix.Openat(w.fd, name, unix.O_RDWR|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), real)
	var now unix.Stat_t
	if err = unix.Fstat(fd, &now); err == nil && idOf(&now) != idOf(st) {
		err = ErrSwapped
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
