package chunk

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// names is what a directory has: the inode of each name.
type names map[string]uint64

func namesOf(t testing.TB, dir string) names {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	m := make(names)
	for _, e := range entries {
		st, err := e.Info()
		must(t, err)
		m[e.Name()] = st.Sys().(*syscall.Stat_t).Ino
	}
	return m
}

// edit is one change of a directory: names that are set, or gone (0).
type edit names

func editOf(before, after names) edit {
	e := make(edit)
	for name, ino := range after {
		if before[name] != ino {
			e[name] = ino
		}
	}
	for name := range before {
		if after[name] == 0 {
			e[name] = 0
		}
	}
	return e
}

// record runs fn and returns the directory before it and the edits that it made,
// in groups: each group ends with a sync. Every file stays alive in keep, under
// its inode number. inject, if not nil, lets changes fail.
func record(t testing.TB, path string, set func(fn func(op, name string) error), keep string, inject func(op string, now names) error, fn func()) (start names, groups [][]edit) {
	t.Helper()
	start = namesOf(t, path)
	last, group := start, []edit(nil)
	note := func() {
		now := namesOf(t, path)
		if e := editOf(last, now); len(e) > 0 {
			group = append(group, e)
		}
		for name, ino := range now {
			must(t, ignoreExist(os.Link(filepath.Join(path, name), filepath.Join(keep, fmt.Sprint(ino)))))
		}
		last = now
	}
	note()
	set(func(op, name string) error {
		note()
		if inject != nil {
			if err := inject(op, last); err != nil {
				return err // a sync that fails may have synced nothing
			}
		}
		if op == "sync" {
			groups, group = append(groups, group), nil
		}
		return nil
	})
	fn()
	set(nil)
	note()
	return start, append(groups, group)
}

func ignoreExist(err error) error {
	if os.IsExist(err) {
		return nil
	}
	return err
}

// TestUnordered does what TestCommitCrash does, for file systems that do not keep the order
// of changes between two syncs: any of them may be lost and any other not.
func TestUnordered(t *testing.T) {
	t.Parallel()
	for _, o := range olders {
		t.Run(o.name, func(t *testing.T) {
			dir, keep := ramDir(t), ramDir(t)
			im := o.prepare(t, dir)
			w := made(t, dir)
			start, groups := record(t, dir, func(fn func(op, name string) error) { onChange(w, fn) }, keep, nil, func() { must(t, w.Commit(t.Context(), testManifest())) })
			states := tryAll(t, keep, start, groups, im)
			if states["newer"] == 0 || states["none"] == 0 || im != nil && states["older"] == 0 {
				t.Errorf("not every state was seen: %v", states)
			}
		})
	}
}

// TestUnorderedRollback does the same for a commit whose last sync fails, so that
// all is undone on the spot.
func TestUnorderedRollback(t *testing.T) {
	t.Parallel()
	dir, keep := ramDir(t), ramDir(t)
	im := olders[1].prepare(t, dir)
	w := made(t, dir)
	old, failed := namesOf(t, dir)["p.manifest.json"], false
	inject := func(op string, now names) error {
		if m := now["p.manifest.json"]; op == "sync" && m != 0 && m != old && !failed {
			failed = true
			return syscall.EIO
		}
		return nil
	}
	start, groups := record(t, dir, func(fn func(op, name string) error) { onChange(w, fn) }, keep, inject, func() {
		if err := w.Commit(t.Context(), testManifest()); err == nil {
			t.Fatal("no error")
		}
	})
	states := tryAll(t, keep, start, groups, im)
	t.Log(states)
	if !failed || states["newer"] == 0 {
		t.Error("the newer manifest was never in place")
	}
}

// tryAll checks every crash that these edits allow.
func tryAll(t *testing.T, keep string, start names, groups [][]edit, old *image) map[string]int {
	t.Helper()
	states, dg := make(map[string]int), make(digests)
	durable := start
	for _, group := range groups {
		if len(group) > 10 {
			t.Fatalf("%d changes without a sync are too many to try all", len(group))
		}
		for mask := range 1 << len(group) {
			crash := maps.Clone(durable)
			for i, e := range group {
				if mask>>i&1 == 1 {
					apply(crash, e)
				}
			}
			states[dg.wantPromise(t, materialise(t, keep, crash), old, newer())]++
		}
		for _, e := range group {
			apply(durable, e)
		}
	}
	return states
}

func apply(n names, e edit) {
	for name, ino := range e {
		if ino == 0 {
			delete(n, name)
		} else {
			n[name] = ino
		}
	}
}

// materialise makes a directory with these names.
func materialise(t testing.TB, keep string, n names) string {
	t.Helper()
	dir := ramDir(t)
	for name, ino := range n {
		must(t, os.Link(filepath.Join(keep, fmt.Sprint(ino)), filepath.Join(dir, name)))
	}
	return dir
}

// TestUnorderedRepair does the same for the repair after each crash of a commit.
func TestUnorderedRepair(t *testing.T) {
	t.Parallel()
	dir, keep := ramDir(t), ramDir(t)
	im := older{"same", 3}.prepare(t, dir)
	w := made(t, dir)
	start, groups := record(t, dir, func(fn func(op, name string) error) { onChange(w, fn) }, keep, nil, func() { must(t, w.Commit(t.Context(), testManifest())) })
	seen, dg := make(map[string]bool), make(digests)
	crash := start
	for _, e := range slices.Concat(groups...) {
		apply(crash, e)
		broken := materialise(t, keep, crash)
		var each func(op, name string) error
		begin, repair := record(t, broken, func(fn func(op, name string) error) { each = fn }, keep, nil, func() { settle(t, broken, each) })
		for _, group := range repair {
			for mask := range 1 << min(len(group), 8) {
				again := maps.Clone(begin)
				for i, e := range group {
					if i >= 8 || mask>>i&1 == 1 {
						apply(again, e)
					}
				}
				if key := fmt.Sprint(again); !seen[key] {
					seen[key] = true
					dg.wantPromise(t, materialise(t, keep, again), im, newer())
				}
			}
			for _, e := range group {
				apply(begin, e)
			}
		}
	}
	t.Logf("%d states", len(seen))
	if !slices.ContainsFunc(slices.Collect(maps.Keys(seen)), func(s string) bool { return strings.Contains(s, ".purebundle-old") }) {
		t.Error("no state with a backup was seen")
	}
}
