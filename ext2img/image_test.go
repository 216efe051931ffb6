package ext2img_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"purebundle/ext2img"
	"purebundle/ext2img/imgtest"
)

// roundTrip makes an image of dir, has e2fsck check it, and compares dir with
// what the kernel mounts.
func roundTrip(t *testing.T, dir string, p ext2img.Params) {
	t.Helper()
	image, report := write(t, layout(t, dir, p))
	for _, c := range report.Changes {
		t.Errorf("%s: %s %s", c.Path, c.Kind, c.Detail)
	}
	imgtest.Fsck(t, image)
	mnt := imgtest.Mount(t, image)
	imgtest.Compare(t, dir, mnt, imgtest.CompareOptions{})
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

func TestRandomTrees(t *testing.T) {
	imgtest.RequireRoot(t)
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir := t.TempDir()
			imgtest.RandomTree(t, seed, dir, imgtest.RandomOptions{MaxDepth: 6})
			roundTrip(t, dir, params())
		})
	}
}

func TestLargeDirectories(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	for name, n := range map[string]int{"names": 100_000, "edge": 64_998, "over": 66_000} {
		sub := filepath.Join(dir, name)
		if err := os.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		if name == "names" {
			imgtest.TortureManyNames(t, sub, n)
		} else {
			imgtest.TortureSubdirs(t, sub, n)
		}
	}
	roundTrip(t, dir, params())
}
