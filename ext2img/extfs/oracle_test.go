package extfs

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"purebundle/ext2img/imgtest"

	"purebundle/ext2img/internal/ondisk"
)

// geometry is a way to make a file system.
type geometry struct {
	name string
	args []string // of mke2fs
}

var _ io.ReaderAt = (*File)(nil)

func geometries() []geometry {
	return []geometry{
		{"4k", []string{"-b", "4096", "-O", "metadata_csum,64bit,^metadata_csum_seed"}},
		{"1k", []string{"-b", "1024", "-O", "metadata_csum,64bit,metadata_csum_seed"}},
		{"2k-32bit-uninit", []string{"-b", "2048", "-O", "^metadata_csum,uninit_bg,^64bit"}},
		{"4k-nocsum-128", []string{"-b", "4096", "-I", "128", "-O", "^metadata_csum,^uninit_bg,^64bit,^flex_bg,^extents,^resize_inode"}},
		{"1k-csum-32bit-noflex", []string{"-b", "1024", "-O", "metadata_csum,^64bit,^flex_bg,^resize_inode"}},
		{"4k-orphan-file", []string{"-b", "4096", "-O", "orphan_file,sparse_super2"}},
	}
}

// makeImage makes an image with mke2fs, in memory if root can have that.
func makeImage(t testing.TB, size string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		dir = imgtest.Tmpfs(t, 1<<30)
	}
	image := filepath.Join(dir, "image")
	if !slices.Contains(args, "-t") {
		args = append([]string{"-t", "ext4"}, args...)
	}
	imgtest.Run(t, "mke2fs", append(append([]string{"-q"}, args...), image, size)...)
	return image
}

// open opens an image for the length of the test.
func open(t testing.TB, image string) *FS {
	t.Helper()
	file, size := imgtest.OpenImage(t, image)
	f, err := Open(file, size)
	if err != nil {
		t.Fatalf("Open(%s): %v", image, err)
	}
	return f
}

// problems gives what Check reports.
func problems(t testing.TB, f *FS) []string {
	t.Helper()
	var list []string
	if err := f.Check(context.Background(), func(p Problem) { list = append(list, p.String()) }); err != nil {
		t.Errorf("Check: %v", err)
	}
	return list
}

// wantClean fails the test if Check reports anything.
func wantClean(t testing.TB, f *FS) {
	t.Helper()
	list := problems(t, f)
	for i, p := range list {
		if i == 30 {
			t.Errorf("... %d problems", len(list))
			break
		}
		t.Error(p)
	}
}

// compare compares what the reader gives with a mounted tree, both ways.
func compare(t testing.TB, f *FS, dir string) {
	t.Helper()
	root, err := f.Root()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	compareEntry(t, f, root, fd, ".", "")
}

// via returns a short path to a name in an open directory.
func via(dir int, name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", dir, name) }

func compareEntry(t testing.TB, f *FS, n *Inode, dir int, name, path string) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%q: %s", path[max(0, len(path)-100):], fmt.Sprintf(format, args...))
	}
	var st unix.Statx_t
	if err := unix.Statx(dir, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		fail("statx: %v", err)
		return
	}
	at := func(s unix.StatxTimestamp) Time { return Time{s.Sec, s.Nsec} }
	want := Inode{
		Ino: uint32(st.Ino), Mode: uint32(st.Mode), UID: st.Uid, GID: st.Gid, Size: int64(st.Size), Nlink: st.Nlink,
		Blocks: int64(st.Blocks), Major: st.Rdev_major, Minor: st.Rdev_minor,
		Atime: at(st.Atime), Mtime: at(st.Mtime), Ctime: at(st.Ctime),
	}
	if f.sb.inodeSize > ondisk.GoodOldInodeSize {
		want.Crtime = at(st.Btime)
	}
	got := Inode{
		Ino: n.Ino, Mode: n.Mode, UID: n.UID, GID: n.GID, Size: n.Size, Nlink: n.Nlink,
		Blocks: n.Blocks, Major: n.Major, Minor: n.Minor, Atime: n.Atime, Mtime: n.Mtime, Ctime: n.Ctime, Crtime: n.Crtime,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		fail("got  %+v\nwant %+v", got, want)
	}
	const flags = FlagImmutable | FlagAppend | FlagNodump
	if n.Flags&flags != uint32(st.Attributes)&flags {
		fail("flags %#x, want %#x", n.Flags&flags, st.Attributes&flags)
	}
	compareXattrsOf(t, f, n, via(dir, name), fail)
	switch {
	case n.IsRegular():
		compareContent(t, f, n, via(dir, name), fail)
	case n.IsSymlink():
		want, err := os.Readlink(via(dir, name))
		if got, err2 := f.Readlink(n); got != want || err != nil || err2 != nil {
			fail("target %.100q %v, want %.100q %v", got, err2, want, err)
		}
	case n.IsDir():
		compareDir(t, f, n, dir, name, path, fail)
	}
}

func compareDir(t testing.TB, f *FS, n *Inode, dir int, name, path string, fail func(string, ...any)) {
	t.Helper()
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		fail("open: %v", err)
		return
	}
	defer unix.Close(fd)
	names, err := os.ReadDir(via(fd, ""))
	if err != nil {
		fail("readdir: %v", err)
	}
	list, err := f.ReadDirSorted(n)
	if err != nil || len(list) != len(names) {
		fail("%d names, want %d: %v", len(list), len(names), err)
		return
	}
	for i, e := range list {
		if e.Name != names[i].Name() {
			fail("name %q, want %q", e.Name, names[i].Name())
			return
		}
		child, err := f.Inode(e.Ino)
		if err != nil {
			fail("%q: %v", e.Name, err)
			continue
		}
		compareEntry(t, f, child, fd, e.Name, path+"/"+e.Name)
	}
}

func compareXattrsOf(t testing.TB, f *FS, n *Inode, path string, fail func(string, ...any)) {
	t.Helper()
	buf := make([]byte, 64<<10)
	m, err := unix.Llistxattr(path, buf)
	if err != nil {
		fail("llistxattr: %v", err)
		return
	}
	want := map[string]string{}
	for k := range strings.SplitSeq(string(buf[:m]), "\x00") {
		value := make([]byte, 64<<10)
		if k == "" {
			continue
		}
		m, err := unix.Lgetxattr(path, k, value)
		if err != nil {
			fail("lgetxattr %s: %v", k, err)
		}
		want[k] = string(value[:m])
	}
	list, err := f.Xattrs(n)
	if err != nil {
		fail("Xattrs: %v", err)
	}
	got := map[string]string{}
	for _, x := range list {
		got[x.Name] = string(x.Value)
	}
	if g, w := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want); g != w {
		fail("xattrs %.300s\nwant %.300s", g, w)
	}
}

// compareContent compares the data and the holes of a file with the kernel's.
func compareContent(t testing.TB, f *FS, n *Inode, path string, fail func(string, ...any)) {
	t.Helper()
	file, err := f.File(n)
	if err != nil {
		fail("File: %v", err)
		return
	}
	k, err := os.Open(path)
	if err != nil {
		fail("open: %v", err)
		return
	}
	defer k.Close()
	// Pages of unwritten extents that were read before count as data.
	if err := unix.Fadvise(int(k.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		fail("fadvise: %v", err)
	}
	var want []Range
	for off := int64(0); ; {
		data, err := unix.Seek(int(k.Fd()), off, unix.SEEK_DATA)
		if err != nil {
			break
		}
		if off, err = unix.Seek(int(k.Fd()), data, unix.SEEK_HOLE); err != nil {
			fail("SEEK_HOLE: %v", err)
		}
		if i := len(want) - 1; i >= 0 && want[i].Off+want[i].Len == data {
			want[i].Len = off - want[i].Off
		} else {
			want = append(want, Range{data, off - data})
		}
	}
	var got []Range
	a, b := make([]byte, 100000), make([]byte, 100000)
	for r, err := range file.Ranges() {
		if err != nil {
			fail("Ranges: %v", err)
			break
		}
		got = append(got, r)
		// From a little before the data, to have some of the hole.
		for off := max(0, r.Off-5000); off < r.Off+r.Len+5000; off += int64(len(a)) {
			n1, err1 := file.ReadAt(a, off)
			n2, err2 := k.ReadAt(b, off)
			if n1 != n2 || err1 != err2 || string(a[:n1]) != string(b[:n2]) {
				fail("content differs at %d: %d %v, want %d %v", off, n1, err1, n2, err2)
				return
			}
		}
	}
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		fail("data of %d bytes: %.300s\nwant %.300s", n.Size, g, w)
	}
}
