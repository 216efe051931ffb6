package dir

import (
	"bytes"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// page is the grain of holes, in bytes: the block size of nearly every file system.
const page = 4096

var zeroPage [page]byte

// nextRun finds the first run of pages in p, at or after from, that are not all
// zero. A run ends before a zero page; the last page may be short. If there is no
// run, start is len(p).
func nextRun(p []byte, from int) (start, end int) {
	start = firstData(p, from)
	end = start
	for end < len(p) && !zeroAt(p, end) {
		end += page
	}
	return start, min(end, len(p))
}

// firstData returns the offset of the first page of p, at or after from, that is
// not all zero; len(p) if there is none.
func firstData(p []byte, from int) int {
	for from < len(p) && zeroAt(p, from) {
		from += page
	}
	return min(from, len(p))
}

// zeroAt says whether the page of p at an offset is all zero.
func zeroAt(p []byte, at int) bool {
	b := p[at:min(at+page, len(p))]
	return bytes.Equal(b, zeroPage[:len(b)])
}

// extent is a range of pages, in bytes.
type extent struct{ start, end int }

// nonZero lists the runs of pages in p that are not all zero.
func nonZero(p []byte) (runs []extent) {
	for at := 0; ; {
		start, end := nextRun(p, at)
		if start == len(p) {
			return runs
		}
		runs = append(runs, extent{start, end})
		at = end
	}
}

// AllZero says whether p is all zero. It looks no further than the first page that is not.
func AllZero(p []byte) bool {
	return firstData(p, 0) == len(p)
}

// writeSparse writes to f at off what is not zero in p. What it leaves out must
// read as zero already. It returns the number of bytes written.
func writeSparse(f *os.File, p []byte, off int64) (written int64, err error) {
	for at := 0; ; {
		start, end := nextRun(p, at)
		if start == len(p) {
			return written, nil
		}
		n, err := f.WriteAt(p[start:end], off+int64(start))
		written += int64(n)
		if err != nil {
			return written, err
		}
		at = end
	}
}

// StartWriteback tells the kernel to begin writing n bytes at off to the device,
// and does not wait: the fsync that follows much later then has little to do.
// Errors are left for that fsync, which reports them.
func StartWriteback(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}

// AllHole says whether f has no data at all, by lseek(2) SEEK_DATA. If the file
// system cannot tell, all of f counts as data.
func AllHole(f *os.File) (bool, error) {
	_, err := f.Seek(0, unix.SEEK_DATA)
	switch {
	case err == nil, errors.Is(err, unix.EINVAL):
		return false, nil
	case errors.Is(err, unix.ENXIO):
		return true, nil
	}
	return false, err
}
