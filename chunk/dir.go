package chunk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// dir is an open directory. All work goes through its descriptor: the path is
// for messages, and may come to name something else meanwhile.
type dir struct {
	f    *os.File
	path string
	// fault, in tests, is asked before each change of the directory.
	fault func(op, name string) error
}

// change is called before each change of the directory.
func (d *dir) change(op, name string) error {
	if d.fault == nil {
		return nil
	}
	return fail(op, d.join(name), d.fault(op, name))
}

// openDir opens the directory at path; a symbolic link to one will do.
func openDir(path string) (*dir, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fail("open", path, err)
	}
	return &dir{f: f, path: path}, nil
}

func (d *dir) fd() int { return int(d.f.Fd()) }

// join is the path of name, for messages.
func (d *dir) join(name string) string { return filepath.Join(d.path, name) }

// open opens name as openat(2) does, never through a symbolic link. O_NONBLOCK
// keeps a FIFO from hanging the open; it means nothing to regular files.
func (d *dir) open(name string, flags int, perm uint32) (*os.File, error) {
	fd, err := d.openFD(name, flags, perm)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.join(name)), nil
}

// openFD is open without an *os.File, which costs five system calls more.
func (d *dir) openFD(name string, flags int, perm uint32) (fd int, err error) {
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
			return -1, fail("open", d.join(name), cause("is a symbolic link"))
		case !errors.Is(err, unix.EINTR):
			return -1, fail("open", d.join(name), err)
		}
	}
}

// rename renames within the directory, over what is there.
func (d *dir) rename(from, to string) error {
	shown := to
	if isTemp(to) {
		shown = from // the one of the two that a user knows
	}
	if err := d.change("rename", shown); err != nil {
		return err
	}
	return fail("rename", d.join(shown), unix.Renameat(d.fd(), from, d.fd(), to))
}

// remove removes a file. One that is gone already is no error.
func (d *dir) remove(name string) error {
	if err := d.change("remove", name); err != nil {
		return err
	}
	if err := unix.Unlinkat(d.fd(), name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return fail("remove", d.join(name), err)
	}
	return nil
}

// exists says whether there is something called name.
func (d *dir) exists(name string) (bool, error) {
	var st unix.Stat_t
	err := unix.Fstatat(d.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.ENOENT):
		return false, nil
	}
	return false, fail("stat", d.join(name), err)
}

// sync makes renames and removals in the directory last through a power loss.
func (d *dir) sync() error {
	if err := d.change("sync", "."); err != nil {
		return err
	}
	// EINVAL: a file system that cannot sync a directory (some FUSE servers)
	// has nothing to sync.
	if err := d.f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return fail("sync", d.path, err)
	}
	return nil
}

// names lists the directory in byte order.
func (d *dir) names() ([]string, error) {
	f, err := d.open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, fail("read", d.path, err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return sorted(names), nil
}

// create makes name with this content and syncs it. It must not be there.
func (d *dir) create(name, shown string, content []byte) (err error) {
	f, err := d.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return renamed(err, d.join(shown))
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = fail("close", d.join(shown), cerr)
		}
	}()
	if _, err := f.Write(content); err != nil {
		return fail("write", d.join(shown), err)
	}
	return fail("sync", d.join(shown), f.Sync())
}

// renamed puts the name that a user knows in the place of a temporary one.
func renamed(err error, path string) error {
	var e *Error
	if errors.As(err, &e) {
		return &Error{Op: e.Op, Path: path, Err: e.Err, Hint: e.Hint}
	}
	return err
}

// maxMakes bounds how often makeDir begins anew because another run that was
// aborted took away what it had just made.
const maxMakes = 1000

// makeDir makes the directory at path and those above it that are missing. It
// returns the ones that it made, deepest first.
func makeDir(path string) (made []string, err error) {
	for range maxMakes {
		made, err = makeMissing(path)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return made, err
}

func makeMissing(path string) (made []string, err error) {
	var missing []string
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		st, err := os.Stat(p)
		if err == nil {
			if !st.IsDir() {
				return nil, fail("open", p, unix.ENOTDIR)
			}
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fail("open", p, err)
		}
		missing = append(missing, p)
		if filepath.Dir(p) == p {
			break
		}
	}
	for i := len(missing) - 1; i >= 0; i-- {
		err := os.Mkdir(missing[i], 0o755)
		if errors.Is(err, fs.ErrExist) {
			st, lerr := os.Lstat(missing[i])
			switch {
			case lerr != nil:
				err = lerr
			case st.Mode()&fs.ModeSymlink == 0:
				continue // another run was faster
			default:
				err = cause("is a symbolic link to nothing")
			}
		}
		if err != nil {
			removeDirs(made)
			return nil, fail("mkdir", missing[i], err)
		}
		made = append([]string{missing[i]}, made...)
	}
	return made, nil
}

// removeDirs removes directories that are empty, and leaves the others.
func removeDirs(paths []string) {
	for _, p := range paths {
		if unix.Rmdir(p) != nil {
			return
		}
	}
}
