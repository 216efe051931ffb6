package volume

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"purebundle/walker/mounttable"
)

// A kind of file system, and how its names are learnt.
type kind struct {
	ask    []question
	device bool // its superblock can be read from its device
}

// kindOf returns the kind of the file system whose root directory fd is, or, on
// btrfs, of which it is a subvolume; ErrNone if it is neither.
func kindOf(fd int) (k kind, err error) {
	var fs unix.Statfs_t
	var st unix.Stat_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return k, os.NewSyscallError("statfs", err)
	}
	if err := unix.Fstat(fd, &st); err != nil {
		return k, os.NewSyscallError("stat", err)
	}
	root := false
	switch int64(fs.Type) {
	case unix.EXT4_SUPER_MAGIC:
		k, root = kind{[]question{askAny, askExt}, true}, st.Ino == 2 // EXT4_ROOT_INO
	case unix.BTRFS_SUPER_MAGIC:
		k, root = kind{[]question{askBtrfs}, false}, st.Ino == 256 // BTRFS_FIRST_FREE_OBJECTID
	case unix.F2FS_SUPER_MAGIC:
		k, root = kind{[]question{askAny}, true}, st.Ino == 3 // as mkfs.f2fs numbers it
	case unix.XFS_SUPER_MAGIC: // sb_rootino can be any number
		k = kind{[]question{askAny, askXFS}, false}
		if root, err = mountsRoot(fd); err != nil {
			return k, err
		}
	}
	if !root {
		return k, ErrNone
	}
	return k, nil
}

// names returns the names of the file system that fd is the root of.
func (k kind) names(fd int) (id Names, err error) {
	for _, q := range k.ask {
		if id.UUID, err = q.ask(fd); err == nil {
			break
		}
	}
	text, told := label(fd)
	if id.Label = text; k.device && (err != nil || !told) {
		known, deviceErr := ofDevice(fd)
		if deviceErr == nil {
			return known, nil
		}
		err = errors.Join(err, deviceErr)
	}
	return id, err
}

// mountsRoot says whether fd is the root directory of a mount that shows all of its
// file system.
func mountsRoot(fd int) (bool, error) {
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return false, err
	}
	id, err := mounttable.ID(fd)
	if err != nil {
		return false, err
	}
	lines, err := mounttable.Read()
	if err != nil {
		return false, err
	}
	for _, l := range lines {
		if uint64(l.ID) == id {
			return l.Root == "/" && l.Mountpoint == path, nil
		}
	}
	return false, nil
}
