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

// emptyFlags adds the flags of w.entry, a regular file without content: nobody opens it later.
func (w *walker) emptyFlags(o *object) {
	if o.covered {
		return
	}
	if fd, err := w.openEntry(o); err == nil {
		w.entry.Flags |= Flags(fd)
		unix.Close(fd)
	}
}
