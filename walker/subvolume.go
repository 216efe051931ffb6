package walker

import (
	"path"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"purebundle/walker/mounttable"
)

// Facts of btrfs (linux/btrfs.h, linux/btrfs_tree.h).
const (
	btrfsMagic         = 0x9123683e
	btrfsSubvolumeIno  = 256        // BTRFS_FIRST_FREE_OBJECTID: the inode number of each subvolume's own directory
	btrfsGetFlags      = 0x80089419 // BTRFS_IOC_SUBVOL_GETFLAGS
	btrfsSubvolumeRead = 1 << 1     // BTRFS_SUBVOL_RDONLY
	btrfsGetInfo       = 0x81f8943c // BTRFS_IOC_GET_SUBVOL_INFO, Linux 4.18
	btrfsInfoSize      = 504        // of struct btrfs_ioctl_get_subvol_info_args, bytes
	btrfsParentUUID    = 312        // offset of its parent_uuid, 16 bytes; received_uuid follows
)

const (
	snapshotRule = "read-only snapshot"
	snapperRule  = "snapshot of snapper"
)

// subvolume returns the rule by which the contents of an open directory are left out, "" if they are taken: it is a btrfs subvolume within
// another, without a mount of its own, and a snapshot, or the walk stays on one file system.
func (w *walker) subvolume(o *object, fd int) string {
	e := &w.entry
	if e.Ino != btrfsSubvolumeIno || o.name == "" || e.Dev == o.frame.id.dev || !onBtrfs(fd) {
		return ""
	}
	switch {
	case w.alone:
		return "another subvolume than the source's"
	case w.top == e.id():
		return "the source once more"
	case w.snapshots || o.verdict.kept:
		return ""
	case w.ofSnapper(o):
		return snapperRule
	case readOnlySnapshot(fd):
		return snapshotRule
	}
	return ""
}

// ofSnapper returns true if the subvolume at hand lies where snapper keeps one, as /.snapshots/7/snapshot with an info.xml beside it. Those
// that it made before an upgrade can be written to.
func (w *walker) ofSnapper(o *object) bool {
	number, isSnapshot := strings.CutSuffix(w.entry.Path, "/snapshot")
	if _, ok := o.frame.find("info.xml"); !ok || !isSnapshot {
		return false
	}
	return path.Base(path.Dir(number)) == snapperName
}

// snapperName is what snapper calls the directory of its snapshots.
const snapperName = ".snapshots"

// onBtrfs returns true if an open file lies on btrfs.
func onBtrfs(fd int) bool {
	magic, err := fsMagic(fd)
	return err == nil && magic == btrfsMagic
}

// readOnlySnapshot returns true if the directory of a subvolume, open for reading, is one that can only be read, and a copy of another one:
// made of it, or received.
func readOnlySnapshot(fd int) bool {
	var flags uint64
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), btrfsGetFlags, uintptr(unsafe.Pointer(&flags))); errno != 0 || flags&btrfsSubvolumeRead == 0 {
		return false
	}
	var info [btrfsInfoSize]byte
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), btrfsGetInfo, uintptr(unsafe.Pointer(&info))); errno != 0 {
		return true
	}
	return [32]byte(info[btrfsParentUUID:]) != [32]byte{}
}

// mountedSnapshot returns true if a mount shows a read-only snapshot as a whole.
func mountedSnapshot(m *mount) bool {
	if m.FSType != "btrfs" {
		return false
	}
	fd, err := unix.Open(m.point, dirFlags, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	id, err := mounttable.ID(fd)
	return err == nil && id == uint64(m.ID) && onBtrfs(fd) && readOnlySnapshot(fd)
}

// rootSubvolume returns true if f's directory is that of a btrfs subvolume.
func (f *frame) rootSubvolume() bool {
	return f.fd >= 0 && f.id.ino == btrfsSubvolumeIno && onBtrfs(f.fd)
}
