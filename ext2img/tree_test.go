package ext2img_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"

	"purebundle/ext2img"
)

const partSize = 10 << 20 // bytes

var testUUID = [16]byte{0xd7, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 14, 15}

// params returns the parameters of a test that asks for nothing special.
func params() ext2img.Params {
	return ext2img.Params{
		Free: 16 << 20, FreePercent: 10, Label: "tést", UUID: testUUID,
		Now: ext2img.Time{Sec: 1_700_000_000}, PartSize: partSize, Mark: markOf,
	}
}

// markOf returns a digest of the first size bytes of a file that is not very large.
func markOf(fd int, size int64) (uint64, error) {
	if size > 64<<20 {
		return 0, nil
	}
	b := make([]byte, size)
	if n, err := unix.Pread(fd, b, 0); err != nil || int64(n) < size {
		return 0, err
	}
	sum := sha256.Sum256(b)
	return binary.LittleEndian.Uint64(sum[:]), nil
}

// addTree adds the tree at dir, as a plain walk sees it.
func addTree(t testing.TB, b *ext2img.Builder, dir string) {
	t.Helper()
	first := make(map[uint64]bool)
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := "/" + strings.TrimPrefix(strings.TrimPrefix(name, dir), "/")
		f := fileOf(t, name)
		if f.Nlink > 1 && f.Mode&unix.S_IFMT != unix.S_IFDIR {
			if first[f.Ino] {
				return b.Link(path, f)
			}
			first[f.Ino] = true
		}
		return b.Add(path, f)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fileOf describes one file.
func fileOf(t testing.TB, name string) ext2img.File {
	t.Helper()
	var st unix.Statx_t
	mask := unix.STATX_BASIC_STATS | unix.STATX_BTIME
	if err := unix.Statx(unix.AT_FDCWD, name, unix.AT_SYMLINK_NOFOLLOW, mask, &st); err != nil {
		t.Fatalf("statx %s: %v", name, err)
	}
	at := func(s unix.StatxTimestamp) ext2img.Time { return ext2img.Time{Sec: s.Sec, Nsec: s.Nsec} }
	f := ext2img.File{
		Mode: uint32(st.Mode), UID: st.Uid, GID: st.Gid, Nlink: st.Nlink, Ino: st.Ino,
		Major: st.Rdev_major, Minor: st.Rdev_minor,
		Atime: at(st.Atime), Mtime: at(st.Mtime), Ctime: at(st.Ctime), Btime: at(st.Btime),
		Flags: uint32(st.Attributes & (unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND | unix.STATX_ATTR_NODUMP)),
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if flags, err := flagsAt(name); err == nil {
			f.Flags |= flags & 0x380ff
		}
	case unix.S_IFREG:
		f.Size = int64(st.Size)
		f.Mark = markFile(t, name, f.Size)
		f.Steady = true
		if st.Blocks*512 < st.Size {
			f.Data = dataOf(t, name, f.Size)
		}
	case unix.S_IFLNK:
		if f.Target, err = os.Readlink(name); err != nil {
			t.Fatal(err)
		}
	}
	names, err := xattr.LList(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		v, err := xattr.LGet(name, n)
		if err != nil {
			t.Fatal(err)
		}
		f.Xattrs = append(f.Xattrs, ext2img.Xattr{Name: n, Value: v})
	}
	return f
}

// markFile gives the mark of a file of size bytes.
func markFile(t testing.TB, name string, size int64) uint64 {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mark, err := markOf(int(f.Fd()), size)
	if err != nil {
		t.Fatal(err)
	}
	return mark
}

// dataOf lists the data ranges of a sparse file.
func dataOf(t testing.TB, name string, size int64) []ext2img.Range {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ranges := []ext2img.Range{}
	for pos := int64(0); pos < size; {
		from, err := unix.Seek(int(f.Fd()), pos, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		to, err := unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE)
		if err != nil {
			t.Fatal(err)
		}
		ranges = append(ranges, ext2img.Range{Off: from, Len: to - from})
		pos = to
	}
	return ranges
}

// opener opens files of the tree at dir.
func opener(dir string) ext2img.Opener {
	return func(path string, st *unix.Stat_t) (int, error) {
		fd, err := unix.Open(dir+path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == nil {
			if err = unix.Fstat(fd, st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
				err = ext2img.ErrReplaced
			}
			if err != nil {
				unix.Close(fd)
			}
		}
		return fd, err
	}
}

// layout lays out the tree at dir.
func layout(t testing.TB, dir string, p ext2img.Params) *ext2img.Plan {
	t.Helper()
	b := ext2img.NewBuilder(p)
	addTree(t, b, dir)
	m, err := b.Layout(opener(dir))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// write makes the image file; zero parts stay holes.
func write(t testing.TB, m *ext2img.Plan) (string, ext2img.Report) {
	t.Helper()
	return writeWith(t, m, func(int) {})
}

// writeWith calls between before each part that it reads, with its number.
func writeWith(t testing.TB, m *ext2img.Plan, between func(part int)) (string, ext2img.Report) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(m.Size()); err != nil {
		t.Fatal(err)
	}
	buf, made := make([]byte, partSize), make(map[int]bool)
	report, err := m.Make(t.Context(), ext2img.Output{
		Parts: func(_ context.Context, b ext2img.Batch) error {
			for _, i := range b.Parts {
				between(i)
				off := int64(i) * partSize
				if n, err := b.Image.ReadAt(buf, off); n != partSize || err != nil && err != io.EOF {
					return fmt.Errorf("read part %d: %d bytes, %w", i, n, err)
				}
				if _, err := f.WriteAt(buf, off); err != nil {
					return err
				}
				made[i] = true
			}
			return nil
		},
		Zeros: func(_ context.Context, parts []int) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range m.Parts().Zero {
		made[i] = true
	}
	if all := int(m.Size() / partSize); len(made) != all {
		t.Errorf("%d parts made of %d", len(made), all)
	}
	return f.Name(), report
}
