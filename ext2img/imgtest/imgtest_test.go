package imgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// makeImage makes an ext4 image of size MiB with mke2fs.
func makeImage(t *testing.T, size string, args ...string) string {
	t.Helper()
	NeedTool(t, "mke2fs")
	image := filepath.Join(t.TempDir(), "image")
	Run(t, "mke2fs", append([]string{"-q", "-t", "ext4", image, size}, args...)...)
	return image
}

func TestFsck(t *testing.T) {
	image := makeImage(t, "16M")
	if out := fsckProblems("e2fsck", image); out != "" {
		t.Errorf("clean image: %s", out)
	}
	for _, request := range []string{"sif <11> links_count 7", "sif <2> mode 0", "ssv free_blocks_count 1", "ssv state 0", "clri <7>"} {
		broken := makeImage(t, "16M")
		Run(t, "debugfs", "-w", "-R", request, broken)
		if fsckProblems("e2fsck", broken) == "" {
			t.Errorf("%s: found clean", request)
		}
	}
}

func TestMount(t *testing.T) {
	RequireRoot(t)
	image := makeImage(t, "16M")
	var dir string
	t.Run("write", func(t *testing.T) {
		dir = MountRW(t, image)
		if err := os.WriteFile(filepath.Join(dir, "a"), []byte("a"), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("read", func(t *testing.T) {
		dir = Mount(t, image)
		if _, err := os.ReadFile(filepath.Join(dir, "a")); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "b"), nil, 0o600); err == nil {
			t.Error("written to a read-only mount")
		}
	})
	if _, err := os.Stat(dir); err == nil {
		t.Error("the mount point outlived its test")
	}
	Fsck(t, image)
}

// pairOf makes the same tree twice.
func pairOf(t *testing.T, seed uint64) (string, string) {
	t.Helper()
	a, b := t.TempDir(), t.TempDir()
	RandomTree(t, seed, a, RandomOptions{})
	RandomTree(t, seed, b, RandomOptions{})
	return a, b
}

func TestRandomTreeIsSeeded(t *testing.T) {
	for seed := range uint64(10) {
		a, b := pairOf(t, seed)
		Compare(t, a, b, CompareOptions{})
	}
}

func TestTortureOnTwoFileSystems(t *testing.T) {
	RequireRoot(t)
	for _, p := range Torture() {
		t.Run(p.Name, func(t *testing.T) {
			a, b := t.TempDir(), Tmpfs(t, 1<<30)
			if p.Name == "times" || p.Name == "sparse" {
				b = t.TempDir()
			}
			p.Make(t, a)
			p.Make(t, b)
			now := unix.Timespec{Sec: 1 << 30}
			for _, dir := range []string{a, b} {
				d := OpenDir(t, dir)
				d.Times(".", now, now)
				d.Close()
			}
			Compare(t, a, b, CompareOptions{Stat: sameAtime, NoMtime: p.Name != "times"})
		})
	}
}

func sameAtime(_ string, want, got *unix.Statx_t) string {
	if want.Atime.Sec < 1<<30 && want.Atime != got.Atime {
		return fmt.Sprintf("atime %v, want %v", got.Atime, want.Atime)
	}
	return ""
}

func TestTortureCounts(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 200,000 entries")
	}
	RequireRoot(t)
	dir := Tmpfs(t, 4<<30)
	for _, c := range []struct {
		name string
		make func(testing.TB, string, int)
	}{{"links", TortureLinks}, {"subdirs", TortureSubdirs}, {"names", TortureManyNames}} {
		sub := filepath.Join(dir, c.name)
		if err := os.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		c.make(t, sub, 66000)
		if names, err := os.ReadDir(sub); len(names) != 66000 || err != nil {
			t.Errorf("%s: %d names, %v", c.name, len(names), err)
		}
	}
	TortureBigXattrs(t, dir)
}

// TestCompareFinds breaks one thing at a time in one of two equal trees.
func TestCompareFinds(t *testing.T) {
	RequireRoot(t)
	for _, c := range []struct {
		name  string
		spoil func(d Dir)
		want  string
	}{
		{"nothing", func(Dir) {}, ""},
		{"missing", func(d Dir) { unix.Unlinkat(d.fd, "file", 0) }, `"/file": missing`},
		{"extra", func(d Dir) { d.File("new", nil) }, `"/new": not wanted`},
		{"type", func(d Dir) { unix.Unlinkat(d.fd, "fifo", 0); d.File("fifo", nil) }, "type file, want fifo"},
		{"mode", func(d Dir) { d.Chmod("file", 0o4755) }, "mode 0104755, want 0100644"},
		{"owner", func(d Dir) { d.Chown("file", 70000, 1) }, "owner 70000:1, want 0:0"},
		{"content", func(d Dir) { unix.Unlinkat(d.fd, "file", 0); d.File("file", []byte("fileX")) }, "content differs"},
		{"size", func(d Dir) { unix.Unlinkat(d.fd, "file", 0); d.File("file", []byte("fi")) }, "size 2, want 5"},
		{"mtime", func(d Dir) { d.Times("file", unix.Timespec{}, unix.Timespec{Sec: 7}) }, "mtime 7.000000000, want 1."},
		{"directory mtime", func(d Dir) { d.Times("sub", unix.Timespec{}, unix.Timespec{Sec: 7}) }, "mtime 7."},
		{"root mode", func(d Dir) { d.Chmod(".", 0o700) }, `"/": mode 040700`},
		{"target", func(d Dir) { unix.Unlinkat(d.fd, "symlink", 0); d.Symlink("else", "symlink") }, `target "else"`},
		{"device", func(d Dir) { unix.Unlinkat(d.fd, "dev", 0); d.Mknod("dev", unix.S_IFCHR|0o600, 1, 4) }, "device 1:4, want 1:3"},
		{"xattr value", func(d Dir) { d.Xattr("file", "user.a", []byte("2")) }, `xattr "user.a" is "2"`},
		{"xattr extra", func(d Dir) { d.Xattr("symlink", "trusted.a", nil) }, `xattr "trusted.a" not wanted`},
		{"xattr missing", func(d Dir) { unix.Lremovexattr(fdPath(d.fd, "file"), "user.a") }, `xattr "user.a" missing`},
		{"flags", func(d Dir) { d.Flags("file", FlagNodump) }, "flags 0x40, want 0x0"},
		{"hole filled", func(d Dir) {
			fd, _ := unix.Openat(d.fd, "sparse", unix.O_WRONLY, 0)
			defer unix.Close(fd)
			unix.Pwrite(fd, make([]byte, 100000), 0)
		}, "holes filled"},
		{"space", func(d Dir) {
			fd, _ := unix.Openat(d.fd, "sparse", unix.O_WRONLY, 0)
			defer unix.Close(fd)
			unix.Fallocate(fd, 0, 0, 100000)
		}, "uses 102400 bytes"},
		{"link split", func(d Dir) { unix.Unlinkat(d.fd, "link", 0); d.File("link", []byte("link")) }, "are 2 inodes, want 1"},
		{"link joined", func(d Dir) { unix.Unlinkat(d.fd, "fifo", 0); d.Link("fifo2", "fifo") }, "a hard link, but not in the wanted tree"},
		{"link outside", func(d Dir) {
			unix.Linkat(d.fd, "file", unix.AT_FDCWD, filepath.Join(d.t.TempDir(), "outside"), 0)
		}, "link count 2, but 1 names"},
		{"in a directory", func(d Dir) {
			unix.Unlinkat(d.fd, "sub/inner", 0)
		}, `"/sub/inner": missing`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var dirs [2]string
			for i := range dirs {
				dirs[i] = t.TempDir()
				d := OpenDir(t, dirs[i])
				defer d.Close()
				d.File("file", []byte("file\n"))
				d.Xattr("file", "user.a", []byte("1"))
				d.Symlink("file", "symlink")
				d.Mknod("fifo", unix.S_IFIFO|0o600, 0, 0)
				d.Mknod("fifo2", unix.S_IFIFO|0o600, 0, 0)
				d.Mknod("dev", unix.S_IFCHR|0o600, 1, 3)
				f := d.Create("sparse")
				f.Truncate(1 << 20)
				f.Close()
				d.File("linked", []byte("link"))
				d.Link("linked", "link")
				sub := d.Mkdir("sub")
				sub.File("inner", nil)
				sub.Close()
				if i == 1 {
					c.spoil(d)
				}
				if c.name != "directory mtime" || i == 0 {
					d.Times("sub", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 1})
				}
				if c.name != "mtime" || i == 0 {
					if c.name != "missing" || i == 0 {
						d.Times("file", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 1})
					}
				}
			}
			diffs, err := Diff(dirs[0], dirs[1], CompareOptions{NoMtime: c.want != "" && !strings.HasPrefix(c.want, "mtime")})
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(diffs, "\n")
			switch {
			case c.want != "" && !strings.Contains(all, c.want):
				t.Errorf("got %q, want %q", all, c.want)
			case c.want == "" && !onlyMtimes(diffs):
				t.Errorf("equal trees differ: %s", all)
			}
		})
	}
}

// onlyMtimes is true where trees differ in nothing but when they were made.
func onlyMtimes(diffs []string) bool {
	for _, d := range diffs {
		if !strings.Contains(d, ": mtime ") {
			return false
		}
	}
	return true
}

func TestRsync(t *testing.T) {
	if testing.Short() {
		t.Skip("reads holes of 1 GiB")
	}
	a, b := t.TempDir(), t.TempDir()
	RandomTree(t, 1, a, RandomOptions{Entries: 40, Plain: NoFlags})
	Run(t, "rsync", "-aHAXS", "--numeric-ids", a+"/", b+"/")
	Rsync(t, a, b)
	Compare(t, a, b, CompareOptions{})
}
