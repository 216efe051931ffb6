package imgtest

import (
	"bytes"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// target compares what two symlinks say.
func (c *comparer) target(path string, wantDir, gotDir int, name string) {
	a, b := make([]byte, 8192), make([]byte, 8192)
	n, err := unix.Readlinkat(wantDir, name, a)
	if err != nil {
		c.addf(path, "readlink of the wanted entry: %v", err)
		return
	}
	m, err := unix.Readlinkat(gotDir, name, b)
	if err != nil {
		c.addf(path, "readlink: %v", err)
		return
	}
	if !bytes.Equal(a[:n], b[:m]) {
		c.addf(path, "target %.100q, want %.100q", b[:m], a[:n])
	}
}

// content compares two files byte for byte wherever either has data, and their
// use of space.
func (c *comparer) content(path string, wantDir, gotDir int, name string, wantStat, gotStat *unix.Statx_t) {
	if wantStat.Size != gotStat.Size {
		return // said already
	}
	if wantStat.Size == 0 && wantStat.Blocks == 0 && gotStat.Blocks == 0 {
		return
	}
	want, err := openFile(wantDir, name)
	if err != nil {
		c.addf(path, "open the wanted file: %v", err)
		return
	}
	defer want.Close()
	got, err := openFile(gotDir, name)
	if err != nil {
		c.addf(path, "open: %v", err)
		return
	}
	defer got.Close()
	size := int64(wantStat.Size)
	wantData, err := dataRanges(want, size)
	if err != nil {
		c.addf(path, "data ranges of the wanted file: %v", err)
		return
	}
	gotData, err := dataRanges(got, size)
	if err != nil {
		c.addf(path, "data ranges: %v", err)
		return
	}
	a, b := c.bufA, c.bufB
	for _, r := range union(wantData, gotData) {
		for off := r.off; off < r.end; {
			n := min(int64(len(a)), r.end-off)
			_, err := want.ReadAt(a[:n], off)
			if err != nil {
				c.addf(path, "read the wanted file at %d: %v", off, err)
				return
			}
			if _, err = got.ReadAt(b[:n], off); err != nil {
				c.addf(path, "read at %d: %v", off, err)
				return
			}
			if !bytes.Equal(a[:n], b[:n]) {
				c.addf(path, "content differs in bytes %d to %d", off, off+n)
				return
			}
			off += n
		}
	}
	c.space(path, wantData, gotData, wantStat, gotStat)
}

// space checks that holes stayed holes: the got side may use what the want
// side uses, or its data, and beyond that an xattr block and extent blocks
// (one in 300 extents, and two).
func (c *comparer) space(path string, wantData, gotData []byteRange, want, got *unix.Statx_t) {
	limit := roundUp(int64(want.Size))
	extents := int64(1)
	if int64(want.Blocks)*512 < int64(want.Size) {
		limit = 0
		extents = int64(len(wantData))
		end := int64(0) // of the blocks counted so far
		for _, r := range wantData {
			from := max(r.off&^4095, end)
			end = roundUp(r.end)
			limit += max(end-from, 0)
		}
		have := int64(0)
		for _, r := range gotData {
			have += r.end - r.off
		}
		if have > limit {
			c.addf(path, "holes filled: %d bytes of data, want at most %d", have, limit)
		}
	}
	limit = max(limit, int64(want.Blocks)*512) + 4096*(3+extents/300)
	if used := int64(got.Blocks) * 512; used > limit {
		c.addf(path, "uses %d bytes, want at most %d", used, limit)
	}
}

func roundUp(n int64) int64 { return (n + 4095) &^ 4095 }

// byteRange is [off, end).
type byteRange struct{ off, end int64 }

// dataRanges gives the parts of a file that are no holes, ascending.
func dataRanges(f *os.File, size int64) ([]byteRange, error) {
	var list []byteRange
	for off := int64(0); off < size; {
		data, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return nil, err
		}
		hole, err := unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return nil, err
		}
		if hole <= data {
			return nil, io.ErrNoProgress
		}
		list = append(list, byteRange{data, min(hole, size)})
		off = hole
	}
	return list, nil
}

// union merges two ascending lists.
func union(a, b []byteRange) []byteRange {
	var list []byteRange
	for len(a) > 0 || len(b) > 0 {
		var r byteRange
		if len(b) == 0 || len(a) > 0 && a[0].off <= b[0].off {
			r, a = a[0], a[1:]
		} else {
			r, b = b[0], b[1:]
		}
		if n := len(list); n > 0 && r.off <= list[n-1].end {
			list[n-1].end = max(list[n-1].end, r.end)
		} else {
			list = append(list, r)
		}
	}
	return list
}

// openFile opens a regular file without touching its access time.
func openFile(dir int, name string) (*os.File, error) {
	fd, err := openAt(dir, name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}
