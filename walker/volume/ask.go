package volume

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A question is an ioctl that tells a file system's UUID to whoever has a directory
// of it open, without its device: containers and sandboxed units have none.
type question struct {
	name    string
	request uintptr // its number, as _IOR makes it
	size    int     // of the answer, in bytes
	uuid    int     // offset of the UUID in it, in bytes
}

var (
	// askAny has struct fsuuid2: its length, then the UUID. Linux 6.9; btrfs does not
	// know it.
	askAny = question{"FS_IOC_GETFSUUID", 0x80111500, 17, 1}
	// askExt has struct fsuuid: its length and flags, 4 bytes each, then the UUID. Linux 5.19.
	askExt = question{"EXT4_IOC_GETFSUUID", 0x8008662c, 24, 8}
	// askXFS has struct xfs_fsop_geom_v1.
	askXFS = question{"XFS_IOC_FSGEOMETRY_V1", 0x80705864, 112, 64}
	// askBtrfs has struct btrfs_ioctl_fs_info_args.
	askBtrfs = question{"BTRFS_IOC_FS_INFO", 0x8400941f, 1024, 16}
)

// ask returns the answer to a question about the file system of fd.
func (q question) ask(fd int) (uuid [16]byte, err error) {
	answer := make([]byte, q.size)
	if q.request == askExt.request {
		binary.NativeEndian.PutUint32(answer, uint32(len(uuid))) // fsu_len, the room that there is
	}
	if err := ioctl(fd, q.request, answer); err != nil {
		return uuid, fmt.Errorf("%s: %w", q.name, err)
	}
	if q.request == askAny.request && int(answer[0]) != len(uuid) {
		return uuid, fmt.Errorf("%s: a UUID of %d bytes", q.name, answer[0])
	}
	uuid = [16]byte(answer[q.uuid:])
	if uuid == [16]byte{} {
		return uuid, fmt.Errorf("%s: no UUID", q.name)
	}
	return uuid, nil
}

// label returns the label of the file system of fd; ok is false if its kernel does
// not tell (FS_IOC_GETFSLABEL: XFS and btrfs from Linux 4.18, ext4 from 5.17).
func label(fd int) (text string, ok bool) {
	answer := make([]byte, 256) // FSLABEL_MAX
	if ioctl(fd, 0x81009431, answer) != nil {
		return "", false
	}
	answer, _, _ = bytes.Cut(answer, []byte{0})
	return string(answer), true
}

// ioctl fills answer; what it holds goes along.
func ioctl(fd int, request uintptr, answer []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&answer[0])))
	if errno != 0 {
		return errno
	}
	return nil
}
