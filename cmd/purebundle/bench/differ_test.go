package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
)

// TestDiffer compares two images of mke2fs, of which the second was mounted and changed
// by the kernel; split and sha256sum say which blocks differ.
func TestDiffer(t *testing.T) {
	imgtest.RequireRoot(t)
	top := t.TempDir()
	src, image := filepath.Join(top, "src"), filepath.Join(top, "image")
	write := func(name string, page int, pages int, value byte) {
		t.Helper()
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		text := []byte(strings.Repeat(string(value), pages*pageSize))
		for i := range pages {
			copy(text[i*pageSize:], fmt.Sprint(i))
		}
		if _, err := f.WriteAt(text, int64(page)*pageSize); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(src, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"stays", "grows", "sub/changes", "goes", "renamed"} {
		write(filepath.Join(src, name), 0, 300, 'a'+byte(i))
	}
	if err := os.WriteFile(filepath.Join(src, "zeros"), make([]byte, 100*pageSize), 0o644); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "mke2fs", "-q", "-t", "ext4", "-b", "4096", "-d", src, image, "40M")
	cut := func(dir string) string {
		t.Helper()
		dir = filepath.Join(top, dir)
		imgtest.Run(t, "mkdir", dir)
		imgtest.Run(t, "split", "-b", fmt.Sprint(partSize), "-d", "-a", "3", image, dir+"/image.part.")
		return dir
	}
	base := cut("base")
	found := func(second string) (d difference) {
		t.Helper()
		_, out := child(t, "differ", base, second)
		if err := json.Unmarshal(out, &d); err != nil {
			t.Fatal(err)
		}
		sums := func(dir string) []string {
			return strings.Fields(imgtest.Run(t, "sh", "-c", `cat "$1"/image.part.* | split -b 524288 --filter="sha256sum | cut -c 1-64"`, "sh", dir))
		}
		a, b, want := sums(base), sums(second), 0
		for i := range a {
			if a[i] != b[i] {
				want++
			}
		}
		if len(a) != len(b) || d.Differ != want {
			t.Errorf("%d blocks differ, of %d and %d; want %d", d.Differ, len(a), len(b), want)
		}
		return d
	}
	if d := found(base); d != (difference{}) {
		t.Errorf("a bundle and itself: %+v", d)
	}
	mnt := imgtest.MountRW(t, image)
	write(filepath.Join(mnt, "grows"), 300, 130, 'z')
	write(filepath.Join(mnt, "sub/changes"), 10, 2, 'y')
	write(filepath.Join(mnt, "new"), 0, 5, 'x')
	imgtest.Run(t, "rm", mnt+"/goes")
	imgtest.Run(t, "mv", mnt+"/renamed", mnt+"/sub/other")
	imgtest.Run(t, "touch", mnt+"/stays")
	imgtest.Unmount(t, mnt)
	d := found(cut("second"))
	want := bound{Files: 4, Whole: 430 + 300 + 5 + 300, New: 130 + 2 + 5 + 300, Freed: 2 + 300 + 300, Least: 4, Kept: d.Kept}
	if d.bound != want {
		t.Errorf("found %+v, want %+v", d.bound, want)
	}
	// Of the files that went, 300 pages each lie in 3 or 4 blocks, if they are in one piece, and the two
	// pages in another, or in one of these.
	if d.Kept < 6 || d.Kept > 10 {
		t.Errorf("with the freed places zero at least %d blocks differ", d.Kept)
	}
}
