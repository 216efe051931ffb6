package extfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"
	"purebundle/ext2img/imgtest"
)

func TestMke2fsImages(t *testing.T) {
	imgtest.RequireRoot(t)
	src := t.TempDir()
	imgtest.RandomTree(t, 1, src, imgtest.RandomOptions{BlockSize: 1024})
	for _, g := range geometries() {
		t.Run(g.name, func(t *testing.T) {
			image := makeImage(t, "256M", append([]string{"-d", src}, g.args...)...)
			imgtest.Fsck(t, image)
			f := open(t, image)
			wantClean(t, f)
			compare(t, f, imgtest.Mount(t, image))
		})
	}
}

// TestKernelImages fills images by the kernel: the torture pieces, a random
// tree, hashed directories, deep extent trees, and what deleting leaves.
func TestKernelImages(t *testing.T) {
	if testing.Short() {
		t.Skip("makes large images")
	}
	imgtest.RequireRoot(t)
	for _, g := range geometries() {
		t.Run(g.name, func(t *testing.T) {
			image := makeImage(t, "600M", append([]string{"-N", "20000"}, g.args...)...)
			blockSize := open(t, image).sb.blockSize
			dir := imgtest.MountRW(t, image)
			for _, p := range imgtest.Torture() {
				// Small blocks and small inodes hold less.
				if blockSize < 4096 && (p.Name == "symlinks" || p.Name == "xattrs" || p.Name == "acls" || p.Name == "sparse") {
					continue
				}
				if g.name == "4k-nocsum-128" && p.Name == "sparse" {
					continue
				}
				p.Make(t, mkdir(t, dir, p.Name))
			}
			imgtest.RandomTree(t, 7, mkdir(t, dir, "random"), imgtest.RandomOptions{BlockSize: blockSize})
			imgtest.TortureManyNames(t, mkdir(t, dir, "many-names"), 6000)
			imgtest.TortureSubdirs(t, mkdir(t, dir, "subdirs"), 500)
			deepExtents(t, filepath.Join(dir, "deep-extents"), int64(blockSize), 3000)
			for i := 0; i < 6000; i += 3 {
				os.Remove(filepath.Join(dir, "many-names", fmt.Sprintf("%s%06d", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"[:1+i%60], i)))
			}
			imgtest.Unmount(t, dir)
			imgtest.Fsck(t, image)
			f := open(t, image)
			wantClean(t, f)
			compare(t, f, imgtest.Mount(t, image))
		})
	}
}

func mkdir(t testing.TB, dir, name string) string {
	t.Helper()
	sub := filepath.Join(dir, name)
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	return sub
}

// deepExtents writes every other block, so that each is an extent.
func deepExtents(t testing.TB, path string, blockSize int64, extents int) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for i := range extents {
		if _, err := file.WriteAt(fmt.Appendf(nil, "extent %d", i), int64(2*i)*blockSize); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRareImages reads what mke2fs makes and this kernel may not mount, and
// compares it with the source.
func TestRareImages(t *testing.T) {
	if testing.Short() {
		t.Skip("makes large images")
	}
	src := t.TempDir()
	imgtest.RandomTree(t, 3, src, imgtest.RandomOptions{BlockSize: 1024, Plain: imgtest.NoOld | imgtest.NoFlags})
	imgtest.TortureManyNames(t, mkdir(t, src, "many-names"), 2000)
	for _, c := range []struct {
		name string
		args []string
	}{
		{"64k blocks", []string{"-F", "-b", "65536"}},
		{"16k blocks", []string{"-F", "-b", "16384"}},
		{"quota", []string{"-O", "quota,project", "-E", "quotatype=usrquota:grpquota:prjquota"}},
		{"large_dir", []string{"-O", "large_dir"}},
		{"ext3", []string{"-t", "ext3"}},
		{"ext2", []string{"-t", "ext2", "-I", "256"}},
		{"inodes of 1024", []string{"-I", "1024"}},
		{"packed", []string{"-E", "packed_meta_blocks=1"}},
		{"no reserved room", []string{"-O", "^resize_inode,^sparse_super", "-b", "1024"}},
		{"small groups", []string{"-b", "1024", "-g", "1024", "-G", "4"}},
		{"no filetype", []string{"-O", "^filetype"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := makeImage(t, "200M", append(c.args, "-N", "4000", "-d", src)...)
			if c.name != "quota" { // mke2fs does not count what it copies
				imgtest.Fsck(t, image)
			}
			f := open(t, image)
			wantClean(t, f)
			names := 0
			compareSource(t, f, src, "", &names)
			if names < 2100 {
				t.Errorf("compared %d names", names)
			}
		})
	}
}

// compareSource compares names, types, sizes, targets and content of a
// directory with the tree that an image was made of.
func compareSource(t *testing.T, f *FS, src, path string, names *int) {
	t.Helper()
	dir, err := f.Lookup(path)
	if err != nil {
		t.Fatal(err)
	}
	list, err := f.ReadDirSorted(dir)
	if err != nil {
		t.Fatal(err)
	}
	list = slices.DeleteFunc(list, func(e DirEntry) bool { return path == "" && e.Name == "lost+found" })
	want, err := os.ReadDir(filepath.Join(src, path))
	if err != nil || len(want) != len(list) {
		t.Fatalf("%q: %d names, want %d: %v", path, len(list), len(want), err)
	}
	for i, e := range list {
		*names++
		name := path + "/" + e.Name
		n, err := f.Inode(e.Ino)
		if err != nil || e.Name != want[i].Name() {
			t.Fatalf("%q: want %q: %v", name, want[i].Name(), err)
		}
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(src, name), &st); err != nil {
			t.Fatal(err)
		}
		if n.Mode != st.Mode || n.UID != st.Uid || n.GID != st.Gid || n.IsRegular() && n.Nlink != uint32(st.Nlink) {
			t.Errorf("%q: got %o %d:%d %d, want %+v", name, n.Mode, n.UID, n.GID, n.Nlink, st)
		}
		switch {
		case n.IsDir():
			compareSource(t, f, src, name, names)
		case n.IsSymlink():
			want, err := os.Readlink(filepath.Join(src, name))
			if got, err2 := f.Readlink(n); got != want || err != nil || err2 != nil {
				t.Errorf("%q: target %q %v, want %q %v", name, got, err2, want, err)
			}
		case n.IsRegular() && n.Size < 1<<20:
			want, err := os.ReadFile(filepath.Join(src, name))
			if err != nil {
				t.Fatal(err)
			}
			file, err := f.File(n)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if m, err := file.WriteTo(&got); err != nil || m != n.Size || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%q: %d bytes, want %d: %v", name, m, len(want), err)
			}
		}
	}
}

// TestHashAlgorithms has the kernel make hashed directories by each algorithm,
// of names of bytes above and below 128.
func TestHashAlgorithms(t *testing.T) {
	imgtest.RequireRoot(t)
	for _, algorithm := range []string{"legacy", "half_md4", "tea"} {
		for _, flags := range []string{"1", "2"} { // signed, unsigned
			t.Run(algorithm+flags, func(t *testing.T) {
				image := makeImage(t, "16M", "-b", "1024", "-N", "4000")
				imgtest.Run(t, "tune2fs", "-E", "hash_alg="+algorithm, image)
				imgtest.Run(t, "debugfs", "-w", "-R", "ssv flags "+flags, image)
				dir := imgtest.MountRW(t, image)
				sub := mkdir(t, dir, "sub")
				for i := range 3000 {
					name := fmt.Sprintf("%c\xff\x80%d%c", byte(i), i, 200+i%50)
					name = strings.Map(func(r rune) rune {
						if r == '/' || r == 0 {
							return 'x'
						}
						return r
					}, name)
					if err := os.WriteFile(filepath.Join(sub, name), nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				imgtest.Unmount(t, dir)
				imgtest.Fsck(t, image)
				f := open(t, image)
				wantClean(t, f)
				if f.sb.flags ^= 3; algorithm != "" && len(problems(t, f)) == 0 {
					t.Error("the other signedness of names fits too")
				}
			})
		}
	}
}

// TestReadAt reads a file with holes and unwritten extents at every step and
// length around block borders.
func TestReadAt(t *testing.T) {
	imgtest.RequireRoot(t)
	image := makeImage(t, "16M", "-b", "1024")
	dir := imgtest.MountRW(t, image)
	path := filepath.Join(dir, "file")
	deepExtents(t, path, 1024, 6)
	k, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := errors.Join(unix.Fallocate(int(k.Fd()), 0, 3*1024, 1024), unix.Fallocate(int(k.Fd()), unix.FALLOC_FL_KEEP_SIZE, 11*1024, 9000), k.Truncate(12*1024+100)); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	k.Close()
	imgtest.Unmount(t, dir)
	f := open(t, image)
	wantClean(t, f)
	n, err := f.Lookup("/file")
	if err != nil {
		t.Fatal(err)
	}
	file, err := f.File(n)
	if err != nil {
		t.Fatal(err)
	}
	if file.Size() != int64(len(want)) {
		t.Fatalf("size %d, want %d", file.Size(), len(want))
	}
	if err := iotest.TestReader(io.NewSectionReader(file, 0, file.Size()), want); err != nil {
		t.Error(err)
	}
	lengths := []int{0, 1, 100, 1023, 1024, 1025, 2047, 2048, 2049, 5000, len(want)}
	for off := 0; off < len(want)+2; off += 31 {
		for _, length := range lengths {
			got := bytes.Repeat([]byte{0xee}, length)
			n, err := file.ReadAt(got, int64(off))
			end := min(off+length, len(want))
			if wantN := max(0, end-off); n != wantN || (err == io.EOF) != (wantN < length) || err != nil && err != io.EOF || !bytes.Equal(got[:n], want[min(off, end):end]) {
				t.Fatalf("ReadAt(%d, %d): %d %v", length, off, n, err)
			}
		}
	}
	if _, err := file.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("negative offset: no error")
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for off := len(want) - 1 - i; off >= 0; off -= 700 + i {
				got := make([]byte, 3000)
				n, err := file.ReadAt(got, int64(off))
				if err != nil && err != io.EOF || !bytes.Equal(got[:n], want[off:off+n]) {
					t.Errorf("concurrent ReadAt at %d: %d %v", off, n, err)
				}
				if _, err := f.Lookup("/file"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}
