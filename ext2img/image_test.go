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
	for _, size := range []int64{10 << 20, 20 << 20, 128 << 20, 129 << 20, 2050 << 20, 10 << 30, 1 << 40} {
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
