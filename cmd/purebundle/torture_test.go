package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// TestTorture takes a tree of everything that a root file system can contain
// from walk to kernel mount.
func TestTorture(t *testing.T) {
	imgtest.RequireRoot(t)
	src := filepath.Join(t.TempDir(), "src")
	for _, piece := range imgtest.Torture() {
		piece.Make(t, subdir(t, src, piece.Name))
	}
	names, subdirs := 100_000, 66_000
	if testing.Short() {
		names, subdirs = 2000, 200
	}
	imgtest.TortureManyNames(t, subdir(t, src, "many names"), names)
	imgtest.TortureSubdirs(t, subdir(t, src, "subdirs"), subdirs)
	bundleAndCompare(t, src)
}

// TestTortureTmpfs does the same from tmpfs, where a file can have more names
// than an ext4 inode can count.
func TestTortureTmpfs(t *testing.T) {
	imgtest.RequireRoot(t)
	src := imgtest.Tmpfs(t, 512<<20)
	for _, piece := range imgtest.Torture() {
		switch piece.Name {
		case "times", "xattrs", "sparse": // tmpfs has narrower limits of its own
		default:
			piece.Make(t, subdir(t, src, piece.Name))
		}
	}
	imgtest.TortureLinks(t, subdir(t, src, "links"), 65_001)
	bundleAndCompare(t, src)
}

// TestRandomBundles sends random trees through the command.
func TestRandomBundles(t *testing.T) {
	imgtest.RequireRoot(t)
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			src := subdir(t, t.TempDir(), "src")
			imgtest.RandomTree(t, 1000+seed, src, imgtest.RandomOptions{})
			bundleAndCompare(t, src)
		})
	}
}

func subdir(t *testing.T, parent, name string) string {
	t.Helper()
	dir := filepath.Join(parent, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// bundleAndCompare bundles src whole, has the bundle verified and the image
// checked, and compares src with what the kernel mounts.
func bundleAndCompare(t *testing.T, src string) {
	t.Helper()
	work := t.TempDir()
	out, image := filepath.Join(work, "out"), filepath.Join(work, "image")
	for _, args := range [][]string{
		{"bundle", "-q", "--no-filter", "--no-default-excludes", src, out},
		{"verify", "-q", "--deep", out},
		{"unbundle", "-q", out, image},
	} {
		if code, stdout, stderr := call(args...); code != cli.StatusDone {
			t.Fatalf("%s: status %d\n%s%s", args[0], code, stdout, stderr)
		}
	}
	imgtest.Fsck(t, image)
	imgtest.Compare(t, src, imgtest.Mount(t, image), imgtest.CompareOptions{})
}
