package walker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpen(t *testing.T) {
	needRoot(t)
	for _, g := range guards() {
		t.Run(g.name, func(t *testing.T) {
			dir := makeTree(t, t.TempDir(), "file=top", "d/file=in d", "d/link=1", "d/gone=1", "d/fifo=1", "d/dir=1", "d/dev=1", "d/sock=1", "moved/x=1", "cut/x=1", "away/x=1")
			at := func(p string) string { return filepath.Join(dir, p) }
			res := walk(t, dir, Options{mode: g.mode})
			for p, want := range map[string]string{"/file": "top", "/d/file": "in d"} {
				f, err := openFile(res.Tree, p)
				must(t, err)
				if b, err := io.ReadAll(f); string(b) != want || err != nil || f.Name() != p {
					t.Errorf("%s: %q, %v", f.Name(), b, err)
				}
				f.Close()
			}
			// Everything becomes something else after the walk.
			for _, p := range []string{"d/link", "d/gone", "d/fifo", "d/dir", "d/dev", "d/sock", "cut/x"} {
				must(t, os.Remove(at(p)))
			}
			must(t, os.Symlink("file", at("d/link")))
			must(t, unix.Mkfifo(at("d/fifo"), 0o600))
			must(t, os.Mkdir(at("d/dir"), 0o755))
			must(t, unix.Mknod(at("d/dev"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))))
			must(t, unix.Mknod(at("d/sock"), unix.S_IFSOCK|0o600, 0))
			must(t, os.Rename(at("moved"), at("new")))
			must(t, os.Symlink("new", at("moved")))
			must(t, os.Remove(at("cut")))
			must(t, os.WriteFile(at("cut"), nil, 0o644))
			for p, want := range map[string]error{
				"/d/link": ErrNotRegular, "/d/fifo": ErrNotRegular, "/d/dir": ErrNotRegular, "/d/dev": ErrNotRegular, "/d/sock": ErrNotRegular,
				"/d/gone": fs.ErrNotExist, "/moved/x": fs.ErrNotExist, "/cut/x": fs.ErrNotExist, "/nowhere/x": fs.ErrNotExist, "/": ErrNotRegular, "/d": ErrNotRegular,
				"": fs.ErrInvalid, "file": fs.ErrInvalid, "/d/../file": fs.ErrInvalid, "/d//file": fs.ErrInvalid, "/d/": fs.ErrInvalid,
			} {
				f, err := openFile(res.Tree, p)
				if !errors.Is(err, want) {
					t.Errorf("%q: %v, want %v", p, err, want)
				}
				if err == nil {
					f.Close()
				}
			}
			// A directory that the cache knows is replaced: its files are found in the new one.
			must(t, os.RemoveAll(at("away")))
			makeTree(t, dir, "away/x=2", "away/y=3")
			if f, err := openFile(res.Tree, "/away/y"); err != nil {
				t.Error(err)
			} else {
				f.Close()
			}
			tree := res.Tree
			must(t, tree.Close())
			if _, err := openFile(tree, "/file"); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

// TestStaleDirectory replaces a directory while the cache holds the old one open.
func TestStaleDirectory(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "d/a=1", "d/b=1")
	res := walk(t, dir, Options{})
	f, err := openFile(res.Tree, "/d/a")
	must(t, err)
	f.Close()
	must(t, os.RemoveAll(filepath.Join(dir, "d")))
	makeTree(t, dir, "d/b=2")
	f, err = openFile(res.Tree, "/d/b")
	must(t, err)
	defer f.Close()
	if b, err := io.ReadAll(f); string(b) != "2" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestOpenConcurrently opens files of more directories than the cache holds from several goroutines.
func TestOpenConcurrently(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for d := range 3 * maxCachedDirs {
		for f := range 3 {
			makeTree(t, dir, fmt.Sprintf("d%d/f%d=%d-%d", d, f, d, f))
			paths = append(paths, fmt.Sprintf("/d%d/f%d", d, f))
		}
	}
	res := walk(t, dir, Options{})
	before := openFiles(t)
	var group sync.WaitGroup
	for start := range 4 {
		group.Go(func() {
			for i := range paths {
				p := paths[(i+start*len(paths)/4)%len(paths)]
				f, err := openFile(res.Tree, p)
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(f)
				f.Close()
				var d, n int
				if _, serr := fmt.Sscanf(p, "/d%d/f%d", &d, &n); serr != nil || err != nil || string(b) != fmt.Sprintf("%d-%d", d, n) {
					t.Errorf("%s: %q, %v", p, b, err)
				}
			}
		})
	}
	group.Wait()
	if now := openFiles(t); now > before+maxCachedDirs {
		t.Errorf("%d files are open, %d before", now, before)
	}
	must(t, res.Close())
	if now := openFiles(t); now > before-1 {
		t.Errorf("%d files are open after Close, %d before", now, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(list)
}

func TestNoLeaks(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "a/b/c/d=1", "e")
	before := openFiles(t)
	stop := errors.New("stop")
	for _, at := range []string{"/", "/a/b", "/a/b/c/d", "/e"} {
		_, err := Walk(t.Context(), dir, Options{}, func(e *Entry) error {
			if e.Path == at {
				return stop
			}
			return nil
		})
		if err != stop {
			t.Errorf("%s: %v", at, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Walk(ctx, dir, Options{}, func(e *Entry) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, opt := range []Options{{Cross: []string{"/a"}}, {Exclude: []string{"["}}, {LeaveOut: []string{"/nowhere"}}} {
		if _, err := Walk(t.Context(), dir, opt, nil); err == nil {
			t.Errorf("%+v: no error", opt)
		}
	}
	if now := openFiles(t); now > before { // what others left may be closed meanwhile
		t.Errorf("%d files are open, %d before", now, before)
	}
}

func TestBadSource(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "file")
	for p, want := range map[string]error{dir + "/nowhere": unix.ENOENT, dir + "/file": unix.ENOTDIR, "": unix.ENOENT} {
		_, err := walkErr(t, p, Options{})
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", p, err, want)
		}
	}
}

// TestVanishing removes things between the reading of their directory and the look at them.
func TestVanishing(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "a", "b", "c/x", "d/x", "e/x")
	res := &result{entries: make(map[string]*Entry)}
	tree, err := Walk(t.Context(), dir, Options{}, func(e *Entry) error {
		switch e.Path {
		case "/a":
			must(t, os.Remove(filepath.Join(dir, "b")))
			must(t, os.RemoveAll(filepath.Join(dir, "c")))
		case "/d":
			must(t, os.Remove(filepath.Join(dir, "d/x")))
			must(t, os.RemoveAll(filepath.Join(dir, "e")))
			must(t, os.Symlink("a", filepath.Join(dir, "e")))
		}
		return res.add(e)
	})
	must(t, err)
	defer tree.Close()
	diff(t, "paths", res.order, []string{"/", "/a", "/d", "/e"})
	diff(t, "vanished", tree.Vanished, []string{"/b", "/c"})
}

// TestMovedAway moves a directory elsewhere while the walk is so deep below it that it is closed.
func TestMovedAway(t *testing.T) {
	dir := t.TempDir()
	p := ""
	for range 2 * maxOpenDirs {
		p += "/d"
	}
	makeTree(t, dir, "top"+p+"/", "top/z", "other/", "z")
	must(t, os.WriteFile(filepath.Join(dir, "top/d/z"), nil, 0o644))
	for _, g := range guards() {
		t.Run(g.name, func(t *testing.T) {
			if g.mode == cloneMode {
				needRoot(t)
			}
			var last []string
			from, to := filepath.Join(dir, "top/d/d/d"), filepath.Join(dir, "other/d")
			tree, err := Walk(t.Context(), dir, Options{mode: g.mode}, func(e *Entry) error {
				if e.Path == "/top"+p {
					must(t, os.Rename(from, to))
				}
				last = append(last, e.Path)
				return nil
			})
			must(t, err)
			defer tree.Close()
			must(t, os.Rename(to, from))
			diff(t, "after the move", last[len(last)-3:], []string{"/top/d/z", "/top/z", "/z"})
			if len(tree.Unreadable) != 0 {
				t.Errorf("unreadable: %v", tree.Unreadable)
			}
		})
	}
	t.Run("itself", func(t *testing.T) {
		var last string
		tree, err := Walk(t.Context(), dir, Options{}, func(e *Entry) error {
			if e.Path == "/top"+p {
				must(t, os.Rename(filepath.Join(dir, "top/d/d"), filepath.Join(dir, "other/d")))
				must(t, os.Rename(filepath.Join(dir, "top/d"), filepath.Join(dir, "other/e")))
			}
			last = e.Path
			return nil
		})
		must(t, err)
		defer tree.Close()
		if len(tree.Unreadable) != 1 || tree.Unreadable[0].Path != "/top/d" || !errors.Is(tree.Unreadable[0].Err, errMoved) || last != "/z" {
			t.Errorf("unreadable: %v, last %s", tree.Unreadable, last)
		}
	})
}
