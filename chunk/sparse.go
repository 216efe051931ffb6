package chunk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// page is the grain of holes, in bytes: the block size of nearly every file system.
const page = 4096

// hexSum spells a digest as sha256sum and the manifest do.
func hexSum(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:]) }

// zeroSum is the digest of Size zero bytes (head -c 10485760 /dev/zero | sha256sum).
const zeroSum = "e5b844cc57f57094ea4585e235f36c78c1cd222262bb89d53c94dcb4d6b3e55d"

// nextRun finds the first run of pages in p, at or after from, that are not all
// zero. A run ends before a zero page. Without one, start is len(p). Both p and
// from are whole pages long.
func nextRun(p []byte, from int) (start, end int) {
	var zero [page]byte
	start = from
	for start < len(p) && bytes.Equal(p[start:start+page], zero[:]) {
		start += page
	}
	end = start
	for end < len(p) && !bytes.Equal(p[end:end+page], zero[:]) {
		end += page
	}
	return start, end
}

// extent is a range of pages, in bytes.
type extent struct{ start, end int }

// nonZero lists the runs of pages in p, whole pages long, that are not all zero.
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

// allZero says whether p, whole pages long, is all zero.
func allZero(p []byte) bool {
	start, _ := nextRun(p, 0)
	return start == len(p)
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

// startWriteback tells the kernel to begin writing n bytes at off to the device,
// and does not wait: the fsync that follows much later then has little to do.
// Errors are left for that fsync, which reports them.
func startWriteback(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}

// allHole says whether f has no data at all, by lseek(2) SEEK_DATA. Where the
// file system cannot tell, all of f counts as data.
func allHole(f *os.File) (bool, error) {
	_, err := f.Seek(0, unix.SEEK_DATA)
	switch {
	case err == nil, errors.Is(err, unix.EINVAL):
		return false, nil
	case errors.Is(err, unix.ENXIO):
		return true, nil
	}
	return false, err
}

// readFull reads len(p) bytes of f at off. A file that ends before is an error.
func readFull(f *os.File, p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
