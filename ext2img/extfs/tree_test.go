package extfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"purebundle/ext2img/extfs"
	"purebundle/ext2img/imgtest"
)

// made makes a file system by debugfs.
func made(t *testing.T, requests ...string) *extfs.FS {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	imgtest.Run(t, "mke2fs", "-q", "-t", "ext4", image, "4M")
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(image), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range requests {
		imgtest.Run(t, "debugfs", "-w", "-R", strings.ReplaceAll(r, "TEXT", text), image)
	}
	f, size := imgtest.OpenImage(t, image)
	opened, err := extfs.Open(f, size)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// TestTree finds paths across file systems, as the kernel does: links go on from the root of
// the tree, ".." goes up out of what is mounted, and what is under a mount is not seen.
func TestTree(t *testing.T) {
	root := made(t, "mkdir boot", "write TEXT boot/under", "symlink vmlinuz boot/vmlinuz", "mkdir etc", "write TEXT etc/fstab", "symlink loop loop")
	boot := made(t, "write TEXT vmlinuz", "symlink up ../etc/fstab", "symlink abs /etc/fstab", "mkdir efi", "mkdir dir", "symlink out ../../../boot/dir")
	efi := made(t, "write TEXT grub.cfg", "symlink kernel ../vmlinuz")
	tree := extfs.NewTree(root)
	for _, m := range []struct {
		path string
		fs   *extfs.FS
	}{{"/boot", boot}, {"/boot/efi", efi}} {
		if err := tree.Mount(m.path, m.fs); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]*extfs.FS{
		"/": root, "/boot": boot, "/boot/": boot, "/boot/..": root, "/boot/vmlinuz": boot, "/vmlinuz": boot, "/boot/up": root, "/boot/abs": root, "boot/efi/": efi,
		"/boot/efi/grub.cfg": efi, "/boot/efi/kernel": boot, "/boot/efi/..": boot, "/boot/efi/../..": root, "/boot/out": boot, "/etc/fstab": root, "/boot/efi/../../../etc": root,
	} {
		n, err := tree.Resolve(path)
		if err != nil || n.FS != want {
			t.Errorf("%s: %v, of another file system: %v", path, err, n.FS != want)
		}
	}
	for path, want := range map[string]error{"/boot/under": fs.ErrNotExist, "/boot/etc": fs.ErrNotExist, "/boot/vmlinuz/x": syscall.ENOTDIR, "/loop": syscall.ELOOP} {
		if _, err := tree.Resolve(path); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if n, err := tree.Lookup("/vmlinuz"); err != nil || !n.IsSymlink() || n.FS != root {
		t.Errorf("%+v, %v", n, err)
	}
	if err := tree.Mount("/etc/fstab", efi); !errors.Is(err, syscall.ENOTDIR) {
		t.Error(err)
	}
	if err := tree.Mount("/nowhere", efi); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	top, err := tree.Lookup("/")
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range root.ReadDir(top.Inode) {
		if err != nil {
			t.Fatal(err)
		}
		if n, err := tree.Child(top, e); err != nil || (n.FS == boot) != (e.Name == "boot") {
			t.Errorf("%s: %v, mounted: %v", e.Name, err, n.FS == boot)
		}
	}
}
