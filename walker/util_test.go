package walker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// guard is a mode that every tree is walked in.
type guard struct {
	name string
	mode mode
}

func guards() []guard {
	return []guard{{"clone", cloneMode}, {"openat2", openat2Mode}, {"plain", plainMode}}
}

// result is a finished walk.
type result struct {
	*Tree
	order   []string
	entries map[string]*Entry
}

func walkErr(t testing.TB, source string, opt Options) (*result, error) {
	t.Helper()
	res := &result{entries: make(map[string]*Entry)}
	tree, err := Walk(context.Background(), source, opt, res.add)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { tree.Close() })
	res.Tree = tree
	return res, nil
}

func (r *result) add(e *Entry) error {
	if r.entries[e.Path] != nil {
		return fmt.Errorf("%s reported twice", e.Path)
	}
	r.order = append(r.order, e.Path)
	r.entries[e.Path] = e.clone()
	return nil
}

func walk(t testing.TB, source string, opt Options) *result {
	t.Helper()
	res, err := walkErr(t, source, opt)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// lines renders the entries for comparison. Of mount points that were left out only type, size and name count: what lies under them
// can be seen in a clone alone.
func (r *result) lines() []string {
	covered := make(map[string]bool)
	for _, m := range r.Mounts {
		covered[m.Path] = m.Action != Crossed
	}
	var out []string
	for _, p := range r.order {
		e := *r.entries[p]
		if covered[p] {
			e = Entry{Path: p, Mode: e.Mode & unix.S_IFMT, Size: e.Size}
		}
		if e.Mode&unix.S_IFMT == unix.S_IFLNK {
			e.Atime = Time{} // readlink moves it where there is no clone
		}
		emptySubvolume := e.Ino == 2 && e.Nlink == 1 // what btrfs has in a snapshot for a nested subvolume: its times are now
		if e.Ino == 0 || emptySubvolume {            // made up, with the times of a mount point
			e.Atime, e.Mtime, e.Ctime = Time{}, Time{}, Time{}
		}
		e.Dev = 0  // differs for overlays and subvolumes between a clone and its origin
		e.Mark = 0 // who may not read a file has none
		out = append(out, fmt.Sprintf("%+v", e))
	}
	return out
}

// walkAll walks source with every guard and demands the same result of all; it returns the one of the clone.
func walkAll(t *testing.T, source string, opt Options) *result {
	t.Helper()
	results := make(map[string]*result)
	for _, g := range guards() {
		opt.mode = g.mode
		results[g.name] = walk(t, source, opt)
	}
	want := results["clone"]
	for name, got := range results {
		diff(t, name+" guard: entries", got.lines(), want.lines())
		diff(t, name+" guard: mounts", got.mountLines(), want.mountLines())
		diff(t, name+" guard: filtered", leftLines(got.Filtered), leftLines(want.Filtered))
		diff(t, name+" guard: excluded", leftLines(got.Excluded), leftLines(want.Excluded))
	}
	return want
}

func (r *result) mountLines() []string {
	var out []string
	for _, m := range r.Mounts {
		out = append(out, fmt.Sprintf("%s %s: %s, %s", m.Path, m.FSType, m.Action, m.Reason))
	}
	return out
}

func leftLines(list []Left) []string {
	var out []string
	for _, l := range list {
		out = append(out, l.Path+": "+l.Rule)
	}
	return out
}

// diff reports the lines of got and want that the other does not have, and a different order.
func diff(t testing.TB, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for _, l := range got {
		if !slices.Contains(want, l) {
			t.Errorf("%s: unexpected %.400q", what, l)
		}
	}
	for _, l := range want {
		if !slices.Contains(got, l) {
			t.Errorf("%s: missing %.400q", what, l)
		}
	}
	if !t.Failed() {
		t.Errorf("%s: order differs: %q", what, got)
	}
}

// below returns the paths of entries below p.
func (r *result) below(p string) []string {
	var out []string
	for _, q := range r.order {
		if strings.HasPrefix(q, strings.TrimSuffix(p, "/")+"/") && q != p {
			out = append(out, q)
		}
	}
	return out
}

// makeTree makes files from names: "a/" is a directory, "a -> b" a symbolic link, "a=text" a file with content; parents are made.
func makeTree(t testing.TB, dir string, names ...string) string {
	t.Helper()
	for _, n := range names {
		name, text, _ := strings.Cut(n, "=")
		name, target, link := strings.Cut(name, " -> ")
		p := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		switch {
		case link:
			must(t, os.Symlink(target, p))
		case strings.HasSuffix(name, "/"):
			must(t, os.MkdirAll(p, 0o755))
		default:
			must(t, os.WriteFile(p, []byte(text), 0o644))
		}
	}
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mountFS mounts for the duration of the test.
func mountFS(t testing.TB, source, target, fstype string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		t.Fatalf("mount %s on %s: %v", fstype, target, err)
	}
	t.Cleanup(func() { unix.Unmount(target, unix.MNT_DETACH) })
}

func bind(t testing.TB, source, target string) {
	t.Helper()
	mountFS(t, source, target, "", unix.MS_BIND, "")
}

// run runs a tool that the test needs.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skip(t, "needs "+name)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// A panic of fn reaches the goroutine that called Walk, where it can be recovered.
func TestWalkPanics(t *testing.T) {
	defer func() {
		v := recover()
		if text := fmt.Sprint(v); !strings.HasPrefix(text, "it broke\n") || !strings.Contains(text, "TestWalkPanics") {
			t.Errorf("recovered %v", v)
		}
	}()
	_, err := Walk(t.Context(), t.TempDir(), Options{}, func(*Entry) error { panic("it broke") })
	t.Errorf("Walk returned %v", err)
}
