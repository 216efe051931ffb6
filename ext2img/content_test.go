package ext2img_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/ext2img/imgtest"
)

// TestContent puts files in an image that no source has, and mounts it.
func TestContent(t *testing.T) {
	imgtest.RequireRoot(t)
	b := ext2img.NewBuilder(params())
	if err := b.Add("/", ext2img.File{Mode: unix.S_IFDIR | 0o755}); err != nil {
		t.Fatal(err)
	}
	sizes := []int{0, 1, 4095, 4096, 4097, 25 << 20} // the last over several parts
	for i, size := range sizes {
		f := ext2img.File{Mode: unix.S_IFREG | 0o640, UID: 7, Size: int64(size), Content: noise(int64(i), size), Ino: uint64(i + 1), Nlink: 2}
		if f.Content == nil {
			f.Content = []byte{}
		}
		if err := b.Add(fmt.Sprint("/", i), f); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Link("/link", ext2img.File{Mode: unix.S_IFREG | 0o640, Ino: 3}); err != nil {
		t.Fatal(err)
	}
	if err := b.Add("/wrong", ext2img.File{Mode: unix.S_IFREG, Size: 2, Content: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	plan, err := b.Layout(func(path string, _ *unix.Stat_t) (int, error) { return -1, fmt.Errorf("%s was opened", path) })
	if err != nil {
		t.Fatal(err)
	}
	image, report := write(t, plan)
	if len(report.Changes) != 1 || report.Changes[0].Path != "/wrong" || report.Changes[0].Kind != ext2img.Unfit {
		t.Errorf("changes: %v", report.Changes)
	}
	imgtest.Fsck(t, image)
	mnt := imgtest.Mount(t, image)
	for i, size := range sizes {
		have, err := os.ReadFile(filepath.Join(mnt, fmt.Sprint(i)))
		if err != nil || !bytes.Equal(have, noise(int64(i), size)) {
			t.Errorf("file of %d bytes: %d bytes, %v", size, len(have), err)
		}
	}
	if have, err := os.ReadFile(filepath.Join(mnt, "link")); err != nil || !bytes.Equal(have, noise(2, 4095)) {
		t.Errorf("link: %d bytes, %v", len(have), err)
	}
}
