package imgtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

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
		{"links joined", func(d Dir) {
			unix.Unlinkat(d.fd, "other", 0)
			unix.Unlinkat(d.fd, "other link", 0)
			d.Link("link", "other")
			d.Link("link", "other link")
		}, "one inode with names of other files"},
		{"content in a hole", func(d Dir) {
			fd, _ := unix.Openat(d.fd, "sparse", unix.O_WRONLY, 0)
			defer unix.Close(fd)
			unix.Pwrite(fd, []byte("x"), 1<<19)
		}, "content differs in bytes 524288"},
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
				d.File("other", []byte("link"))
				d.Link("other", "other link")
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

// onlyMtimes returns true if trees differ in nothing but when they were made.
func onlyMtimes(diffs []string) bool {
	for _, d := range diffs {
		if !strings.Contains(d, ": mtime ") {
			return false
		}
	}
	return true
}

// TestCompareLinkCount breaks what only a damaged file system has wrong.
func TestCompareLinkCount(t *testing.T) {
	RequireRoot(t)
	var dirs [2]string
	for i := range dirs {
		image := makeImage(t, "16M")
		Run(t, "debugfs", "-w", "-R", "mkdir sub", image)
		if i == 1 {
			Run(t, "debugfs", "-w", "-R", "sif sub links_count 7", image)
		}
		dirs[i] = Mount(t, image)
	}
	said := saidBy(t, func(t testing.TB) { Compare(t, dirs[0], dirs[1], CompareOptions{NoMtime: true}) })
	if len(said) != 1 || said[0] != `"/sub": link count 7 with 0 subdirectories` {
		t.Errorf("got %q", said)
	}
}

func TestCompareOptions(t *testing.T) {
	RequireRoot(t)
	scopes := func(self, ignore string) func(string) Scope {
		return func(path string) Scope { return map[string]Scope{self: Self, ignore: Ignore}[path] }
	}
	for _, c := range []struct {
		name      string
		want, got func(d Dir)
		opt       CompareOptions
		said      []string
	}{
		{"lost+found that is empty", nil, func(d Dir) { d.Mkdir("lost+found").Close() }, CompareOptions{}, nil},
		{"lost+found that is not", nil, func(d Dir) { d.Mkdir("lost+found").Mkdir("x").Close() }, CompareOptions{}, []string{`"/lost+found": not empty: ["x"] <nil>`}},
		{"lost+found of the source", func(d Dir) { d.Mkdir("lost+found").Close(); d.Chmod("lost+found", 0) }, func(d Dir) { d.Mkdir("lost+found").Close() }, CompareOptions{}, nil},
		{"lost+found of the source alone", func(d Dir) { d.Mkdir("lost+found").Close() }, nil, CompareOptions{}, nil},
		{"ignored and missing", func(d Dir) { d.File("a", nil) }, nil, CompareOptions{Scope: scopes("", "/a")}, nil},
		{"ignored and extra", nil, func(d Dir) { d.File("a", nil) }, CompareOptions{Scope: scopes("", "/a")}, nil},
		{"ignored and different", func(d Dir) { d.File("a", nil) }, func(d Dir) { d.Mkdir("a").Close() }, CompareOptions{Scope: scopes("", "/a")}, nil},
		{"itself, not its names", func(d Dir) { d.Mkdir("a").File("b", nil) }, func(d Dir) { d.Mkdir("a").Close(); d.Chmod("a", 0) },
			CompareOptions{Scope: scopes("/a", "")}, []string{`"/a": mode 040000, want 040755`}},
		{"said by Stat", func(d Dir) { d.File("a", nil) }, func(d Dir) { d.File("a", nil) },
			CompareOptions{Stat: func(path string, want, got *unix.Statx_t) string {
				if want.Ino == got.Ino || path != "/a" {
					return ""
				}
				return "another inode"
			}}, []string{`"/a": another inode`}},
		{"xattrs that are not expected", func(d Dir) {
			d.File("a", nil)
			d.Xattr("a", "user.gone", nil)
			d.Xattr("a", "user.other", []byte("1"))
			d.Xattr("a", "user.kept", nil)
		}, func(d Dir) {
			d.File("a", nil)
			d.Xattr("a", "user.other", []byte("2"))
		}, CompareOptions{Xattr: func(path, name string) bool { return path != "/a" || name == "user.kept" }}, []string{`"/a": xattr "user.kept" missing`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var dirs [2]string
			for i, fill := range []func(d Dir){c.want, c.got} {
				dirs[i] = t.TempDir()
				d := OpenDir(t, dirs[i])
				defer d.Close()
				if fill != nil {
					fill(d)
				}
			}
			c.opt.NoMtime = true
			if said := saidBy(t, func(t testing.TB) { Compare(t, dirs[0], dirs[1], c.opt) }); !slices.Equal(said, c.said) {
				t.Errorf("said %q, want %q", said, c.said)
			}
		})
	}
}

// TestCompareSays checks that no difference is left out in silence.
func TestCompareSays(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for i := range 150 {
		if err := os.WriteFile(filepath.Join(b, numbered("extra", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said := saidBy(t, func(t testing.TB) { Compare(t, a, b, CompareOptions{NoMtime: true}) })
	if len(said) != 101 || said[100] != "... 150 differences in all" {
		t.Errorf("%d lines, the last %q", len(said), said[len(said)-1])
	}
	for _, dirs := range [][2]string{{a, filepath.Join(a, "none")}, {filepath.Join(a, "none"), a}} {
		if said := saidBy(t, func(t testing.TB) { Compare(t, dirs[0], dirs[1], CompareOptions{}) }); len(said) != 1 || !strings.Contains(said[0], "no such file") {
			t.Errorf("%q: %q", dirs, said)
		}
	}
}
