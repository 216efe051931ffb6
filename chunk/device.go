package chunk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"purebundle/chunk/dir"
)

// device writes to a block device.
func (j *joiner) device(ctx context.Context, dst string) error {
	// O_EXCL on a block device: fails with EBUSY while it is mounted or otherwise in use.
	f, err := dir.OpenDevice(dst)
	if errors.Is(err, unix.EBUSY) {
		return &Error{Op: "write", Path: dst, Err: unix.EBUSY, Hint: "the device is mounted or in use: unmount it, or choose another"}
	}
	if err != nil {
		return fail("write", dst, err)
	}
	defer f.Close()
	size, err := f.Seek(0, 2)
	if err != nil {
		return fail("write", dst, err)
	}
	if size < j.Size() {
		return &Error{Op: "write", Path: dst,
			Err:  fmt.Errorf("is too small: %s needed, %s there", dir.BytesText(j.Size()), dir.BytesText(size)),
			Hint: "choose a larger device"}
	}
	if _, err := f.WriteAt(make([]byte, min(Size, j.Size())), 0); err != nil {
		return fail("write", dst, err)
	}
	if err := f.Sync(); err != nil {
		return fail("write", dst, err)
	}
	parts := j.parts()
	for _, some := range [][]int{parts[1:], parts[:1]} {
		if err := j.copyParts(ctx, some, func(p []byte, off int64) error { return fail("write", dst, writeDense(f, p, off)) }); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return fail("write", dst, err)
		}
	}
	return nil
}

// writeDense writes all of p to f at off. The kernel is asked to zero what is
// zero (ioctl BLKZEROOUT), which most devices do without a transfer; the length
// of a part is a multiple of any sector.
func writeDense(f *os.File, p []byte, off int64) error {
	if dir.AllZero(p) && zeroOut(f, off, int64(len(p))) == nil {
		return nil
	}
	_, err := f.WriteAt(p, off)
	if err == nil {
		dir.StartWriteback(f, off, int64(len(p)))
	}
	return err
}

// zeroOut makes n bytes of a block device at off zero (linux/fs.h BLKZEROOUT).
func zeroOut(f *os.File, off, n int64) error {
	span := [2]uint64{uint64(off), uint64(n)} // bytes: start, length
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKZEROOUT, uintptr(unsafe.Pointer(&span)))
	if errno != 0 {
		return errno
	}
	return nil
}
