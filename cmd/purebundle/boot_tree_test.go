//go:build boot

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// bootCache names the directory where the test keeps the Debian tree for its
// next run, a directory of the user's cache if unset. Removing what is in it
// brings newer packages.
const bootCache = "PUREBUNDLE_BOOT_CACHE"

// bootPackages returns what the Debian tree has besides a minimal system: a kernel,
// what it takes to boot and to log in, and what the checks call.
func bootPackages() []string {
	return []string{"acl", "cloud-guest-utils", "dbus", "e2fsprogs", "fdisk", "grub-efi-amd64-signed", "grub-pc-bin", "initramfs-tools", "iputils-ping",
		"kmod", "libcap2-bin", "linux-image-cloud-amd64", "login", "openssh-server", "procps", "python3", "shim-signed", "systemd-sysv", "udev"}
}

// bootSetup runs in the fresh tree. The initrd checks the root file system only
// if it is told the type when it is made (initramfs.conf(5), FSTYPE).
const bootSetup = `set -e
echo FSTYPE=ext4 > /etc/initramfs-tools/conf.d/fsck
update-initramfs -u
rm -f /var/cache/apt/archives/*.deb`

// needBootTools fails the test with all that the machine lacks, and the Debian
// packages that have it. It installs nothing.
func needBootTools(t *testing.T) {
	t.Helper()
	if runtime.GOARCH != "amd64" || os.Geteuid() != 0 {
		t.Fatal("needs root on an amd64 machine")
	}
	var missing []string
	for _, need := range []struct{ program, pack string }{
		{"apt-get", "apt"},
		{"debootstrap", "debootstrap"},
		{"e2fsck", "e2fsprogs"},
		{"gpgv", "gpgv"},
		{"mkfs.vfat", "dosfstools"},
		{"mcopy", "mtools"},
		{"mkfs.btrfs", "btrfs-progs"},
		{"mkfs.xfs", "xfsprogs"},
		{"qemu-system-x86_64", "qemu-system-x86"},
		{"sfdisk", "fdisk"},
		{"sgdisk", "gdisk"},
		{ovmfCode, "ovmf"},
		{"rsync", "rsync"},
		{"/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"},
	} {
		_, err := exec.LookPath(need.program)
		if filepath.IsAbs(need.program) {
			_, err = os.Stat(need.program)
		}
		if err != nil {
			missing = append(missing, need.pack)
		}
	}
	if len(missing) > 0 {
		t.Fatalf("not installed: %s", strings.Join(missing, " "))
	}
}

// debianTree gives a tar archive of a Debian tree that boots, of the machine's own release.
func debianTree(ctx context.Context, t *testing.T) string {
	t.Helper()
	return suiteTree(ctx, t, "")
}

// suiteTree does what debianTree does for a release of Debian, from the cache or made by
// debootstrap; "" is that of the machine.
func suiteTree(ctx context.Context, t *testing.T, suite string) string {
	t.Helper()
	cache := os.Getenv(bootCache)
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Fatalf("no cache directory: %v; set %s", err, bootCache)
		}
		cache = filepath.Join(user, "purebundle")
	}
	mirror, own := debianMirror(t)
	if suite == "" {
		suite = own
	}
	recipe := strings.Join(append(bootPackages(), bootSetup), "\n")
	archive := filepath.Join(cache, fmt.Sprintf("debian-%s-%.6x.tar.gz", suite, sha256.Sum256([]byte(recipe))))
	if _, err := os.Stat(archive); err == nil {
		t.Logf("tree: %s", archive)
		return archive
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(t.TempDir(), "tree")
	t.Cleanup(func() { unmountBelow(t, tree) })
	t.Logf("tree: debootstrap %s", suite)
	runFor(ctx, t, "debootstrap", "--variant=minbase", "--include="+strings.Join(bootPackages(), ","), suite, tree, mirror)
	inTree(ctx, t, tree, bootSetup, "")
	unmountBelow(t, tree)
	t.Cleanup(func() { os.Remove(archive + ".new") })
	// The tree holds the host keys of machines that exist in this test only.
	runFor(ctx, t, "tar", "-czf", archive+".new", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--one-file-system", "-C", tree, ".")
	if err := os.Rename(archive+".new", archive); err != nil {
		t.Fatal(err)
	}
	return archive
}

// inTree runs a shell command in a tree, as root, and gives its output.
func inTree(ctx context.Context, t *testing.T, tree, command, stdin string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, "chroot", tree, "/bin/sh", "-c", command)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/root"}
	cmd.Stdin = strings.NewReader(stdin)
	return outputOf(t, cmd)
}

// runFor runs a program for as long as ctx lasts.
func runFor(ctx context.Context, t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return outputOf(t, cmd)
}

// outputOf runs cmd, gives what it wrote to stdout, and fails the test with the
// end of all that it wrote if it does not exit 0.
func outputOf(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var out, all bytes.Buffer
	cmd.Stdout, cmd.Stderr = &tee{&out, &all}, &all
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd.Args, err, lastLines(all.String(), 40))
	}
	return out.String()
}

type tee struct{ a, b *bytes.Buffer }

func (w *tee) Write(p []byte) (int, error) {
	w.a.Write(p)
	return w.b.Write(p)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// unmountBelow unmounts whatever is mounted below dir, so that removing dir
// removes nothing through a mount.
func unmountBelow(t *testing.T, dir string) {
	t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		t.Errorf("mounts below %s: %v", dir, err)
	}
	for _, m := range slices.Backward(mounts) {
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			t.Errorf("unmount %s: %v", m.Mountpoint, err)
		}
	}
}
