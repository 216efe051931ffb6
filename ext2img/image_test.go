package ext2img_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purebundle/ext2img"
	"purebundle/ext2img/extfs"
	"purebundle/ext2img/imgtest"
)

// roundTrip makes an image of dir, has e2fsck and extfs check it, and compares
// dir with what the kernel mounts.
func roundTrip(t *testing.T, dir string, p ext2img.Params) {
	t.Helper()
	image, report := write(t, layout(t, dir, p))
	for _, c := range report.Changes {
		t.Errorf("%s: %s %s", c.Path, c.Kind, c.Detail)
	}
	imgtest.Fsck(t, image)
	deepCheck(t, image)
	mnt := imgtest.Mount(t, image)
	imgtest.Compare(t, dir, mnt, imgtest.CompareOptions{})
}

// deepCheck does what verify --deep does.
func deepCheck(t *testing.T, image string) {
	t.Helper()
	f, size := imgtest.OpenImage(t, image)
	fs, err := extfs.Open(f, size)
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.Check(t.Context(), func(p extfs.Problem) { t.Error(p) }); err != nil {
		t.Error(err)
	}
	second, err := ext2img.ReadAgain(t.Context(), fs, f, size, func(path, text string) { t.Error(path, text) })
	if err != nil || second.Names+second.Left == 0 {
		t.Errorf("go-diskfs has read %+v: %v", second, err)
	}
}

func TestEmptyTree(t *testing.T) {
	imgtest.RequireRoot(t)
	for _, size := range []int64{10 << 20, 20 << 20, 128 << 20, 129 << 20, 2050 << 20, 10 << 30, 100 << 30} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p := params()
			p.Size = size
			roundTrip(t, t.TempDir(), p)
		})
	}
}

func TestSmallTree(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hello"), []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, dir, params())
}

func TestTorture(t *testing.T) {
	imgtest.RequireRoot(t)
	for _, piece := range imgtest.Torture() {
		if piece.Name == "deep" {
			continue // beyond PATH_MAX: for a walk that works from descriptors
		}
		t.Run(piece.Name, func(t *testing.T) {
			dir := t.TempDir()
			piece.Make(t, dir)
			roundTrip(t, dir, params())
		})
	}
}

// TestRandomTrees puts 200 random trees into images of various sizes.
func TestRandomTrees(t *testing.T) {
	imgtest.RequireRoot(t)
	sizes := []int64{0, 0, 10 << 20, 0, 20 << 20, 21<<20 + 4096, 0, 64 << 20, 129 << 20, 3 << 30}
	seeds := uint64(200)
	if testing.Short() {
		seeds = 10 // one goroutine reads; what several do, the tests of the command see
	}
	for seed := range seeds {
		size := sizes[seed%uint64(len(sizes))]
		t.Run(fmt.Sprintf("%d in %d", seed, size), func(t *testing.T) {
			dir := t.TempDir()
			opt := imgtest.RandomOptions{MaxDepth: 6, Entries: int(20 + seed)}
			if size == 10<<20 || size == 20<<20 {
				opt.MaxFile = 16 << 10
			}
			imgtest.RandomTree(t, seed, dir, opt)
			p := params()
			p.Size = size
			roundTrip(t, dir, p)
		})
	}
}

// TestPartBorders has files end around every border that a part makes.
func TestPartBorders(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	for parts := range 3 {
		for _, d := range []int{-4097, -4096, -1, 0, 1, 4095, 4096} {
			if n := parts*partSize + d; n >= 0 {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(n)), noise(int64(n), n), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	roundTrip(t, dir, params())
}

// TestManyLinks has more names of one file than an inode can count.
func TestManyLinks(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := imgtest.Tmpfs(t, 256<<20)
	imgtest.TortureLinks(t, dir, 65_001)
	image, report := write(t, layout(t, dir, params()))
	if len(report.Warnings) != 1 {
		t.Errorf("warnings %v, want one", report.Warnings)
	}
	imgtest.Fsck(t, image)
	imgtest.Compare(t, dir, imgtest.Mount(t, image), imgtest.CompareOptions{})
}

// TestSubdirectoryCounts has so many subdirectories that i_links_count ends.
func TestSubdirectoryCounts(t *testing.T) {
	if testing.Short() {
		t.Skip("nothing goes on beside the builder")
	}
	for _, n := range []int{64_998, 64_999, 64_997, 70_000} {
		b := ext2img.NewBuilder(params())
		if err := b.Add("/", ext2img.File{Mode: 0o40755}); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if err := b.Add(fmt.Sprintf("/%06d", i), ext2img.File{Mode: 0o40755}); err != nil {
				t.Fatal(err)
			}
		}
		m, err := b.Layout(nil)
		if err != nil {
			t.Fatal(err)
		}
		image, _ := write(t, m)
		imgtest.Fsck(t, image)
	}
}

// TestLargeDirectories has a directory whose index has two levels. So many subdirectories
// are in TestSubdirectoryCounts, and both in the command's TestTorture.
func TestLargeDirectories(t *testing.T) {
	imgtest.RequireRoot(t)
	if testing.Short() {
		t.Skip("nothing goes on beside the builder")
	}
	dir := t.TempDir()
	imgtest.TortureManyNames(t, dir, 100_000)
	roundTrip(t, dir, params())
}

// TestLatest clamps times that are later than Params.Latest, and no others.
func TestLatest(t *testing.T) {
	imgtest.RequireRoot(t)
	latest := time.Unix(100, 5)
	dir := t.TempDir()
	times := []time.Time{time.Unix(0, 0), time.Unix(100, 4), latest, time.Unix(100, 6), time.Unix(101, 0), time.Unix(-5, 9)}
	for i, at := range times {
		name := filepath.Join(dir, fmt.Sprint(i))
		if err := errors.Join(os.WriteFile(name, []byte("x"), 0o644), os.Chtimes(name, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	p := params()
	p.Latest = &ext2img.Time{Sec: 100, Nsec: 5}
	image, report := write(t, layout(t, dir, p))
	if len(report.Changes) > 0 {
		t.Errorf("changes %v", report.Changes)
	}
	imgtest.Fsck(t, image)
	mnt := imgtest.Mount(t, image)
	for i, at := range times {
		if at.After(latest) {
			at = latest
		}
		if st, err := os.Stat(filepath.Join(mnt, fmt.Sprint(i))); err != nil || !st.ModTime().Equal(at) {
			t.Errorf("%v: %v, %v; want %v", times[i], st.ModTime(), err, at)
		}
	}
}

// TestTimeOfSuperblock refuses times that s_mkfs_time, 32 bits of seconds, would
// hold as others, and has e2fsck look at the first and an early one.
func TestTimeOfSuperblock(t *testing.T) {
	for sec, ok := range map[int64]bool{-1 << 31: false, -1: false, 0: true, 1: true, 1<<32 - 1: true, 1 << 32: false, 1<<34 - 1<<31 - 1: false} {
		p := params()
		p.Now.Sec = sec
		b := ext2img.NewBuilder(p)
		if err := b.Add("/", ext2img.File{Mode: 0o40755}); err != nil {
			t.Fatal(err)
		}
		m, err := b.Layout(opener(t.TempDir()))
		if (err == nil) != ok {
			t.Errorf("%d: %v", sec, err)
		}
		if err == nil {
			image, _ := write(t, m)
			imgtest.Fsck(t, image)
			if out := imgtest.Run(t, "debugfs", "-R", "stats", image); sec == 1 && !strings.Contains(out, "Jan  1 00:00:01 1970") {
				t.Errorf("%d: %s", sec, out)
			}
		}
	}
}
