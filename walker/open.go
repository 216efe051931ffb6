package walker

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Open opens a regular file of the tree for reading, by its path below SOURCE, fills st with what fstat says of it (without the set-ID bits
// that a nosuid mount takes), and returns the
// file descriptor, which is the caller's to close. It is guarded like the walk: no mount that was not crossed is entered, no symbolic
// link followed, nothing but a regular file opened for good, no access time changed. Errors wrap the errno; a path that has become
// something else gives ErrNotRegular, one below a directory that is none any more fs.ErrNotExist. Open may be called from several
// goroutines.
func (t *Tree) Open(name string, st *unix.Stat_t) (fd int, err error) {
	if fd, err = t.open(name, st); err != nil {
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

// Xattrs returns the extended attributes of a file that Open opened as name, in name order and chosen as for an entry.
func (t *Tree) Xattrs(name string, fd int) ([]Xattr, error) {
	r, _ := t.locate(name)
	if r == nil || r.noXattrs {
		return nil, nil
	}
	list, err := r.readFD(fd, nil, func(string) {})
	if err != nil {
		return nil, &fs.PathError{Op: "listxattr", Path: name, Err: err}
	}
	return list, nil
}

// TouchesTimes returns true if some mount could not be cloned read-only. There, to open a file of another user without changing its
// access time takes CAP_FOWNER (O_NOATIME).
func (t *Tree) TouchesTimes() bool {
	return slices.ContainsFunc(t.roots, func(r *root) bool { return !r.readOnly })
}

// Close releases the mounts. Files that were opened stay open.
func (t *Tree) Close() error {
	t.dirs.clear()
	for _, r := range t.roots {
		unix.Close(r.fd)
	}
	t.roots = nil
	return nil
}

func (t *Tree) open(name string, st *unix.Stat_t) (int, error) {
	if name == "" || name[0] != '/' || path.Clean(name) != name {
		return -1, fs.ErrInvalid
	}
	r, rel := t.locate(name)
	if r == nil {
		return -1, fs.ErrClosed
	}
	if rel == "" {
		return r.openSelf(st)
	}
	for {
		dir, err := t.dir(r, name, rel)
		if err != nil {
			return -1, err
		}
		base := path.Base(rel)
		fd, err := r.openFile(dir.fd, base, st)
		stale := t.dirs.release(dir, err)
		if err == nil || !stale {
			return fd, err
		}
		// another directory may have the path by now
	}
}

// openFile opens a regular file in a directory of this mount.
func (r *root) openFile(dir int, name string, st *unix.Stat_t) (int, error) {
	fd, err := r.openNoatime(dir, name, fileFlags)
	if err != nil {
		return -1, r.explain(dir, name, err)
	}
	return r.regular(fd, st)
}

// openSelf opens a crossed mount that is a single file.
func (r *root) openSelf(st *unix.Stat_t) (int, error) {
	fd, err := retry(&r.waited, func() (int, error) {
		return unix.Open(fdPath(r.fd), fileFlags&^unix.O_NOFOLLOW|unix.O_NOATIME, 0)
	})
	if err == unix.EPERM {
		fd, err = unix.Open(fdPath(r.fd), fileFlags&^unix.O_NOFOLLOW, 0)
	}
	if err != nil {
		return -1, err
	}
	return r.regular(fd, st)
}

// regular passes fd on if it is a regular file of this mount, else closes it. The device says that it is of the file system that
// the mount's root is of; if it does not, as with btrfs subvolumes, fstatfs decides.
func (r *root) regular(fd int, st *unix.Stat_t) (int, error) {
	err := unix.Fstat(fd, st)
	if err == nil && (st.Dev != r.dev || r.mode == plainMode) {
		err = r.check(fd)
	}
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = ErrNotRegular
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	st.Mode = r.takes.mode(st.Mode)
	return fd, nil
}

// explain returns ErrNotRegular for the error of opening what should be a regular file if the name is something else, and err otherwise.
func (r *root) explain(dir int, name string, err error) error {
	switch err {
	case unix.EXDEV:
		return errOtherMount
	case unix.ELOOP, unix.ENXIO, unix.EACCES, unix.ENODEV: // a symbolic link, a socket, a device: the clone is mounted nodev
		var st unix.Statx_t
		if statx(dir, name, r.statFlags, &st) == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
			return ErrNotRegular
		}
	}
	return err
}

// kindOf returns the type (S_IFMT) of the entry at a path of the tree, 0 if no entry is there or it cannot be looked at.
func (t *Tree) kindOf(name string) uint32 {
	r, rel := t.locate(name)
	if r == nil || rel == "" {
		return 0
	}
	dir, err := t.dir(r, name, rel)
	if err != nil {
		return 0
	}
	defer t.dirs.release(dir, nil)
	var st unix.Statx_t
	if statx(dir.fd, path.Base(rel), r.statFlags, &st) != nil || r.otherMount(&st) {
		return 0
	}
	return uint32(st.Mode) & unix.S_IFMT
}

// locate returns the crossed mount that a path lies on, and the path below its mount point without a leading slash.
func (t *Tree) locate(name string) (*root, string) {
	if len(t.roots) == 0 { // closed
		return nil, ""
	}
	best, rest := t.roots[0], strings.TrimPrefix(name, "/")
	for s, rel := t.spots, rest; rel != ""; {
		var first string
		first, rel, _ = strings.Cut(rel, "/")
		if s = s.kids[first]; s == nil {
			break
		}
		if s.root != nil {
			best, rest = s.root, rel
		}
	}
	return best, rest
}

// dir returns the directory of the entry that is called rel below r and name in the tree.
func (t *Tree) dir(r *root, name, rel string) (*cachedDir, error) {
	key := name[:strings.LastIndexByte(name, '/')]
	if d := t.dirs.get(key); d != nil {
		return d, nil
	}
	inside := ""
	if i := strings.LastIndexByte(rel, '/'); i >= 0 {
		inside = rel[:i]
	}
	fd, err := r.openDir(inside)
	if err != nil {
		if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			err = unix.ENOENT
		}
		return nil, err
	}
	return t.dirs.put(key, fd), nil
}

// maxOpenPath keeps the paths of single system calls below PATH_MAX (4096 bytes with the NUL).
const maxOpenPath = 4000

// openDir opens the directory at a path below the mount point with O_PATH; "" is the mount's root. However long the path, it goes
// step by step.
func (r *root) openDir(rel string) (int, error) {
	if rel == "" {
		return r.open(r.fd, ".", pathFlags)
	}
	dir := r.fd
	for rel != "" {
		var step string
		step, rel = r.cutStep(rel)
		next, err := r.openStep(dir, step)
		if err == nil && rel == "" {
			err = r.check(next)
		}
		if dir != r.fd {
			unix.Close(dir)
		}
		if err != nil {
			return -1, err
		}
		dir = next
	}
	return dir, nil
}

// cutStep takes from the front of rel as much as one system call may resolve: a single name unless openat2 refuses symbolic links on
// the way.
func (r *root) cutStep(rel string) (step, rest string) {
	if !r.beneath {
		step, rest, _ = strings.Cut(rel, "/")
		return step, rest
	}
	if len(rel) <= maxOpenPath {
		return rel, ""
	}
	i := strings.LastIndexByte(rel[:maxOpenPath], '/')
	return rel[:i], rel[i+1:]
}

func (r *root) openStep(dir int, step string) (int, error) {
	return retry(nil, func() (int, error) {
		if r.beneath {
			return unix.Openat2(dir, step, &unix.OpenHow{Flags: pathFlags, Resolve: stayInside})
		}
		return unix.Openat(dir, step, pathFlags, 0)
	})
}
