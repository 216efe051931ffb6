package walker

import (
	"golang.org/x/sys/unix"
)

// statMask selects the fields that the walk uses; every file system gives STATX_MNT_ID at no cost.
const statMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME | unix.STATX_MNT_ID

// statx looks at a name in a directory, or with the name "" at what fd stands for.
func statx(fd int, name string, flags int, st *unix.Statx_t) error {
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	for {
		if err := unix.Statx(fd, name, flags, statMask, st); err != unix.EINTR {
			return err
		}
	}
}

// set fills e from st, except for what statx does not know: Path, Target, Data, Xattrs and Link are emptied.
func (e *Entry) set(st *unix.Statx_t) {
	*e = Entry{
		Mode: uint32(st.Mode), UID: st.Uid, GID: st.Gid, Nlink: st.Nlink,
		Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino,
		Atime: timeOf(st.Atime), Mtime: timeOf(st.Mtime), Ctime: timeOf(st.Ctime),
	}
	if st.Mask&unix.STATX_BTIME != 0 {
		e.Btime = timeOf(st.Btime)
	}
	switch e.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Size = int64(st.Size)
	case unix.S_IFBLK, unix.S_IFCHR:
		e.Major, e.Minor = st.Rdev_major, st.Rdev_minor
	}
	for _, f := range [...]struct {
		attr uint64
		flag uint32
	}{
		{unix.STATX_ATTR_IMMUTABLE, FlagImmutable},
		{unix.STATX_ATTR_APPEND, FlagAppend},
		{unix.STATX_ATTR_NODUMP, FlagNodump},
	} {
		if st.Attributes&st.Attributes_mask&f.attr != 0 {
			e.Flags |= f.flag
		}
	}
}

// maySame returns true if two birth times can be of one inode. A network file system does not tell it each time.
func maySame(a, b Time) bool { return a == b || a == Time{} || b == Time{} }

func timeOf(t unix.StatxTimestamp) Time {
	return Time{Sec: t.Sec, Nsec: t.Nsec}
}

// otherMount says whether st lies on another mount than r, as far as the kernel tells (Linux 5.8).
func (r *root) otherMount(st *unix.Statx_t) bool {
	return st.Mask&unix.STATX_MNT_ID != 0 && st.Mnt_id != r.mntID
}

// readlink returns the target of a symbolic link.
func readlink(dir int, name string, buf []byte) (string, error) {
	for {
		n, err := unix.Readlinkat(dir, name, buf)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return "", err
		case n < len(buf):
			return string(buf[:n]), nil
		default: // longer than Linux allows, but complete is better than cut
			buf = make([]byte, 2*len(buf))
		}
	}
}
