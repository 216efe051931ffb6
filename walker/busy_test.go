package walker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestGivesClonesBack unmounts a disk below SOURCE after the walk: that succeeds, but the device stays busy, as the manual says (limits), until the tree
// is closed. Then it can be opened for oneself alone, which is what partitioning tools and BLKRRPART ask for.
func TestGivesClonesBack(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "disk/", "file=1")
	device := strings.TrimSpace(run(t, "losetup", "-f", "--show", loopImage(t, 64<<20, "mke2fs", "-q", "-F")))
	t.Cleanup(func() { run(t, "losetup", "-d", device) })
	disk := filepath.Join(dir, "disk")
	run(t, "mount", device, disk)
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	alone := func() error {
		fd, err := unix.Open(device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	must(t, os.WriteFile(filepath.Join(disk, "inside"), []byte("text"), 0o644))
	res := walk(t, dir, Options{})
	if res.entries["/disk/inside"] == nil || res.Tree.roots[0].mode != cloneMode {
		t.Fatalf("not walked through clones: %q", res.order)
	}
	must(t, unix.Unmount(disk, 0))
	if err := alone(); err != unix.EBUSY {
		t.Errorf("before the tree is closed: %v, want EBUSY", err)
	}
	f, err := openFile(res.Tree, "/disk/inside")
	must(t, err)
	f.Close()
	must(t, res.Tree.Close())
	if err := alone(); err != nil {
		t.Errorf("after it: %v", err)
	}
}
