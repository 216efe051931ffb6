package dir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Dir is an open directory. All work goes through its descriptor: the path is
// for messages, and may come to name something else meanwhile.
type Dir struct {
	f    *os.File
	path string
	st   unix.Stat_t // as it was when it was opened
	// trusted: who can change what lies in it is not asked (Options.Trusted).
	trusted bool
	lock    *lock // held by this run; nil: none
	// fault, if not nil, is called before each change of the directory (see OnChange).
	fault func(op, name string) error
}

// change asks the hook of a test before each change of the directory.
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
	return newDir(f, path)
}

// newDir returns the directory that f is.
func newDir(f *os.File, path string) (*Dir, error) {
	d := &Dir{f: f, path: path}
	if err := unix.Fstat(d.fd(), &d.st); err != nil {
		f.Close()
		return nil, Fail("stat", path, err)
	}
	return d, nil
}

// Close closes the directory; a lock that this run has on it goes.
func (d *Dir) Close() error {
	d.unlock()
	giveUp(d.fd())
	return d.f.Close()
}

// Held returns a path that leads to the directory whatever becomes of its name, as
// long as it is open in this process.
func (d *Dir) Held() string { return "/proc/self/fd/" + strconv.Itoa(d.fd()) }

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

// ModTime returns when a file was written to last.
func (d *Dir) ModTime(name string) (t time.Time, err error) {
	st, err := d.lookUp(name)
	switch {
	case err != nil:
		return t, err
	case st == nil:
		return t, Fail("stat", d.Join(name), unix.ENOENT)
	}
	return time.Unix(st.Mtim.Unix()), nil
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

// openFD opens without making an *os.File, which costs five system calls more.
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

// appear renames what was made to a name that is free, and refuses with ErrSwapped if
// another file has its temporary name by now.
func (d *Dir) appear(from, to string, made id) error {
	if err := d.change("rename", to); err != nil {
		return err
	}
	st, err := d.lookUp(from)
	if err != nil {
		return renamed(err, d.Join(to))
	}
	if st == nil {
		return Fail("rename", d.Join(to), unix.ENOENT)
	}
	if idOf(st) != made {
		return &Error{Op: "rename", Path: d.Join(to), Err: ErrSwapped, Hint: "somebody else changes files there: choose a directory that only you can write to"}
	}
	err = unix.Renameat2(d.fd(), from, d.fd(), to, unix.RENAME_NOREPLACE)
	switch {
	case errors.Is(err, unix.EEXIST):
		return &Error{Op: "create", Path: d.Join(to), Err: ErrExists, Hint: "it appeared during the run: choose another name"}
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS): // flags that the file system does not know
		err = unix.Renameat(d.fd(), from, d.fd(), to)
	}
	return Fail("rename", d.Join(to), err)
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

// lookUp returns what name is, never through a symbolic link; nil if there is nothing
// of that name.
func (d *Dir) lookUp(name string) (*unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(d.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err == nil:
		return &st, nil
	case errors.Is(err, unix.ENOENT):
		return nil, nil
	}
	return nil, Fail("stat", d.Join(name), err)
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

// create makes a file with this content, under name or one like it, and syncs it.
// It returns its name, also after an error if there is such a file.
func (d *Dir) create(name, shown string, content []byte) (made fileMade, err error) {
	fd, made, err := d.make(name)
	if err != nil {
		return made, renamed(err, d.Join(shown))
	}
	f := os.NewFile(uintptr(fd), d.Join(name))
	defer func() {
		if cerr := f.Close(); err == nil {
			err = Fail("close", d.Join(shown), cerr)
		}
	}()
	if _, err := f.Write(content); err != nil {
		return made, Fail("write", d.Join(shown), err)
	}
	return made, Fail("sync", d.Join(shown), f.Sync())
}
