package imgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Mount mounts an ext4 image read-only through a loop device and gives the
// mount point. The mount and the device go with the test, failed or not.
func Mount(t testing.TB, image string) string {
	t.Helper()
	return mount(t, image, unix.MS_RDONLY)
}

// MountRW mounts as Mount does, for writing. Unmount ends that if the image is to be read
// directly before the test ends.
func MountRW(t testing.TB, image string) string {
	t.Helper()
	return mount(t, image, 0)
}

// Tmpfs mounts a tmpfs of at most size bytes and gives the mount point.
func Tmpfs(t testing.TB, size int64) string {
	t.Helper()
	RequireRoot(t)
	dir := mountPoint(t)
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,nr_inodes=0,mode=755", size))
	if err != nil {
		t.Fatalf("mount tmpfs %s: %v", dir, err)
	}
	t.Cleanup(func() { unmount(t, dir) })
	return dir
}

// Unmount unmounts what Mount, MountRW or Tmpfs mounted, before the test ends.
func Unmount(t testing.TB, dir string) {
	t.Helper()
	unmount(t, dir)
}

func mountPoint(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mount(t testing.TB, image string, flags uintptr) string {
	t.Helper()
	RequireRoot(t)
	dir := mountPoint(t)
	mountAt(t, image, dir, flags)
	t.Cleanup(func() { unmount(t, dir) })
	return dir
}

// mountAt mounts an ext4 image at dir.
func mountAt(t testing.TB, image, dir string, flags uintptr) {
	t.Helper()
	dev, name, err := attachLoop(image, flags&unix.MS_RDONLY != 0)
	if err != nil {
		t.Fatalf("attach %s: %v", image, err)
	}
	// The device detaches itself when its last user, the mount, is gone.
	defer dev.Close()
	if err := unix.Mount(name, dir, "ext4", flags, ""); err != nil {
		t.Fatalf("mount %s (%s): %v", image, name, err)
	}
}

// unmountLimit is how long a mount may stay busy.
const unmountLimit = 2 * time.Minute

// unmount unmounts dir if it still is a mount point. The kernel says EBUSY while a file
// is being closed elsewhere, and of a file system that holds an image as long as the
// image's loop device is there: a process with a copy of all mounts (unshare) keeps
// that until it ends. What is busy to the end fails the test; it goes, with its loop
// device (LO_FLAGS_AUTOCLEAR), when its last user does.
func unmount(t testing.TB, dir string) {
	t.Helper()
	err := unix.EBUSY
	for end := time.Now().Add(unmountLimit); err == unix.EBUSY && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err, _ = unix.Unmount(dir, unix.UMOUNT_NOFOLLOW).(unix.Errno); err == 0 {
			return
		}
	}
	switch err {
	case unix.EINVAL, unix.ENOENT: // unmounted already
	default:
		t.Errorf("unmount %s: %v", dir, err)
		_ = unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
}

// attachLoop puts image behind a free loop device that detaches itself on its
// last close (LO_FLAGS_AUTOCLEAR).
func attachLoop(image string, readOnly bool) (*os.File, string, error) {
	mode := os.O_RDWR
	flags := uint32(unix.LO_FLAGS_AUTOCLEAR)
	if readOnly {
		mode = os.O_RDONLY
		flags |= unix.LO_FLAGS_READ_ONLY
	}
	file, err := os.OpenFile(image, mode, 0)
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	ctl, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, "", err
	}
	defer ctl.Close()
	// Between asking for a free device and taking it another process may take
	// it (EBUSY): ask again.
	for range 100 {
		n, err := unix.IoctlRetInt(int(ctl.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, "", fmt.Errorf("LOOP_CTL_GET_FREE: %w", err)
		}
		name := fmt.Sprintf("/dev/loop%d", n)
		dev, err := os.OpenFile(name, mode, 0)
		if errors.Is(err, os.ErrNotExist) {
			if err = unix.Mknod(name, unix.S_IFBLK|0o660, int(unix.Mkdev(7, uint32(n)))); err == nil {
				dev, err = os.OpenFile(name, mode, 0)
			}
		}
		if err != nil {
			return nil, "", err
		}
		config := unix.LoopConfig{Fd: uint32(file.Fd())}
		config.Info.Flags = flags
		err = unix.IoctlLoopConfigure(int(dev.Fd()), &config)
		if err == nil {
			return dev, name, nil
		}
		dev.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, "", fmt.Errorf("LOOP_CONFIGURE %s: %w", name, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, "", errors.New("no free loop device")
}
