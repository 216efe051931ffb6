package survey

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"

	"golang.org/x/sys/unix"
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
	f.disks[unix.Mkdev(8, 32)] = f.disks[unix.Mkdev(8, 17)] // newer than what the disk says
	if p := f.of().Disk.Partitions[3]; p.FileSystem == nil || p.FileSystem.Label != "cloudimg-rootfs" {
		t.Errorf("%+v", p.FileSystem)
	}
	r := m.Root
	if r.Device != "/dev/sda1" || r.Type != "ext4" || r.Label != "cloudimg-rootfs" || r.UUID != d.Partitions[0].FileSystem.UUID || r.Options != "rw,relatime,discard" {
		t.Errorf("%+v", r)
	}
}

// TestOfXBOOTLDR has systemd-boot's layouts: a FAT for the kernels is not the EFI system
// partition, whether that is mounted or not; and a partition is where boot loaders look for
// it, wherever else it is mounted.
func TestOfXBOOTLDR(t *testing.T) {
	image := cloudImage(t)
	imgtest.Run(t, "mkfs.vfat", "--offset", "32768", image, "16384")
	imgtest.Run(t, "sgdisk", "-t", "16:ea00", image)
	for name, c := range map[string]struct {
		lines []string
		boot  string // where partition 16 is mounted
		esp   string
	}{
		"both":              {[]string{"8:32 / /boot rw - vfat /dev/sda16 rw", "8:31 / /efi rw - vfat /dev/sda15 rw"}, "/boot", "/efi"},
		"one":               {[]string{"8:32 / /boot rw - vfat /dev/sda16 rw"}, "/boot", ""},
		"neither":           {nil, "", ""},
		"in two places":     {[]string{"8:32 / /a rw - vfat /dev/sda16 rw", "8:32 / /boot rw - vfat /dev/sda16 rw"}, "/boot", ""},
		"ESP on /boot":      {[]string{"8:31 / /boot rw - vfat /dev/sda15 rw"}, "", "/boot"},
		"ESP on /boot, too": {[]string{"8:31 / /boot/efi rw - vfat /dev/sda15 rw", "8:32 / /boot rw - vfat /dev/sda16 rw"}, "/boot", "/boot/efi"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.disk("sda", 16, image)
			f.mount("8:17 / / rw - ext4 /dev/sda1 rw")
			for _, l := range c.lines {
				f.mount(l)
			}
			d := f.of().Disk
			if d == nil || d.ESP != 2 || d.Boot != 3 || d.Partitions[3].MountPoint != c.boot || d.Partitions[2].MountPoint != c.esp {
				t.Errorf("%+v", d)
			}
		})
	}
}

// TestOfWhy has roots that are not on a partition of one disk, each with the sentence
// that says so.
func TestOfWhy(t *testing.T) {
	image := cloudImage(t)
	for name, c := range map[string]struct {
		make func(f *fake)
		want string
	}{
		"LVM": {func(f *fake) {
			f.disk("sda", 16, image)
			f.device("virtual/block/dm-0", "252:0", "dm/name=vg-root", "dm/uuid=LVM-abcdefg", "size=2048")
			f.link("devices/virtual/block/dm-0/slaves/sda1", "pci0/block/sda/sda1")
			f.mount("252:0 / / rw - ext4 /dev/mapper/vg-root rw")
		}, "the root is on LVM (dm-0, vg-root) on /dev/sda1: the disks below it are not copied"},
		"LVM on LUKS on two disks": {func(f *fake) {
			f.disk("sda", 16, image)
			f.disk("sdb", 64, image)
			f.device("virtual/block/dm-0", "252:0", "dm/name=crypt", "dm/uuid=CRYPT-LUKS2-abc-crypt")
			f.device("virtual/block/dm-1", "252:1", "dm/name=vg-root", "dm/uuid=LVM-abcdefg")
			f.link("devices/virtual/block/dm-0/slaves/sda1", "pci0/block/sda/sda1")
			f.link("devices/virtual/block/dm-1/slaves/dm-0", "virtual/block/dm-0")
			f.link("devices/virtual/block/dm-1/slaves/sdb", "pci0/block/sdb")
			f.mount("252:1 / / rw - xfs /dev/mapper/vg-root rw")
		}, "the root is on LVM (dm-1, vg-root) on /dev/sdb and LUKS encryption (dm-0, crypt) on /dev/sda1: the disks below it are not copied"},
		"RAID": {func(f *fake) {
			f.disk("sda", 16, image)
			f.device("virtual/block/md0", "9:0", "md/level=raid1")
			f.link("devices/virtual/block/md0/slaves/sda1", "pci0/block/sda/sda1")
			f.mount("9:0 / / rw - ext4 /dev/md0 rw")
		}, "the root is on RAID (md0, raid1) on /dev/sda1: the disks below it are not copied"},
		"partition of a RAID": {func(f *fake) {
			f.device("virtual/block/md126", "9:126", "md/level=raid1", "size=196608", "queue/logical_block_size=512")
			f.device("virtual/block/md126/md126p1", "259:0", "partition=1", "start=65536", "size=131000")
			f.mount("259:0 / / rw - ext4 /dev/md126p1 rw")
		}, "the root is on /dev/md126p1, of RAID (md126, raid1): the disks below it are not copied"},
		"multipath": {func(f *fake) {
			f.device("virtual/block/dm-3", "252:3", "dm/name=mpatha-part1", "dm/uuid=part1-mpath-3600")
			f.mount("252:3 / / rw - ext4 /dev/mapper/mpatha-part1 rw")
		}, "the root is on multipath (dm-3, mpatha-part1): the disks below it are not copied"},
		"a slave that is itself": {func(f *fake) {
			f.device("virtual/block/dm-3", "252:3", "dm/name=x", "dm/uuid=DMRAID-1")
			f.link("devices/virtual/block/dm-3/slaves/dm-3", "virtual/block/dm-3")
			f.mount("252:3 / / rw - ext4 /dev/mapper/x rw")
		}, "firmware RAID (dm-3, x) on firmware RAID"},
		"whole disk": {func(f *fake) {
			f.disk("sda", 16, image)
			f.mount("8:16 / / rw - ext4 /dev/sda rw")
		}, "the root is on /dev/sda: it has no partition table"},
		"name with a slash": {func(f *fake) {
			f.device("pci0/block/cciss!c0d0", "104:0")
			f.mount("104:0 / / rw - ext4 /dev/root rw")
		}, "the root is on /dev/cciss/c0d0: it has no partition table"},
		"ZFS":                   {func(f *fake) { f.mount("0:50 / / rw - zfs rpool/ROOT/debian rw") }, "the root is on ZFS (rpool/ROOT/debian)"},
		"overlay":               {func(f *fake) { f.mount("0:50 / / rw - overlay overlay rw,lowerdir=/a") }, "the root is an overlay"},
		"tmpfs":                 {func(f *fake) { f.mount("0:50 / / rw - tmpfs tmpfs rw") }, "the root is in memory (tmpfs)"},
		"NFS":                   {func(f *fake) { f.mount("0:50 / / rw - nfs4 host:/export rw") }, "the root is a nfs4 (host:/export) without a block device"},
		"a directory":           {func(f *fake) { f.mount("8:17 /srv/tree / rw - ext4 /dev/sda1 rw") }, "is a directory of the ext4 on /dev/sda1, not its root"},
		"a directory of btrfs":  {func(f *fake) { f.mount("0:50 /srv/tree / rw - btrfs /dev/sda1 rw") }, "is a directory of the btrfs on /dev/sda1, not its root"},
		"not in sysfs":          {func(f *fake) { f.mount("8:17 / / rw - ext4 /dev/sda1 rw") }, "the device 8:17 of the root is not known"},
		"not in the table":      {func(*fake) {}, "the mount table does not show what the root lies on"},
		"btrfs without devices": {func(f *fake) { f.mount("0:50 / / rw - btrfs /dev/null rw") }, "the device /dev/null of the root is not known: block device required"},
		"not readable": {func(f *fake) {
			f.disk("sda", 16, image)
			f.disks = nil
			f.mount("8:17 / / rw - ext4 /dev/sda1 rw")
		}, "the root is on /dev/sda1, but its disk is not copied: /dev/sda: open 2064: permission denied: only root can read it"},
		"a partition is not readable": {func(f *fake) {
			f.disk("sda", 16, image)
			delete(f.disks, unix.Mkdev(8, 31))
			f.mount("8:17 / / rw - ext4 /dev/sda1 rw")
		}, "the root is on /dev/sda1, but its disk is not copied: /dev/sda: open 2079: permission denied: only root can read it"},
		"no table": {func(f *fake) {
			f.disk("sda", 16, image)
			f.disks[unix.Mkdev(8, 16)] = piece{os.DevNull, 0, 0}
			f.mount("8:17 / / rw - ext4 /dev/sda1 rw")
		}, "the root is on /dev/sda1, but its disk is not copied: /dev/sda: read 512 bytes at 0: EOF"},
		"moved since": {func(f *fake) {
			f.disk("sda", 16, image)
			f.file("pci0/block/sda/sda1/start", "65537")
			f.mount("8:17 / / rw - ext4 /dev/sda1 rw")
		}, "the root is on /dev/sda1, which the partition table of /dev/sda has otherwise or not at all"},
		"grown since": {func(f *fake) {
			f.disk("sda", 16, image)
			f.file("pci0/block/sda/sda1/size", "1000")
			f.mount("8:17 / / rw - ext4 /dev/sda1 rw")
		}, "the root is on /dev/sda1, which the partition table of /dev/sda has otherwise or not at all"},
		"gone since": {func(f *fake) {
			f.disk("sda", 16, image)
			f.device("pci0/block/sda/sda9", "8:25", "partition=9", "start=100", "size=100")
			f.mount("8:25 / / rw - ext4 /dev/sda9 rw")
		}, "the root is on /dev/sda9, which the partition table of /dev/sda has otherwise or not at all"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c.make(f)
			if m := f.of(); !strings.Contains(m.Why, c.want) || m.Disk != nil {
				t.Errorf("why %q", m.Why)
			}
		})
	}
}

// TestOfNotes has machines whose disk is told, with what is odd about them.
func TestOfNotes(t *testing.T) {
	image := cloudImage(t)
	for name, c := range map[string]struct {
		more func(f *fake)
		want string // of the notes
		esp  int    // indexes
		boot int
	}{
		"plain": {func(*fake) {}, "[]", 2, -1},
		"boot on another disk": {func(f *fake) {
			f.disk("sdb", 64, image)
			f.mount("8:80 / /boot rw - ext4 /dev/sdb16 rw")
		}, "[/boot is on /dev/sdb16, not on the disk of the root, which may not start without it]", 2, -1},
		"boot on another disk's btrfs": {func(f *fake) { f.mount("0:70 /@boot /boot rw - btrfs /dev/sdb1 rw") },
			"[/boot is on /dev/sdb1, not on the disk of the root, which may not start without it]", 2, -1},
		"boot is a btrfs": {func(f *fake) { f.mount("0:70 /@boot /boot rw - btrfs /dev/sda16 rw") }, "[]", 2, 3},
		"hidden boot": {func(f *fake) {
			f.mount("8:32 / /boot rw - ext4 /dev/sda16 rw")
			f.mount("0:60 / /boot rw - tmpfs tmpfs rw")
		}, "[]", 2, -1},
		"automount": {func(f *fake) {
			f.mount("0:60 / /boot rw - autofs systemd-1 rw")
			f.mount("8:32 / /boot rw - ext4 /dev/sda16 rw")
		}, "[]", 2, 3},
		"automount, asleep":      {func(f *fake) { f.mount("0:60 / /boot rw - autofs systemd-1 rw") }, "[]", 2, -1},
		"ESP at /boot":           {func(f *fake) { f.mount("8:31 / /boot rw - vfat /dev/sda15 rw") }, "[]", 2, -1},
		"ESP at /efi":            {func(f *fake) { f.mount("8:31 / /efi rw - vfat /dev/sda15 rw") }, "[]", 2, -1},
		"a directory of root":    {func(f *fake) { f.mount("8:17 /x /boot rw - ext4 /dev/sda1 rw") }, "[]", 2, -1},
		"a directory of another": {func(f *fake) { f.mount("8:32 /x /boot rw - ext4 /dev/sda16 rw") }, "[]", 2, -1},
		"a new partition": {func(f *fake) {
			f.device("pci0/block/sda/sda9", "8:25", "partition=9", "start=100", "size=100")
		}, "[the kernel has /dev/sda9, and the partition table has not: it was changed after the machine started]", 2, -1},
		"not in the kernel": {func(f *fake) {
			if err := os.RemoveAll(filepath.Join(f.sys, "devices/pci0/block/sda/sda16")); err != nil {
				f.t.Fatal(err)
			}
		}, "[the kernel does not have partition 16 of /dev/sda as the table: it was changed after the machine started]", 2, -1},
		"a moved partition": {func(f *fake) { f.file("pci0/block/sda/sda16/start", "1") },
			"[the kernel does not have partition 16 of /dev/sda as the table: it was changed after the machine started]", 2, -1},
		"a damaged table": {func(f *fake) {
			f.disks[unix.Mkdev(8, 16)] = piece{damaged(f.t, image), 0, 96 << 20}
		}, "[the first GPT is damaged (sector 1 has no header); its backup was read: sgdisk -e repairs it]", 2, -1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.disk("sda", 16, image)
			f.mount("8:17 / / rw - ext4 /dev/sda1 rw")
			c.more(f)
			m := f.of()
			if m.Disk == nil {
				t.Fatal(m.Why)
			}
			if got := fmt.Sprint(m.Notes); got != c.want || m.Disk.ESP != c.esp || m.Disk.Boot != c.boot || m.Disk.Root != 0 {
				t.Errorf("%s; ESP %d, boot %d, root %d", got, m.Disk.ESP, m.Disk.Boot, m.Disk.Root)
			}
		})
	}
}

// damaged returns a copy of a disk without its first GPT header.
func damaged(t *testing.T, image string) string {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[512:1024])
	name := filepath.Join(t.TempDir(), "damaged")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestOfDOS has logical partitions, whose extended one the kernel shows as two
// sectors, and an ESP that its type does not tell.
func TestOfDOS(t *testing.T) {
	imgtest.NeedTool(t, "sfdisk")
	image := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 64<<20)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sfdisk", "-q", image)
	cmd.Stdin = strings.NewReader("label: dos\nunit: sectors\n\n2048,8192,c\n32768,,5\n34816,20480,83\n65536,20480,83\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	imgtest.Run(t, "mkfs.vfat", "--offset", "2048", image, "4096")
	imgtest.Run(t, "mkfs.ext4", "-q", "-L", "root", "-E", "offset=33554432", image, "10M")
	f := newFake(t)
	f.disk("vda", 32, image)
	f.mount("8:38 / / rw - ext4 /dev/vda6 rw")
	f.mount("8:33 / /boot/efi rw - vfat /dev/vda1 rw")
	f.mount("8:37 / /home rw - ext4 /dev/vda5 rw")
	f.mount("8:37 / /a rw - ext4 /dev/vda5 rw")
	m := f.of()
	if m.Disk == nil || len(m.Notes) != 0 {
		t.Fatalf("%q %q", m.Why, m.Notes)
	}
	if d := m.Disk; d.Root != 3 || d.ESP != 0 || d.Boot != -1 || d.Partitions[2].MountPoint != "/a" || d.Partitions[1].Device != "/dev/vda2" || m.Root.Label != "root" {
		t.Errorf("%+v, %+v", d, m.Root)
	}
}
