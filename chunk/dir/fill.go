package dir

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// directRun is the least mean length of runs, in bytes, that are written past
// the page cache: each such write waits for the device.
const directRun = 128 << 10

// fill writes these runs of p to an empty file and makes that size bytes long.
//
// Long runs go past the page cache (O_DIRECT, open(2)) if the file system can
// do that: no copy of a part is made, dirty pages do not push out what the machine
// works with, and little is left for the sync at the end. Other runs go through
// the cache, and their writing to the device begins at once.
func fill(fd int, p []byte, runs []extent, size int64) (written int64, err error) {
	if err := unix.Ftruncate(fd, size); err != nil {
		return 0, err
	}
	if len(runs) == 0 {
		return 0, nil
	}
	direct := len(p)%page == 0 && wantDirect(runs) && setDirect(fd, true) == nil
	for _, r := range runs {
		n, err := pwrite(fd, p[r.start:r.end], int64(r.start))
		if direct && errors.Is(err, unix.EINVAL) { // larger blocks than a page, or no direct writes after all
			direct = false
			if err = setDirect(fd, false); err == nil {
				n, err = pwrite(fd, p[r.start:r.end], int64(r.start))
			}
		}
		written += n
		if err != nil {
			return written, err
		}
	}
	if !direct {
		// What goes wrong is left for the fsync, which reports it.
		_ = unix.SyncFileRange(fd, 0, size, unix.SYNC_FILE_RANGE_WRITE)
	}
	return written, nil
}

// wantDirect says whether the runs are long enough for direct writes.
func wantDirect(runs []extent) bool {
	total := 0
	for _, r := range runs {
		total += r.end - r.start
	}
	return total/len(runs) >= directRun
}

// setDirect switches O_DIRECT. File systems that cannot do it refuse (EINVAL).
func setDirect(fd int, on bool) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	flags &^= unix.O_DIRECT
	if on {
		flags |= unix.O_DIRECT
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags)
	return err
}

// pwrite writes all of p at off.
func pwrite(fd int, p []byte, off int64) (written int64, err error) {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, off)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return written, err
		case n == 0:
			return written, io.ErrShortWrite
		}
		p, off, written = p[n:], off+int64(n), written+int64(n)
	}
	return written, nil
}
