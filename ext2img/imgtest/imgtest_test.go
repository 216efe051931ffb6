package imgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
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

// recorder keeps what a check says of a failure, and does not fail.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Error(args ...any) { r.said = append(r.said, fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// saidBy returns the failures that a check reports.
func saidBy(t *testing.T, check func(t testing.TB)) []string {
	t.Helper()
	r := &recorder{TB: t}
	var wg sync.WaitGroup
	wg.Go(func() { check(r) }) // for Fatalf
	wg.Wait()
	return r.said
}

func TestFsck(t *testing.T) {
	Fsck(t, makeImage(t, "16M"))
	Fsck(t, makeImage(t, "16M", "-O", "orphan_file"))
	programs := 1
	if oldFsck() != "" {
		programs = 2
	}
	for request, want := range map[string]string{
		"sif <11> links_count 7":  "Inode 11 ref count is 7, should be 2.  Fix? no",
		"sif <2> mode 0":          "is not a directory",
		"ssv free_blocks_count 1": "Free blocks count wrong",
		"ssv state 0":             "s_state [0 0], want clean",
		"clri <7>":                "Resize inode not valid",
	} {
		broken := makeImage(t, "16M")
		Run(t, "debugfs", "-w", "-R", request, broken)
		said := saidBy(t, func(t testing.TB) { Fsck(t, broken) })
		if len(said) != programs || !strings.Contains(said[0], want) {
			t.Errorf("%s: %q", request, said)
		}
	}
}

// TestOldFsck has Fsck ask the older e2fsck too, if there is one that knows the image.
func TestOldFsck(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	dir := filepath.Join(cache, "purebundle-test", "e2fsck-1.46")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "e2fsck"), []byte("#!/bin/sh\necho old; exit 4\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	image := makeImage(t, "16M")
	if said := saidBy(t, func(t testing.TB) { Fsck(t, image) }); len(said) != 1 || !strings.Contains(said[0], "old\n(exit status 4)") {
		t.Errorf("said %q", said)
	}
	Fsck(t, makeImage(t, "16M", "-O", "orphan_file"))
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

// TestRsyncFinds breaks one thing at a time in one of two equal trees.
func TestRsyncFinds(t *testing.T) {
	RequireRoot(t)
	tree := func() (string, Dir) {
		dir := t.TempDir()
		d := OpenDir(t, dir)
		d.File("a", []byte("text"))
		d.Link("a", "link")
		d.File("b", nil)
		d.Xattr("b", "user.x", []byte("1"))
		d.Symlink("to", "symlink")
		d.Times("a", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 1})
		d.Times("b", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 1})
		d.Times("symlink", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 1})
		return dir, d
	}
	src, d := tree()
	d.Times(".", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 1})
	d.Close()
	for name, spoil := range map[string]func(d Dir){
		"":        func(d Dir) { d.Mkdir("lost+found").Close() },
		"missing": func(d Dir) { unix.Unlinkat(d.fd, "b", 0) },
		"extra":   func(d Dir) { d.File("c", nil) },
		"mode":    func(d Dir) { d.Chmod("b", 0o600) },
		"owner":   func(d Dir) { d.Chown("b", 7, 7) },
		"mtime":   func(d Dir) { d.Times("b", unix.Timespec{}, unix.Timespec{Sec: 2}) },
		"root":    func(d Dir) { d.Chmod(".", 0o700) },
		"xattr":   func(d Dir) { d.Xattr("b", "user.x", []byte("2")) },
		"link": func(d Dir) {
			unix.Unlinkat(d.fd, "link", 0)
			d.File("link", []byte("text"))
			d.Times("link", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 1})
		},
		"target": func(d Dir) {
			unix.Unlinkat(d.fd, "symlink", 0)
			d.Symlink("ot", "symlink")
			d.Times("symlink", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 1})
		},
	} {
		dst, d := tree()
		spoil(d)
		d.Times(".", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 1})
		d.Close()
		if said := saidBy(t, func(t testing.TB) { Rsync(t, src, dst) }); len(said) > 0 != (name != "") {
			t.Errorf("%q: said %q", name, said)
		}
	}
}
