package imgtest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// census counts what trees hold: entries by type, and what is rare in one.
type census map[string]int

// compare compares two trees, and counts what the first holds.
func (n census) compare(t *testing.T, wantDir, gotDir string, opt CompareOptions) {
	t.Helper()
	other := opt.Stat
	opt.Stat = func(path string, want, got *unix.Statx_t) string {
		n.add(path, want)
		if other != nil {
			return other(path, want, got)
		}
		return ""
	}
	opt.Xattr = func(_, name string) bool {
		n[strings.TrimRight(name, "0123456789")]++
		return true
	}
	Compare(t, wantDir, gotDir, opt)
}

func (n census) add(path string, st *unix.Statx_t) {
	name, size, used := filepath.Base(path), int64(st.Size), int64(st.Blocks)*512
	file := st.Mode&unix.S_IFMT == unix.S_IFREG
	n["entries"]++
	n[typeName(st.Mode)]++
	n["deepest"] = max(n["deepest"], strings.Count(path, "/"))
	if file && used > 0 {
		n["largest"] = max(n["largest"], int(min(size, used)))
	}
	for what, is := range map[string]bool{
		"linked":        !(st.Mode&unix.S_IFMT == unix.S_IFDIR) && st.Nlink > 1,
		"sparse":        file && used < size,
		"preallocated":  file && used > roundUp(size)+4096,
		"large owner":   st.Uid > 65535 || st.Gid > 65535,
		"setuid":        st.Mode&unix.S_ISUID != 0,
		"old":           st.Mtime.Sec < 0,
		"far":           st.Mtime.Sec >= 1<<31,
		"immutable":     st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0,
		"append-only":   st.Attributes&unix.STATX_ATTR_APPEND != 0,
		"nodump":        st.Attributes&unix.STATX_ATTR_NODUMP != 0,
		"large device":  st.Rdev_major > 255 || st.Rdev_minor > 255,
		"longest name":  len(name) == 255,
		"name no text":  !utf8.ValidString(name),
		"slow symlink":  st.Mode&unix.S_IFMT == unix.S_IFLNK && size > 59,
		"fast symlink":  st.Mode&unix.S_IFMT == unix.S_IFLNK && size <= 59,
		"no permission": st.Mode&0o777 == 0,
	} {
		if is {
			n[what]++
		}
	}
}

// all is what random trees hold, if nothing is left out.
var all = map[string][]string{
	"always":   {"file", "directory", "symlink", "fifo", "socket", "character device", "block device", "linked", "sparse", "preallocated", "large owner", "setuid", "large device", "longest name", "name no text", "slow symlink", "fast symlink", "far"},
	"NoFlags":  {"immutable", "append-only", "nodump"},
	"NoXattrs": {"user.k", "trusted.k", "security.xk", "security.capability", "system.posix_acl_access", "system.posix_acl_default"},
	"NoOld":    {"old"},
}

func TestRandomTreeIsSeeded(t *testing.T) {
	RequireRoot(t)
	found := make(census)
	for seed := range uint64(10) {
		a, b := t.TempDir(), t.TempDir()
		RandomTree(t, seed, a, RandomOptions{})
		RandomTree(t, seed, b, RandomOptions{})
		before := found["entries"]
		found.compare(t, a, b, CompareOptions{})
		if n := found["entries"] - before; n < 100 || n > 201 {
			t.Errorf("seed %d: %d entries", seed, n)
		}
	}
	for _, what := range slices.Concat(slices.Collect(maps.Values(all))...) {
		if found[what] == 0 {
			t.Errorf("ten trees hold nothing of %q", what)
		}
	}
	if found["deepest"] < 4 {
		t.Errorf("no more than %d levels", found["deepest"])
	}
}

func TestRandomTreeLeavesOut(t *testing.T) {
	RequireRoot(t)
	found := make(census)
	for seed := range uint64(5) {
		dir := t.TempDir()
		RandomTree(t, seed, dir, RandomOptions{Entries: 100, MaxFile: 5000, MaxDepth: 1, Plain: NoFlags | NoXattrs | NoOld})
		found.compare(t, dir, dir, CompareOptions{})
	}
	for plain, kinds := range all {
		for _, what := range kinds {
			if plain != "always" && found[what] > 0 {
				t.Errorf("with %s, %d of %q", plain, found[what], what)
			}
		}
	}
	if found["entries"] < 300 || found["entries"] > 505 || found["deepest"] != 2 || found["largest"] > 100_000 {
		t.Errorf("%d entries, %d levels, largest %d bytes", found["entries"], found["deepest"], found["largest"])
	}
}

func TestTortureOnTwoFileSystems(t *testing.T) {
	RequireRoot(t)
	// The root is one of the entries, and of the directories.
	holds := map[string]census{
		"types":    {"entries": 16, "directory": 2, "file": 4, "linked": 14, "symlink": 2, "fifo": 2, "socket": 2, "character device": 2, "block device": 2},
		"names":    {"entries": 517, "longest name": 2, "name no text": 130},
		"deep":     {"entries": 32, "deepest": 31},
		"symlinks": {"entries": 12, "fast symlink": 5, "slow symlink": 6},
		"owners":   {"entries": 17, "large owner": 8},
		"times":    {"entries": 55, "old": 9, "far": 36},
		"sparse":   {"entries": 6, "sparse": 5},
		"holes":    {"entries": 2, "sparse": 1, "largest": 2000 * 4096},
		"xattrs":   {"entries": 35, "user.v": 22, "user.number": 60, "user.shared": 5, "user.d": 1, "trusted.s": 2, "trusted.d": 1, "trusted.a": 1, "security.a": 1, "security.f": 1},
		"acls":     {"entries": 11, "system.posix_acl_access": 9, "system.posix_acl_default": 4, "security.capability": 1},
		"modes":    {"entries": 28, "setuid": 3, "no permission": 8},
		"flags":    {"entries": 13, "immutable": 4, "append-only": 4, "nodump": 4},
		"devices":  {"entries": 69, "character device": 34, "block device": 34, "large device": 52},
	}
	if len(Torture()) != len(holds) {
		t.Errorf("%d pieces, want %d", len(Torture()), len(holds))
	}
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
			found := make(census)
			found.compare(t, a, b, CompareOptions{Stat: sameAtime, NoMtime: p.Name != "times"})
			for what, n := range holds[p.Name] {
				most := n
				if what == "largest" {
					most += n / 100 // the blocks of its extent tree, once the kernel has written the file back
				}
				if found[what] < n || found[what] > most {
					t.Errorf("%d of %q, want %d", found[what], what, n)
				}
			}
		})
	}
}

// TestMakersFail checks that an entry which cannot be made fails the test.
func TestMakersFail(t *testing.T) {
	dir := t.TempDir()
	said := saidBy(t, func(t testing.TB) {
		d := OpenDir(t, dir)
		defer d.Close()
		d.File("a", nil)
		d.Link("none", "b")
		t.Error("went on")
	})
	if len(said) != 1 || !strings.Contains(said[0], "no such file") {
		t.Errorf("said %q", said)
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
	for name, want := range map[string]int{"too-big": 5005, "too-many": 8000} {
		have := 0
		for _, key := range []string{"user.small", "user.big", "user.k0", "user.k1", "user.k2", "user.k3", "user.k4", "user.k5", "user.k6", "user.k7"} {
			n, err := unix.Lgetxattr(filepath.Join(dir, name), key, nil)
			if err == nil {
				have += n
			}
		}
		if have != want {
			t.Errorf("%s: xattrs of %d bytes, want %d", name, have, want)
		}
	}
}
