package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"purebundle/ext2img/imgtest"
)

// changing is a tree that changes, on a disk of its own. Whatever changes in it did so
// long ago, by its change time: a base vouches for all of it at once.
type changing struct {
	disk *imgtest.Disk
	dir  string
	seed uint64
	gen  int
}

func newChanging(t *testing.T, seed uint64) *changing {
	t.Helper()
	c := &changing{disk: imgtest.NewDisk(t, 256), seed: seed}
	c.dir = subdir(t, c.disk.Dir, "src")
	imgtest.RandomTree(t, seed, subdir(t, c.dir, "churned"), imgtest.RandomOptions{Entries: 60, MaxFile: 100 << 10, Plain: imgtest.NoFlags})
	noisy(t, filepath.Join(c.dir, "large"), 30<<20) // has two parts for itself, wherever it lies
	c.age()
	return c
}

// change makes some changes: more or less in each generation.
func (c *changing) change(t *testing.T) {
	t.Helper()
	imgtest.Churn(t, c.seed*100+uint64(c.gen), filepath.Join(c.dir, "churned"), 1+int(c.seed+uint64(c.gen)*3)%9)
	c.age()
}

// age has the clock of what changed last set back by some days: by more, or less, than
// that of what changed before.
func (c *changing) age() {
	now := time.Now()
	c.disk.Changed(now.Add(-time.Hour), now.Add(-time.Duration(48+c.gen%3*24)*time.Hour+time.Duration(c.gen)*time.Minute))
	c.gen++
}

// TestBaseGenerations bundles trees that change ten times, each time on the bundle before,
// and now and then in its place.
func TestBaseGenerations(t *testing.T) {
	imgtest.RequireRoot(t)
	t.Parallel()
	for _, seed := range imgtest.Seeds(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			top := t.TempDir()
			tree := newChanging(t, seed)
			base, kept := "", 0
			for gen := range 10 {
				out, force := filepath.Join(top, fmt.Sprint("out", gen)), []string{"--free", "100%"}
				if gen%4 == 3 {
					out, force = base, append(force, "--force")
				}
				s, said := bundleOn(t, tree.dir, out, base, force...)
				if (s.Base == "") != (base == "") {
					t.Errorf("generation %d: base %q: %s", gen, s.Base, said)
				}
				kept += s.KeptParts
				judgeBundle(t, tree.dir, out)
				base = out
				tree.change(t)
			}
			if kept < 2*9 {
				t.Errorf("%d parts were kept in all", kept)
			}
		})
	}
}
