package chunk

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// zeroOut makes n bytes of a block device at off zero (linux/fs.h BLKZEROOUT).
func zeroOut(f *os.File, off, n int64) error {
	span := [2]uint64{uint64(off), uint64(n)} // bytes: start, length
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKZEROOUT, uintptr(unsafe.Pointer(&span)))
	if errno != 0 {
		return errno
	}
	return nil
}
