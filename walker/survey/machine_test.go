package survey

import (
	"os"
	"path/filepath"
	"testing"

	"purebundle/ext2img/imgtest"
)

// cloudImage makes a disk as in Ubuntu's cloud images, but for sizes.
func cloudImage(t *testing.T) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 96<<20); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "sgdisk", "-a", "1", "-n", "14:2048:+1M", "-t", "14:ef02", "-n", "15:8192:+8M", "-t", "15:ef00", "-n", "16:32768:+16M", "-n", "1:65536:0", image)
	imgtest.Run(t, "mkfs.vfat", "-n", "UEFI", "--offset", "8192", image, "8192")
	imgtest.Run(t, "mkfs.ext4", "-q", "-L", "BOOT", "-E", "offset=16777216", image, "16M")
	imgtest.Run(t, "mkfs.ext4", "-q", "-L", "cloudimg-rootfs", "-E", "offset=33554432", image, "60M")
	return image
}

func TestOfGPT(t *testing.T) {
	f := newFake(t)
	f.disk("sda", 16, cloudImage(t))
	f.mount("8:17 / / rw,relatime - ext4 /dev/root rw,discard")
	f.mount("8:32 / /boot rw - ext4 /dev/sda16 rw")
	f.mount("8:31 / /boot/efi rw - vfat /dev/sda15 rw")
	m := f.of()
	if m.Disk == nil {
		t.Fatal(m.Why)
	}
	d := m.Disk
	if d.Root != 0 || d.BIOS != 1 || d.ESP != 2 || d.Boot != 3 || d.Path != "/dev/sda" || len(m.Notes) != 0 {
		t.Errorf("%+v, %q", d, m.Notes)
	}
	want := []string{"/dev/sda1 /", "/dev/sda14 ", "/dev/sda15 /boot/efi", "/dev/sda16 /boot"}
	for i, p := range d.Partitions {
		if got := p.Device + " " + p.MountPoint; got != want[i] {
			t.Errorf("%s, want %s", got, want[i])
		}
	}
	r := m.Root
	if r.Device != "/dev/sda1" || r.Type != "ext4" || r.Label != "cloudimg-rootfs" || r.UUID != d.Partitions[0].FileSystem.UUID || r.Options != "rw,relatime,discard" {
		t.Errorf("%+v", r)
	}
}
