package confine

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What Landlock is asked to watch, by the version of its ABI that knows it first.
const (
	abiRename  = 2 // Linux 5.19; before, any rename to another directory is refused
	abiTrunc   = 3 // Linux 6.2
	abiNetwork = 4 // Linux 6.7
	abiScope   = 6 // Linux 6.12

	writeFile  = unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	removeDir  = unix.LANDLOCK_ACCESS_FS_REMOVE_DIR
	writeBelow = writeFile | removeDir | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_REFER |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_DIR
	never = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_SYM
)

// errNoLandlock says that the kernel is built or was started without it, or that
// it is too old.
var errNoLandlock = fmt.Errorf("this kernel does not have it, or not from Linux 5.19 on: %w", errors.ErrUnsupported)

// restrict has the kernel watch what rest does not name.
func restrict(rest Rest) error {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errno == unix.ENOSYS, errno == unix.EOPNOTSUPP, errno == 0 && abi < abiRename:
		return errNoLandlock
	case errno != 0:
		return errno
	}
	watched := rest.watched(int(abi))
	if watched == (unix.LandlockRulesetAttr{}) {
		return nil
	}
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&watched)), sizeOf(int(abi)), 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(set))
	if watched.Handled_access_fs != 0 {
		for _, path := range rest.Write {
			if err := allow(int(set), path, writeBelow|unix.LANDLOCK_ACCESS_FS_TRUNCATE, watched.Handled_access_fs); err != nil {
				return err
			}
		}
		for _, path := range rest.Link {
			if err := allow(int(set), path, unix.LANDLOCK_ACCESS_FS_REFER|writeFile|unix.LANDLOCK_ACCESS_FS_TRUNCATE, watched.Handled_access_fs); err != nil {
				return err
			}
		}
		for _, path := range rest.Remove {
			if err := allow(int(set), path, removeDir, watched.Handled_access_fs); err != nil {
				return err
			}
		}
	}
	return onAll(syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0))
}

// watched returns the part of what rest leaves out that this version of Landlock watches.
func (rest *Rest) watched(abi int) (w unix.LandlockRulesetAttr) {
	if !rest.Exec {
		w.Handled_access_fs = writeBelow | never
		if abi >= abiTrunc {
			w.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
		}
	}
	if !rest.Network && abi >= abiNetwork {
		w.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if !rest.Network && abi >= abiScope {
		w.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	return w
}

// sizeOf returns how many bytes of the attributes this version of Landlock knows.
func sizeOf(abi int) uintptr {
	var w unix.LandlockRulesetAttr
	switch {
	case abi < abiNetwork:
		return unsafe.Offsetof(w.Handled_access_net)
	case abi < abiScope:
		return unsafe.Offsetof(w.Scoped)
	}
	return unsafe.Offsetof(w.Quiet_access_fs)
}

// allow adds the rule that path, and all below it, may be used so. Of a file that
// is no directory, what concerns its names does not apply.
func allow(set int, path string, access, watched uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= writeFile | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access & watched, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return &os.PathError{Op: "allow", Path: path, Err: errno}
	}
	return nil
}
