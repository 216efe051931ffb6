package walker

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

const (
	markEdge = 32 << 10 // bytes at each end of a file that Mark looks at

	largeFile = 1 << 20        // bytes
	justNow   = time.Minute    // a file changed so lately may be changing now
	oftenUsed = 24 * time.Hour // a large one is worth a look
)

// getVersion is FS_IOC_GETVERSION of linux/fs.h, _IOR('v', 1, long): the generation of an inode. It is a long in the number only.
const getVersion = 0x80007601 | unix.SizeofPtr<<16

// Mark returns a number, not 0, for the first size bytes of an open file: of its beginning, of what comes before byte size, and of the
// inode's generation if the file system has one. It is the same for a file that only has been appended to since, and, but for chance,
// another one for a file that was rewritten or replaced.
func Mark(fd int, size int64) (uint64, error) {
	h := sha256.New()
	if gen, err := unix.IoctlGetUint32(fd, getVersion); err == nil {
		h.Write(binary.LittleEndian.AppendUint32(nil, gen))
	}
	b := make([]byte, min(size, 2*markEdge))
	head, tail := b[:len(b)/2], b[len(b)/2:]
	for _, sample := range []struct {
		b   []byte
		off int64
	}{{head, 0}, {tail, size - int64(len(tail))}} {
		if err := preadFull(fd, sample.b, sample.off); err != nil {
			return 0, err
		}
	}
	h.Write(b)
	return max(1, binary.LittleEndian.Uint64(h.Sum(nil))), nil
}

// preadFull fills b from byte off on; what lies behind the end of the file stays zero.
func preadFull(fd int, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := unix.Pread(fd, b, off)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n == 0:
			return nil
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// mark returns the Mark of w.entry, a regular file, if it may be one that is appended to all the time, else 0: to open every file would
// be too much.
func (w *walker) mark(o *object) uint64 {
	e := &w.entry
	age := w.now.Sub(time.Unix(e.Mtime.Sec, int64(e.Mtime.Nsec))).Abs()
	if e.Size == 0 || o.covered || age > oftenUsed || e.Size < largeFile && age > justNow {
		return 0
	}
	fd, err := w.openEntry(o)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	mark, err := Mark(fd, e.Size)
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err != nil || st.Mtim.Sec != e.Mtime.Sec || uint32(st.Mtim.Nsec) != e.Mtime.Nsec {
		return 0
	}
	return mark
}
