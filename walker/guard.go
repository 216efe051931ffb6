package walker

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/walker/mounttable"
)

// mode names the way in which the borders of a crossed mount are guarded.
type mode int

const (
	bestMode    mode = iota // the first of the others that the kernel grants, for each mount by itself
	cloneMode               // within a private clone, where no other mount can be seen
	openat2Mode             // the kernel refuses to cross
	plainMode               // mount IDs are compared after each open
)

// Magic numbers of statfs(2).
const (
	procMagic  = 0x9fa0
	sysfsMagic = 0x62656572
	msdosMagic = 0x4d44
	exfatMagic = 0x2011bab0
)

// errOtherMount says that a name leads to another mount: one that appeared after the mount table was read.
var errOtherMount = errors.New("another mount")

// errRefusedFS is the last guard: whatever led here, it lies on proc or sysfs.
var errRefusedFS = errors.New("on a proc or sysfs file system: refused")

const (
	dirFlags  = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fileFlags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	pathFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	pinFlags  = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC

	stayInside = unix.RESOLVE_NO_XDEV | unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS
)

// root is the way into one crossed mount. Its methods may be used concurrently.
type root struct {
	path      string // of the mount point below SOURCE
	fd        int    // O_PATH, of the mount's root or, for SOURCE's mount, of SOURCE; it may be a file
	mode      mode
	mntID     uint64 // of everything that belongs to it
	dev       uint64 // st_dev of fd, which is on neither proc nor sysfs
	statFlags int    // for statx
	beneath   bool   // openat2 works
	noXattrs  bool   // the file system has no extended attributes
	readOnly  bool   // no access time changes, whatever is opened how
	takes     privileges
	steady    bool         // its file system is one that Entry.Steady tells of
	waited    atomic.Int64 // nanoseconds spent on leases
}

// openRoot opens the crossed mount m by its mount point. The mount found there must be m.
func openRoot(m *mount, want mode) (*root, error) {
	fd, err := retry(nil, func() (int, error) {
		return unix.Open(m.point, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: m.point, Err: err}
	}
	id, err := mounttable.ID(fd)
	if err == nil && id != uint64(m.ID) {
		err = fmt.Errorf("%w took its place", errOtherMount)
	}
	if err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "open", Path: m.point, Err: err}
	}
	return newRoot(m, fd, want)
}

// newRoot takes over fd, which is open with O_PATH on the mount m, and chooses the guard.
func newRoot(m *mount, fd int, want mode) (*root, error) {
	r := &root{path: m.Path, takes: m.takes, steady: keepsTimes(m), fd: fd, mode: plainMode, mntID: uint64(m.ID), statFlags: unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT}
	magic, err := fsMagic(fd)
	if err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "statfs", Path: m.point, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "fstat", Path: m.point, Err: err}
	}
	r.dev = st.Dev
	r.noXattrs = magic == msdosMagic || magic == exfatMagic
	if want == bestMode || want == cloneMode {
		err = r.clone()
	}
	if want != plainMode {
		noBeneath := r.probeOpenat2()
		r.beneath = noBeneath == nil
		switch {
		case r.mode == cloneMode || want == cloneMode:
		case r.beneath:
			r.mode = openat2Mode
		case want == openat2Mode:
			err = noBeneath
		}
	}
	if err != nil && want != bestMode {
		unix.Close(fd)
		return nil, &os.PathError{Op: "guard", Path: m.point, Err: err}
	}
	if r.mode != cloneMode && !mayHang(m) {
		// A mount that appears must not make statx wait for its server; local file systems do not look at this flag.
		r.statFlags |= unix.AT_STATX_DONT_SYNC
	}
	return r, nil
}

// clone replaces the file descriptor by one in a private clone of the mount, read-only so that no access time changes, and without
// devices so that none can be opened. Kernels before 5.12 cannot set that; the clone is good without.
func (r *root) clone() error {
	fd, err := unix.OpenTree(r.fd, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return os.NewSyscallError("open_tree", err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV}
	r.readOnly = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr) == nil
	id, err := mounttable.ID(fd)
	if err != nil {
		unix.Close(fd)
		return err
	}
	unix.Close(r.fd)
	r.fd, r.mntID, r.mode = fd, id, cloneMode
	return nil
}

// probeOpenat2 says whether the kernel has openat2 and lets us use it.
func (r *root) probeOpenat2() error {
	fd, err := unix.Openat2(r.fd, ".", &unix.OpenHow{Flags: pathFlags, Resolve: stayInside})
	switch err {
	case nil:
		unix.Close(fd)
		return nil
	case unix.EACCES, unix.ENOTDIR: // its verdict about the directory: it works
		return nil
	}
	return os.NewSyscallError("openat2", err)
}

// open opens a name in a directory of this mount and makes sure that the result is no other mount's.
func (r *root) open(dir int, name string, flags int) (int, error) {
	fd, err := r.openNoatime(dir, name, flags)
	if err != nil {
		if err == unix.EXDEV {
			err = errOtherMount
		}
		return -1, err
	}
	if err := r.check(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// check returns an error if fd does not belong to this mount.
func (r *root) check(fd int) error {
	if r.mode == plainMode {
		if id, err := mounttable.ID(fd); err != nil {
			return err
		} else if id != r.mntID {
			return errOtherMount
		}
	}
	_, err := fsMagic(fd)
	return err
}

// openNoatime opens so that reading leaves the access time alone, unless the file is somebody else's and we may not ask for that
// (CAP_FOWNER).
func (r *root) openNoatime(dir int, name string, flags int) (int, error) {
	if flags&unix.O_PATH != 0 || r.readOnly {
		return r.openRaw(dir, name, flags)
	}
	fd, err := r.openRaw(dir, name, flags|unix.O_NOATIME)
	if err == unix.EPERM {
		fd, err = r.openRaw(dir, name, flags)
	}
	return fd, err
}

func (r *root) openRaw(dir int, name string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: stayInside}
	if name == ".." {
		how.Resolve &^= unix.RESOLVE_BENEATH
	}
	return retry(&r.waited, func() (int, error) {
		if r.mode == openat2Mode {
			return unix.Openat2(dir, name, &how)
		}
		return unix.Openat(dir, name, flags, 0)
	})
}

// A call is repeated at once while renames elsewhere make openat2 give up (EAGAIN), and then with pauses: the same error says that
// somebody holds a lease on the file, such as Samba for a client or nfsd, which is asked to give it back.
const (
	maxDisturbed = 20                    // repetitions at once
	leasePause   = 10 * time.Millisecond // between two of the later ones
	maxLeaseWait = time.Second           // for one file
	maxWaits     = 60 * time.Second      // for all files of one mount: somebody may hold leases on a million of his own
)

// retry repeats a system call that a signal interrupted or that openat2 gave up, and if waited is not nil, one that waits for a lease:
// waited is the time in nanoseconds that such waits have taken.
func retry(waited *atomic.Int64, call func() (int, error)) (int, error) {
	var paused time.Duration
	for disturbed := 0; ; {
		fd, err := call()
		switch {
		case err == unix.EINTR:
		case err != unix.EAGAIN && err != unix.EBUSY:
			return fd, err
		case err == unix.EAGAIN && disturbed < maxDisturbed:
			disturbed++
		case waited != nil && paused < maxLeaseWait && waited.Load() < int64(maxWaits):
			time.Sleep(leasePause)
			paused += leasePause
			waited.Add(int64(leasePause))
		default:
			return fd, err
		}
	}
}

// fsMagic returns the file-system type behind fd. Proc and sysfs are an error.
func fsMagic(fd int) (int64, error) {
	var st unix.Statfs_t
	err := unix.Fstatfs(fd, &st)
	for err == unix.EINTR {
		err = unix.Fstatfs(fd, &st)
	}
	if err == nil && (st.Type == procMagic || st.Type == sysfsMagic) {
		err = errRefusedFS
	}
	return st.Type, err
}
