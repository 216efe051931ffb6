package dir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Dir is an open directory. All work goes through its descriptor: the path is
// for messages, and may come to name something else meanwhile.
type Dir struct {
	f    *os.File
	path string
	// fault, if not nil, is called before each change of the directory (see OnChange).
	fault func(op, name string) error
}

// change is called before each change of the directory.
func (d *Dir) change(op, name string) error {
	if d.fault == nil {
		return nil
	}
	return Fail(op, d.Join(name), d.fault(op, name))
}

// Open opens the directory at path; a symbolic link to one will do.
func Open(path string) (*Dir, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, Fail("open", path, err)
	}
	return &Dir{f: f, path: path}, nil
}

// Close closes the directory; a lock that this run has on it goes.
func (d *Dir) Close() error { return d.f.Close() }

func (d *Dir) fd() int { return int(d.f.Fd()) }

// Path returns the path that the directory was opened by, for messages.
func (d *Dir) Path() string { return d.path }

// Join returns the path of name, for messages.
func (d *Dir) Join(name string) string { return filepath.Join(d.path, name) }

// Open opens a file for reading, never through a symbolic link.
func (d *Dir) Open(name string) (*os.File, error) { return d.open(name, unix.O_RDONLY, 0) }

// Same says whether d and other are the same directory.
func (d *Dir) Same(other *Dir) (bool, error) {
	var here, there unix.Stat_t
	if err := errors.Join(unix.Fstat(d.fd(), &here), unix.Fstat(other.fd(), &there)); err != nil {
		return false, Fail("stat", d.path, err)
	}
	return here.Dev == there.Dev && here.Ino == there.Ino, nil
}

// Blocks returns how many bytes of disk a file takes; 0 if it cannot be looked at.
func (d *Dir) Blocks(name string) int64 {
	var st unix.Stat_t
	if unix.Fstatat(d.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return 0
	}
	return st.Blocks * 512
}

// open opens name as openat(2) does, never through a symbolic link. O_NONBLOCK
// keeps a FIFO from hanging the open; it means nothing to regular files.
func (d *Dir) open(name string, flags int, perm uint32) (*os.File, error) {
	fd, err := d.openFD(name, flags, perm)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.Join(name)), nil
}

// openFD is open without an *os.File, which costs five system calls more.
func (d *Dir) openFD(name string, flags int, perm uint32) (fd int, err error) {
	if flags&unix.O_CREAT != 0 {
		if err := d.change("create", name); err != nil {
			return -1, err
		}
	}
	for {
		fd, err := unix.Openat(d.fd(), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, perm)
		switch {
		case err == nil:
			return fd, nil
		case errors.Is(err, unix.ELOOP):
			return -1, Fail("open", d.Join(name), Cause("is a symbolic link"))
		case !errors.Is(err, unix.EINTR):
			return -1, Fail("open", d.Join(name), err)
		}
	}
}

// rename renames within the directory, over what is there.
func (d *Dir) rename(from, to string) error {
	shown := to
	if isTemp(to) {
		shown = from // the one of the two that a user knows
	}
	if err := d.change("rename", shown); err != nil {
		return err
	}
	return Fail("rename", d.Join(shown), unix.Renameat(d.fd(), from, d.fd(), to))
}

// Remove removes a file. One that is gone already is no error.
func (d *Dir) Remove(name string) error {
	if err := d.change("remove", name); err != nil {
		return err
	}
	if err := unix.Unlinkat(d.fd(), name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return Fail("remove", d.Join(name), err)
	}
	return nil
}

// exists says whether there is something called name.
func (d *Dir) exists(name string) (bool, error) {
	var st unix.Stat_t
	err := unix.Fstatat(d.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.ENOENT):
		return false, nil
	}
	return false, Fail("stat", d.Join(name), err)
}

// sync makes renames and removals in the directory last through a power loss.
func (d *Dir) sync() error {
	if err := d.change("sync", "."); err != nil {
		return err
	}
	// EINVAL: a file system that cannot sync a directory (some FUSE servers)
	// has nothing to sync.
	if err := d.f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return Fail("sync", d.path, err)
	}
	return nil
}

// Names lists the directory in byte order.
func (d *Dir) Names() ([]string, error) {
	f, err := d.open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, Fail("read", d.path, err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return names, nil
}

// create makes name with this content and syncs it. It must not be there.
func (d *Dir) create(name, shown string, content []byte) (err error) {
	f, err := d.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return renamed(err, d.Join(shown))
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = Fail("close", d.Join(shown), cerr)
		}
	}()
	if _, err := f.Write(content); err != nil {
		return Fail("write", d.Join(shown), err)
	}
	return Fail("sync", d.Join(shown), f.Sync())
}
