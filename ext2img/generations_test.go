package ext2img_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// TestGenerations makes ten images of each of many trees that change, each with the one
// before it as its base.
func TestGenerations(t *testing.T) {
	imgtest.RequireRoot(t)
	all := &generations{kinds: make(map[string]int)}
	var mu sync.Mutex
	t.Run("seeds", func(t *testing.T) {
		for _, seed := range imgtest.Seeds(50) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				one := &generations{kinds: make(map[string]int)}
				one.run(t, seed)
				mu.Lock()
				defer mu.Unlock()
				all.add(one)
			})
		}
	})
	t.Logf("%+v", *all)
	if all.based*2 < all.made || all.kept == 0 || all.read*2 > all.files || all.moved == 0 || all.mapped == 0 {
		t.Error("the bases were of little use, or what was to happen did not")
	}
	for _, kind := range imgtest.Churns() {
		if all.kinds[kind] == 0 && all.made >= 200 {
			t.Errorf("no change of kind %s", kind)
		}
	}
}

// generations counts what the images of trees were made of.
type generations struct {
	made, based, kept int            // images, those with a base, parts
	files, read       int64          // in images that have a base
	moved, mapped     int            // change times that were set, writes through a mapping
	kinds             map[string]int // changes
}

func (g *generations) add(one *generations) {
	g.made, g.based, g.kept = g.made+one.made, g.based+one.based, g.kept+one.kept
	g.files, g.read = g.files+one.files, g.read+one.read
	g.moved, g.mapped = g.moved+one.moved, g.mapped+one.mapped
	for kind, n := range one.kinds {
		g.kinds[kind] += n
	}
}

// run makes ten images of one tree. With every other seed a program writes through a
// mapping all the while; with the others the clock is set now and then, mostly back.
func (g *generations) run(t *testing.T, seed uint64) {
	disk := imgtest.NewDisk(t, 256)
	dir := filepath.Join(disk.Dir, "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	opt := imgtest.RandomOptions{Entries: 60, MaxFile: 100 << 10, MaxDepth: 5, Plain: imgtest.NoFlags}
	p := params()
	p.Free, p.FreePercent = 4<<20, 100
	if seed%8 == 0 { // a larger one
		opt.Entries, opt.MaxFile, p.Free = 160, 512<<10, 16<<20
	}
	imgtest.RandomTree(t, seed, dir, opt)
	p.PartSize = []int64{256 << 10, partSize, 64 << 10}[seed%3]
	var writer *mapping
	if seed%2 == 0 {
		writer = newMapping(t, filepath.Join(dir, "mapped"))
	}
	images := imgtest.Tmpfs(t, 2<<30)
	var last *made
	for gen := range 10 {
		m := againAt(t, filepath.Join(images, fmt.Sprint(gen)), dir, p, baseOf(t, last))
		m.judge(t, dir)
		if t.Failed() {
			t.Fatalf("generation %d", gen)
		}
		g.count(t, dir, m, last)
		if last != nil { // it is open as long as the test runs
			if err := os.Truncate(last.name, 0); err != nil {
				t.Fatal(err)
			}
		}
		last = m
		began := coarseNow(t)
		for kind, n := range imgtest.Churn(t, seed*100+uint64(gen), dir, 1+int(seed+uint64(gen))%12) {
			g.kinds[kind] += n
		}
		switch {
		case writer != nil && writer.write(t):
			g.mapped++
		case writer == nil && gen%3 > 0:
			g.moved += disk.Changed(began, began.Add(time.Duration(gen%4*10-25)*time.Hour))
		}
	}
}

// count counts an image of the tree at dir; last is its base.
func (g *generations) count(t *testing.T, dir string, m, last *made) {
	t.Helper()
	g.made++
	g.kept += m.kept
	if last == nil || m.plan.Fresh() != "" {
		return
	}
	g.based++
	g.read += m.report.FilesRead
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			g.files++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// mapping is a program that has a file mapped.
type mapping struct {
	file  *os.File
	bytes []byte
	next  int
}

func newMapping(t *testing.T, name string) *mapping {
	t.Helper()
	if err := os.WriteFile(name, noise(1, 60_000), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, 60_000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Munmap(b)
		f.Close()
	})
	return &mapping{file: f, bytes: b}
}

// write changes a byte, unless the file has become shorter: there, that is SIGBUS.
func (m *mapping) write(t *testing.T) bool {
	t.Helper()
	st, err := m.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m.next = (m.next + 5000) % len(m.bytes)
	if st.Size() < int64(len(m.bytes)) {
		return false
	}
	m.bytes[m.next]++
	return true
}
