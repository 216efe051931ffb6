package walker

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Facts of btrfs (linux/btrfs.h, linux/btrfs_tree.h).
const (
	btrfsMagic         = 0x9123683e
	btrfsSubvolumeIno  = 256        // BTRFS_FIRST_FREE_OBJECTID: the inode number of each subvolume's own directory
	btrfsGetFlags      = 0x80089419 // BTRFS_IOC_SUBVOL_GETFLAGS
	btrfsSubvolumeRead = 1 << 1     // BTRFS_SUBVOL_RDONLY
)

// subvolume returns the rule by which the contents of an open directory are left out, "" if they are taken: it is a btrfs subvolume within
// another, without a mount of its own, and a read-only snapshot, or the walk stays on one file system.
func (w *walker) subvolume(o *object, fd int) string {
	e := &w.entry
	if e.Ino != btrfsSubvolumeIno || o.name == "" || e.Dev == o.frame.id.dev {
		return ""
	}
	if magic, err := fsMagic(fd); err != nil || magic != btrfsMagic {
		return ""
	}
	if w.alone {
		return "another subvolume than the source's"
	}
	var flags uint64
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), btrfsGetFlags, uintptr(unsafe.Pointer(&flags)))
	if errno == 0 && flags&btrfsSubvolumeRead != 0 && !w.snapshots && !o.verdict.kept {
		return "read-only snapshot"
	}
	return ""
}
