package ext2img_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// TestGrow grows images in steps and in one leap, up to 1,024 times their size:
// never is the descriptor table moved (meta_bg), which older GRUBs do not read. Where
// the kernel lets us (CAP_SYS_RESOURCE), it does so while they are mounted; make
// test-boot always does.
func TestGrow(t *testing.T) {
	imgtest.RequireRoot(t)
	imgtest.NeedTool(t, "resize2fs")
	const mib, gib = int64(1) << 20, int64(1) << 30
	for _, c := range []struct {
		size  int64
		grown []int64
	}{
		{20 * mib, []int64{60 * mib, 180 * mib, 2 * gib, 20 * gib}},
		{20 * mib, []int64{20 * gib}},
		{1 * gib, []int64{3 * gib, 9 * gib, 100 * gib}},
		{1 * gib, []int64{1024 * gib}},
		{9 * gib, []int64{27 * gib, 1024 * gib}},
		{100 * gib, []int64{4096 * gib}},
	} {
		if testing.Short() && c.size > 20*mib {
			break // no goroutine is in it that smaller ones lack
		}
		t.Run(fmt.Sprint(c.size/mib, c.grown), func(t *testing.T) {
			dir := grownTree(t)
			p := params()
			p.Size = c.size
			image, _ := write(t, layout(t, dir, p))
			for _, size := range c.grown {
				grow(t, image, size)
				noMetaBG(t, image)
				imgtest.Fsck(t, image)
			}
			imgtest.Compare(t, dir, imgtest.Mount(t, image), imgtest.CompareOptions{Scope: butGrown})
		})
	}
}

// TestShrinkAndGrow takes an image to its smallest size and back, unmounted.
func TestShrinkAndGrow(t *testing.T) {
	imgtest.RequireRoot(t)
	imgtest.NeedTool(t, "resize2fs")
	dir := grownTree(t)
	p := params()
	p.Size = 1 << 30
	image, _ := write(t, layout(t, dir, p))
	for _, size := range [][]string{{"-M", image}, {image, "1G"}, {image, "30G"}, {"-M", image}} {
		imgtest.Run(t, "e2fsck", "-fy", image) // resize2fs asks for it
		imgtest.Run(t, "resize2fs", size...)
		noMetaBG(t, image)
		imgtest.Fsck(t, image)
	}
	imgtest.Compare(t, dir, imgtest.Mount(t, image), imgtest.CompareOptions{})
}

// grownTree makes a tree with some content.
func grownTree(t *testing.T) string {
	dir := t.TempDir()
	for i := range 50 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(strings.Repeat("content ", i*100)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// grow makes an image file larger, then the file system in it, and writes to it.
func grow(t *testing.T, image string, size int64) {
	t.Helper()
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	online := hasResource(t)
	if !online {
		imgtest.Run(t, "e2fsck", "-fy", image) // resize2fs asks for it
		imgtest.Run(t, "resize2fs", image)
	}
	mnt := imgtest.MountRW(t, image)
	defer imgtest.Unmount(t, mnt)
	if online {
		imgtest.Run(t, "resize2fs", strings.TrimSpace(imgtest.Run(t, "findmnt", "-no", "SOURCE", mnt)))
	}
	if err := os.WriteFile(filepath.Join(mnt, "grown"), []byte(fmt.Sprint(size)), 0o600); err != nil {
		t.Fatal(err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(mnt, &st); err != nil {
		t.Fatal(err)
	}
	if got := int64(st.Blocks) * st.Bsize; got < size*9/10 {
		t.Errorf("grown to %d of %d bytes", got, size)
	}
}

// hasResource says whether this process may resize what is mounted.
func hasResource(t *testing.T) bool {
	t.Helper()
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		t.Fatal(err)
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

// butGrown compares all but the file that grow makes, and the time of its directory.
func butGrown(path string) imgtest.Scope {
	if path == "/grown" || path == "/" {
		return imgtest.Ignore
	}
	return imgtest.Full
}

// noMetaBG fails if the descriptors of an image are not all behind the superblock.
func noMetaBG(t *testing.T, image string) {
	t.Helper()
	super := imgtest.Run(t, "dumpe2fs", "-h", image)
	if strings.Contains(super, "meta_bg") || !strings.Contains(super, "resize_inode") {
		t.Errorf("%s", super)
	}
}
