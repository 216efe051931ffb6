package walker

import "golang.org/x/sys/unix"

// Flags returns what chattr has set of an open file or directory, FS_*_FL of linux/fs.h; 0 if its file system has no such flags.
func Flags(fd int) uint32 {
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return 0
	}
	return flags & chattrFlags
}

// chattrFlags are those of chattr's, without what a file system tells of itself: s, u, c, S, i, a, d, A, m, j, t, D, T, C, x, P, F.
const chattrFlags = 0xff | 0x400 | 0x4000 | 0x8000 | 0x10000 | 0x20000 | 0x800000 | 0x2000000 | 0x20000000 | 0x40000000

// emptyFlags adds the flags of w.entry, a regular file without content: nobody opens it later. Few files have any: those alone cost the
// system call that tells whether what was opened is the entry still. A mount without nodev is none to be asked before that.
func (w *walker) emptyFlags(o *object) {
	var fd int
	var err error
	switch {
	case o.covered:
		return
	case o.name == "" || !o.root.readOnly:
		fd, err = w.openEntry(o)
	default:
		fd, err = o.root.openRaw(o.dir, o.name, fileFlags)
	}
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if flags := Flags(fd); flags != 0 && w.isEntry(o.root, fd) {
		w.entry.Flags |= flags
	}
}

// isEntry returns true if an open file is the one that w.entry is made from.
func (w *walker) isEntry(r *root, fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && identity{st.Dev, st.Ino} == w.entry.id() && r.check(fd) == nil
}
