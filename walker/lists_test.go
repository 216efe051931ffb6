package walker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// TestManyLeftOut plants more secrets than a list holds, some of them far down.
func TestManyLeftOut(t *testing.T) {
	dir := imgtest.UserDir(t)
	const files = maxListed + 500
	imgtest.AsUser(t, func() {
		makeTree(t, dir, "flat/", "z")
		flat := filepath.Join(dir, "flat")
		for i := range files {
			must(t, unix.Mknod(filepath.Join(flat, fmt.Sprintf("x%d.excluded", i)), unix.S_IFREG|0o644, 0))
			must(t, unix.Link(filepath.Join(flat, fmt.Sprintf("x%d.excluded", i)), filepath.Join(flat, fmt.Sprintf(".x%d.swp", i))))
		}
	})
	res := walk(t, dir, Options{Exclude: []string{"*.excluded"}})
	diff(t, "paths", res.order, []string{"/", "/flat", "/z"})
	if len(res.Filtered) != maxListed || len(res.Excluded) != maxListed {
		t.Errorf("%d filtered, %d excluded are listed, want %d", len(res.Filtered), len(res.Excluded), maxListed)
	}
	if want := (Omitted{Filtered: 500, Excluded: 500}); res.Omitted != want {
		t.Errorf("omitted %+v, want %+v", res.Omitted, want)
	}
}

// TestLongPathsListed has few secrets at long paths.
func TestLongPathsListed(t *testing.T) {
	var r room
	omitted := 0
	var got []string
	long := strings.Repeat("é", maxListedPath)
	for range 1000 {
		r.add(long, &omitted, func(p string) { got = append(got, p) })
	}
	if len(got)+omitted != 1000 || len(got) == 0 || len(got)*maxListedPath > maxListedText+maxListedPath {
		t.Errorf("%d listed, %d omitted", len(got), omitted)
	}
	if p := got[0]; len(p) > maxListedPath || len(p) < maxListedPath-4 || !strings.HasSuffix(p, "é…") {
		t.Errorf("%d bytes, ending with %q", len(p), p[len(p)-8:])
	}
}

// nest makes a chain of depth directories called name below dir, with a file in the last.
func nest(t *testing.T, dir, name string, depth int) {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	for range depth {
		must(t, unix.Mkdirat(fd, name, 0o755))
		next, err := unix.Openat(fd, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		unix.Close(fd)
		must(t, err)
		fd = next
	}
	must(t, unix.Mknodat(fd, "bottom", unix.S_IFREG|0o644, 0))
	unix.Close(fd)
}

// TestTooDeep has 10,000 directories in one another, as anybody can make with 40 MB: one is left out, by name, and the rest is there.
func TestTooDeep(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	imgtest.OpenWay(t, dir)
	mountFS(t, "none", dir, "tmpfs", 0, fmt.Sprintf("uid=%d", imgtest.User)) // which is quickly gone
	const depth = maxDirPath/2 - 10
	imgtest.AsUser(t, func() {
		makeTree(t, dir, "deep/", "flat/", "z")
		nest(t, filepath.Join(dir, "deep"), strings.Repeat("d", unix.NAME_MAX), 10_000)
		nest(t, filepath.Join(dir, "flat"), "d", depth)
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	entries, bottoms := 0, 0
	tree, err := Walk(t.Context(), dir, Options{}, func(e *Entry) error {
		if entries++; strings.HasSuffix(e.Path, "/bottom") {
			bottoms++
		}
		return nil
	})
	must(t, err)
	defer tree.Close()
	runtime.ReadMemStats(&after)
	if len(tree.Unreadable) != 1 || !errors.Is(tree.Unreadable[0].Err, errLongPath) || !strings.HasPrefix(tree.Unreadable[0].Path, "/deep/ddd") {
		t.Errorf("unreadable: %.300v", tree.Unreadable)
	}
	if levels := depth + maxDirPath/(unix.NAME_MAX+1); bottoms != 1 || entries < levels-1 || entries > levels+6 {
		t.Errorf("%d entries, %d bottoms", entries, bottoms)
	}
	if made := (after.TotalAlloc - before.TotalAlloc) >> 20; made > 100 {
		t.Errorf("%d MiB were allocated", made)
	}
}

// TestTooManyNames reads a directory up to a limit: what was read until then stays, and it is said.
func TestTooManyNames(t *testing.T) {
	dir := imgtest.UserDir(t)
	imgtest.AsUser(t, func() {
		for i := range 3000 {
			must(t, unix.Mknod(filepath.Join(dir, fmt.Sprintf("name-%05d", i)), unix.S_IFREG|0o644, 0))
		}
	})
	f, err := os.Open(dir)
	must(t, err)
	defer f.Close()
	var n names
	if err := n.read(int(f.Fd()), make([]byte, 4096), 20_000); err != errManyNames {
		t.Errorf("%v, want that there are too many", err)
	}
	if got := len(n.list); got < 1000 || got > 1300 {
		t.Errorf("%d names were read, want about 20,000 / 18", got)
	}
	_, err = f.Seek(0, 0)
	must(t, err)
	n.clear()
	if err := n.read(int(f.Fd()), make([]byte, 4096), maxNames); err != nil || len(n.list) != 3000 {
		t.Errorf("%d names, %v", len(n.list), err)
	}
}
