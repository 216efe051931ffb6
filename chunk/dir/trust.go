package dir

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// UntrustedError is why a directory is not written to: somebody but root and the
// user of this process can change what lies in it, or what its path leads to.
type UntrustedError struct {
	Path  string // real path of the directory or symbolic link that it is about
	Owner uint32 // user ID
	Mode  uint32 // st_mode
}

func (e *UntrustedError) Error() string {
	what := e.Path
	if e.Mode&unix.S_IFMT == unix.S_IFLNK {
		what = "the symbolic link " + what
	}
	if !trusts(e.Owner) {
		return fmt.Sprintf("%s belongs to user %d, who can change what is written there", what, e.Owner)
	}
	return fmt.Sprintf("%s can be written by others (mode %04o), who can change what is written there", what, e.Mode&0o7777)
}

// trusts says whether files of a user are as good as our own.
func trusts(uid uint32) bool { return uid == 0 || uid == euid() }

func euid() uint32 { return uint32(os.Geteuid()) }

// othersWrite says whether a directory can be written by others. A group of the
// user's own number has only him in it, where umask 002 is the rule.
func othersWrite(st *unix.Stat_t) bool {
	if st.Mode&0o002 != 0 {
		return true
	}
	own := st.Uid != 0 && st.Gid == st.Uid
	return st.Mode&0o020 != 0 && !own
}

// checkDir refuses a directory in which others can rename or remove what is ours.
func checkDir(path string, st *unix.Stat_t) error {
	if trusts(st.Uid) && (!othersWrite(st) || st.Mode&unix.S_ISVTX != 0) {
		return nil
	}
	return &UntrustedError{Path: path, Owner: st.Uid, Mode: st.Mode}
}

// way follows a path from the root directory on, name by name, by descriptors, as
// sshd does for its StrictModes: each directory on it, and each symbolic link, must be
// root's or ours.
type way struct {
	trusted bool // nothing is checked
	make    bool // directories that are missing are made, with mode 0700

	path  string   // as it was given
	fd    int      // the directory that it has come to (O_PATH)
	real  string   // its path without links
	shown string   // so much of path, for messages
	steps []step   // those to come
	links int      // followed so far
	made  []string // real paths of directories that were made, deepest first
}

// step is one name of a path.
type step struct {
	name  string
	given bool // it is one of the path as it was given, not of a link or the working directory
}

// maxLinks is how many symbolic links one path may have (linux/namei.h MAXSYMLINKS).
const maxLinks = 40

// start begins a way to path. The caller closes w.fd, also after an error.
func (w *way) start(path string) error {
	w.fd, w.path = -1, path
	if path == "" {
		return unix.ENOENT
	}
	if !filepath.IsAbs(path) {
		here, err := os.Getwd()
		if err != nil {
			return err
		}
		w.push(here, false)
	} else {
		w.shown = "/"
	}
	w.push(path, true)
	return w.fromRoot()
}

// push adds the names of a path that come after those that are there.
func (w *way) push(path string, given bool) {
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			w.steps = append(w.steps, step{name, given})
		}
	}
}

func (w *way) fromRoot() error {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return w.arrive(fd, "/")
}

// arrive goes on from the directory fd.
func (w *way) arrive(fd int, real string) error {
	w.close()
	w.fd, w.real = fd, real
	if w.trusted {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	return checkDir(real, &st)
}

func (w *way) close() {
	if w.fd >= 0 {
		unix.Close(w.fd)
	}
	w.fd = -1
}

// walk takes all steps but for the last ones, of which it leaves that many.
func (w *way) walk(leave int) error {
	for len(w.steps) > leave {
		s := w.steps[0]
		w.steps = w.steps[1:]
		if s.given {
			w.shown = filepath.Join(w.shown, s.name)
		}
		if err := w.take(s); err != nil {
			return Fail("open", cmp.Or(w.shown, w.path), err)
		}
	}
	return nil
}

// take takes one step.
func (w *way) take(s step) error {
	real := filepath.Join(w.real, s.name)
	fd, st, err := w.look(s.name)
	if errors.Is(err, unix.ENOENT) && w.make {
		if !s.given && w.links > 0 {
			return Cause("is a symbolic link to nothing")
		}
		if err := w.mkdir(s.name, real); err != nil {
			return Fail("mkdir", w.shown, err)
		}
		fd, st, err = w.look(s.name)
	}
	if err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		defer unix.Close(fd)
		return w.follow(fd, real, st)
	case unix.S_IFDIR:
		return w.arrive(fd, real)
	}
	unix.Close(fd)
	return unix.ENOTDIR
}

// look opens a name, of a link the link itself.
func (w *way) look(name string) (fd int, st *unix.Stat_t, err error) {
	const flags = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if fd, err = unix.Openat(w.fd, name, flags, 0); err != nil {
		return -1, nil, err
	}
	st = new(unix.Stat_t)
	if err = unix.Fstat(fd, st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		// Opened by its own ".", a directory that autofs mounts on demand is mounted.
		var in int
		if in, err = unix.Openat(w.fd, name+"/.", flags|unix.O_DIRECTORY, 0); err == nil {
			unix.Close(fd)
			return in, st, nil
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, st, nil
}

// follow puts the names of a link before the steps to come.
func (w *way) follow(fd int, real string, st *unix.Stat_t) error {
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	if !w.trusted && !trusts(st.Uid) {
		return &UntrustedError{Path: real, Owner: st.Uid, Mode: st.Mode}
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return err
	}
	after := w.steps
	w.steps = nil
	w.push(string(buf[:n]), false)
	w.steps = append(w.steps, after...)
	if n > 0 && buf[0] == '/' {
		return w.fromRoot()
	}
	return nil
}

func (w *way) mkdir(name, real string) error {
	err := unix.Mkdirat(w.fd, name, 0o700)
	if errors.Is(err, unix.EEXIST) {
		return nil // another run was faster
	}
	if err == nil {
		w.made = append([]string{real}, w.made...)
	}
	return err
}

// reach opens the directory at path to write to it, and makes it if w.make is set.
// It returns the directories that it made, deepest first; after an error none is left.
func (w *way) reach(path string) (d *Dir, made []string, err error) {
	err = Fail("open", path, w.start(path))
	if err == nil {
		err = w.walk(0)
	}
	defer w.close()
	fd := -1
	if err == nil {
		fd, err = unix.Openat(w.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		err = Fail("open", path, err)
	}
	if err == nil {
		d, err = newDir(os.NewFile(uintptr(fd), path), path)
	}
	if err != nil {
		removeDirs(w.made)
		return nil, nil, err
	}
	d.trusted = w.trusted
	return d, w.made, nil
}

// maxMakes bounds how often makeDirs begins anew.
const maxMakes = 1000

// makeDirs reaches a directory that may be missing, and may vanish meanwhile.
func makeDirs(path string, trusted bool) (d *Dir, made []string, err error) {
	for range maxMakes { // another run that was aborted may take away what was just made
		w := way{trusted: trusted, make: true}
		if d, made, err = w.reach(path); !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	return d, made, err
}

// removeDirs removes directories that are empty, and leaves the others.
func removeDirs(paths []string) {
	for _, p := range paths {
		if unix.Rmdir(p) != nil {
			return
		}
	}
}
