package extfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"purebundle/ext2img/imgtest"
)

func TestLookup(t *testing.T) {
	src := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(src, "a/b/c"), 0o755),
		os.WriteFile(filepath.Join(src, "a/b/file"), []byte("file"), 0o600),
		os.WriteFile(filepath.Join(src, "\xff\xfe"), nil, 0o600),
		os.Symlink("a/b", filepath.Join(src, "relative")),
		os.Symlink("/a/b", filepath.Join(src, "a/absolute")),
		os.Symlink("../../..//../a/b/file", filepath.Join(src, "a/above")),
		os.Symlink("file", filepath.Join(src, "a/b/link")),
		os.Symlink("link", filepath.Join(src, "a/b/link2")),
		os.Symlink("nowhere", filepath.Join(src, "dangling")),
		os.Symlink("loop2", filepath.Join(src, "loop1")),
		os.Symlink("loop1", filepath.Join(src, "loop2")),
		os.Symlink("grow/grow", filepath.Join(src, "grow")),
		os.Symlink(strings.Repeat("./", 100)+"a/b", filepath.Join(src, "slow")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 41 { // chain0 leads through 40 links to file, chain1 through 39
		target := "chain" + string(rune('0'+i+1))
		if i == 40 {
			target = "a/b/file"
		}
		if err := os.Symlink(target, filepath.Join(src, "chain"+string(rune('0'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	f := open(t, makeImage(t, "8M", "-d", src))
	for _, c := range []struct {
		path   string
		lookup string // the same entry by a plain path, or an error
		follow string // likewise, of Resolve
	}{
		{"", "/", "/"},
		{"/", "/", "/"},
		{"//", "/", "/"},
		{"/..", "/", "/"},
		{"/../../a", "/a", "/a"},
		{"a/b/c", "/a/b/c", "/a/b/c"},
		{"/a//b/./c/", "/a/b/c", "/a/b/c"},
		{"/a/b/c/../file", "/a/b/file", "/a/b/file"},
		{"/\xff\xfe", "/\xff\xfe", "/\xff\xfe"},
		{"/relative", "/relative", "/a/b"},
		{"/relative/file", "/a/b/file", "/a/b/file"},
		{"/relative/..", "/a", "/a"},
		{"/a/absolute/link2", "/a/b/link2", "/a/b/file"},
		{"/a/above", "/a/above", "/a/b/file"},
		{"/slow/c", "/a/b/c", "/a/b/c"},
		{"/chain1", "/chain1", "/a/b/file"},
		{"/chain0", "/chain0", "symbolic links"},
		{"/loop1", "/loop1", "symbolic links"},
		{"/loop1/x", "symbolic links", "symbolic links"},
		{"/grow/x", "symbolic links", "symbolic links"},
		{"/dangling", "/dangling", "not exist"},
		{"/nowhere", "not exist", "not exist"},
		{"/a/b/file/x", "not a directory", "not a directory"},
		{"/a/b/file/..", "not a directory", "not a directory"},
		{"/a/b/file/", "not a directory", "not a directory"},
		{"/a/b/" + strings.Repeat("n", 300), "not exist", "not exist"},
	} {
		for i, want := range []string{c.lookup, c.follow} {
			call := f.Lookup
			if i == 1 {
				call = f.Resolve
			}
			got, err := call(c.path)
			switch {
			case strings.HasPrefix(want, "/"):
				w, err2 := f.Lookup(want)
				if err != nil || err2 != nil || got.Ino != w.Ino {
					t.Errorf("%q, %d: got %+v %v, want %q", c.path, i, got, err, want)
				}
			case err == nil || !strings.Contains(err.Error(), want):
				t.Errorf("%q, %d: got %v, want %q", c.path, i, err, want)
			case want == "not exist" && !errors.Is(err, fs.ErrNotExist),
				want == "not a directory" && !errors.Is(err, syscall.ENOTDIR),
				want == "symbolic links" && !errors.Is(err, syscall.ELOOP):
				t.Errorf("%q, %d: %v matches no error", c.path, i, err)
			}
		}
	}
	long := strings.Repeat("a/b/../..//", 2000) + "a"
	if _, err := f.Lookup(long); err != nil {
		t.Error(err)
	}
	if _, err := f.Lookup(strings.Repeat(long+"/../", 20)); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("80,000 directories on the way: %v", err)
	}
	root, err := f.Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.File(root); err == nil {
		t.Error("File of a directory: no error")
	}
	if _, err := f.Readlink(root); err == nil {
		t.Error("Readlink of a directory: no error")
	}
	file, err := f.Lookup("/a/b/file")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range f.ReadDir(file) {
		if err == nil {
			t.Error("ReadDir of a file: no error")
		}
	}
	for _, ino := range []uint32{0, 9, 1 << 31} {
		if _, err := f.Inode(ino); err == nil {
			t.Errorf("inode %d: no error", ino)
		}
	}
}

// TestNameHash compares name hashes with debugfs.
func TestNameHash(t *testing.T) {
	imgtest.NeedTool(t, "debugfs")
	const seed = "01234567-89ab-cdef-0123-456789abcdef"
	f := open(t, makeImage(t, "4M", "-E", "hash_seed="+seed))
	names := []string{"a", "ab", "abc", "abcd", "abcde", "lost+found", "\xc3\xa9", "\xff\xfe\xfd", "a\x80"}
	for n := 13; n < 256; n += 3 {
		names = append(names, strings.Repeat("0123456789abcdef\xf0\x8f", 15)[:n])
	}
	// debugfs 1.47.0 takes the unsigned algorithms for the legacy one; see
	// TestHashAlgorithms for them.
	f.sb.flags = 1
	for version, algorithm := range []string{"legacy", "half_md4", "tea"} {
		for _, name := range names {
			out := imgtest.Run(t, "debugfs", "-R", "dx_hash -h "+algorithm+" -s "+seed+" "+name)
			_, want, _ := strings.Cut(out, " is 0x")
			want, _, _ = strings.Cut(want, " ")
			hash, ok := f.nameHash(uint8(version), name)
			if got := fmt.Sprintf("%x", hash); !ok || got != want {
				t.Errorf("%s of %q: got %s, want %s (%s)", algorithm, name, got, want, out)
			}
		}
	}
	if _, ok := f.nameHash(6, "a"); ok {
		t.Error("siphash: known")
	}
}
