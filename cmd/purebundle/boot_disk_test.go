//go:build boot

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purebundle/chunk/ebs/ebstest"
	"purebundle/ext2img/imgtest"
)

// Firmware that starts by UEFI, and its memory.
const (
	ovmfCode = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	ovmfVars = "/usr/share/OVMF/OVMF_VARS_4M.fd"
)

// The disk of the source machine, as Debian's cloud images have it, in sectors.
const (
	biosStart, biosSize = 2048, 6144
	espStart, espSize   = 8192, 253952
	rootStart           = 262144
	espSerial           = "1A2B3C4D"
	espUUID             = "1A2B-3C4D" // as the kernel spells it
)

// absentLine is of a disk that does not come along: with it as it is, systemd waits 90 s
// and stops in emergency mode.
const absentLine = "UUID=0a0b0c0d-0102-4304-8506-0708090a0b0c /srv/data ext4 defaults 0 2"

// TestBootDisk boots a machine from a disk of its own, has it bundle that disk as it
// runs, and boots what comes of it: by SeaBIOS as virtio and, if the disk has what it
// takes, by OVMF as NVMe drive.
func TestBootDisk(t *testing.T) {
	needBootTools(t)
	ctx, cancel := context.WithTimeout(t.Context(), 75*time.Minute)
	defer cancel()
	for _, l := range []diskLayout{debianGPT, debianDOS, ubuntuGPT, debian13()} {
		t.Run(l.name, func(t *testing.T) { bootDisk(ctx, t, l) })
	}
}

func bootDisk(ctx context.Context, t *testing.T, l diskLayout) {
	work := t.TempDir()
	src := newDiskSource(ctx, t, l, suiteTree(ctx, t, l.suite), work)
	data := newDataDisk(t, filepath.Join(work, "data"))
	m := start(ctx, t, l.name+"-source", virtio(src.disk, data)...)
	t.Logf("source: login prompt after %.0f s", m.login(src.password).Seconds())
	checkDisk(m, src)
	id := m.run("cat /etc/machine-id")
	m.run("mount /dev/vdb /mnt && cp /mnt/sshd-keygen.service /etc/systemd/system && systemctl enable sshd-keygen")
	m.run("mkdir -p " + chrootProc + " && mount -n --bind /proc " + chrootProc)
	m.run("echo '" + absentLine + "' >> /etc/fstab")
	t.Logf("source: %s", m.run("/mnt/purebundle bundle --disk --progress none / /mnt/out 2>&1"))
	m.run("umount " + chrootProc + " /mnt")
	m.poweroff()

	out := secondBundle(t, data, filepath.Join(work, "out"))
	disk := filepath.Join(work, "disk")
	mustCall(t, "unbundle", "-q", out, disk)
	l.judge(t, src.disk, disk)
	if l.snapshot {
		disk = poisoned(t, out)
		l.judge(t, src.disk, disk)
	}

	size := 3 * fileSize(t, disk)
	grow(t, disk, size)
	m = start(ctx, t, l.name+"-BIOS", virtio(disk, data)...)
	t.Logf("BIOS: login prompt after %.0f s", m.login(src.password).Seconds())
	checkDisk(m, src)
	if got := m.run("cat /etc/machine-id"); got == id || len(got) != len(id) {
		t.Errorf("machine-id %q; the source's is %q", got, id)
	}
	m.run("grep -qxF '" + absentLine + "' /etc/fstab.purebundle-old && ! grep -qxF '" + absentLine + "' /etc/fstab")
	m.run("growpart /dev/vda 1")
	checkGrowth(m, size-startOfRoot(t, out))
	m.reboot()
	t.Logf("BIOS: login prompt %.0f s after reboot", m.login(src.password).Seconds())
	checkDisk(m, src)
	bundleAgain(m, "/dev/vdb")
	m.poweroff()
	sameAgain(t, work, disk, data)
	if !l.uefi {
		return
	}

	m = start(ctx, t, l.name+"-UEFI", uefi(t, work, disk)...)
	t.Logf("UEFI: login prompt after %.0f s", m.login(src.password).Seconds())
	checkDisk(m, src)
	m.run("test -d /sys/firmware/efi && test -b /dev/nvme0n1p1")
	m.poweroff()
}

// poisoned puts the disk of a bundle into an encrypted snapshot, and returns a volume made of
// it, in which each block that was never put is random.
func poisoned(t *testing.T, out string) string {
	t.Helper()
	s := ebstest.Start(t)
	s.Encrypt = true
	s.Setenv(t)
	mustCall(t, "upload", "-q", out, "ebs:")
	made := s.Snapshots()
	size := bootManifest(t, out).Image.Size
	if all := size / ebstest.BlockSize; len(made) != 1 || !made[0].Encrypted || int64(made[0].Blocks) > all*9/10 {
		t.Fatalf("of %d blocks, in EBS are %+v", all, made)
	}
	return s.File(t, made[0].ID, size)
}

// startOfRoot returns where a bundle's root partition begins, in bytes.
func startOfRoot(t *testing.T, out string) int64 {
	t.Helper()
	for _, p := range bootManifest(t, out).Disk.Partitions {
		if p.Root {
			return p.Start
		}
	}
	t.Fatal("no root partition in the manifest")
	return 0
}

// diskLayout is how the disk of a source machine is divided.
type diskLayout struct {
	name      string
	uefi      bool
	suite     string // of Debian; "": the machine's
	rootStart int64  // sectors
	core      int64  // sector of GRUB's core.img
	boot      int64  // sector of a /boot of its own; 0: it is part of root
	snapshot  bool   // what was made goes through an encrypted snapshot before it is started
	grub      string
	divide    func(t *testing.T, disk string, root int64) // root is the size of its partition, in sectors
	judge     func(t *testing.T, source, disk string)
}

// debianGPT is the disk of Debian's cloud images.
var debianGPT = diskLayout{
	name: "GPT", uefi: true, rootStart: rootStart, core: biosStart, snapshot: true,
	grub: "-p '(,gpt1)/boot/grub' biosdisk part_gpt ext2",
	divide: func(t *testing.T, disk string, root int64) {
		imgtest.Run(t, "sgdisk", disk,
			"-n", fmt.Sprintf("14:%d:+%d", biosStart, biosSize), "-t", "14:ef02",
			"-n", fmt.Sprintf("15:%d:+%d", espStart, espSize), "-t", "15:ef00", "-c", "15:ESP",
			"-n", fmt.Sprintf("1:%d:+%d", rootStart, root), "-t", "1:8304", "-c", "1:root")
	},
	judge: func(t *testing.T, source, disk string) {
		if verify := imgtest.Run(t, "sgdisk", "-v", disk); !strings.Contains(verify, "No problems found") {
			t.Error(verify)
		}
		sameESPs(t, source, disk)
	},
}

// debian13 is the same disk with a newer Debian.
func debian13() diskLayout {
	l := debianGPT
	l.name, l.suite, l.snapshot = "Debian-13", "trixie", false
	return l
}

// debianDOS is the disk of a small virtual server: one partition, GRUB before it.
var debianDOS = diskLayout{
	name: "DOS", rootStart: 2048, core: 1,
	grub: "-p '(,msdos1)/boot/grub' biosdisk part_msdos ext2",
	divide: func(t *testing.T, disk string, root int64) {
		imgtest.Run(t, "sh", "-c", fmt.Sprintf("echo 'label: dos\nlabel-id: 0x1a2b3c4d\nstart=2048, size=%d, type=83, bootable' | sfdisk -q %s", root, disk))
	},
	judge: func(t *testing.T, _, disk string) {
		if verify := imgtest.Run(t, "sfdisk", "--verify", disk); !strings.Contains(verify, "No errors detected") {
			t.Error(verify)
		}
		if dump := imgtest.Run(t, "sfdisk", "--dump", disk); !strings.Contains(dump, "label-id: 0x1a2b3c4d") {
			t.Error(dump)
		}
	},
}

// ubuntuGPT is the disk of Ubuntu's cloud images, with a /boot of its own.
var ubuntuGPT = diskLayout{
	name: "Ubuntu", uefi: true, rootStart: rootStart + bootSize, core: biosStart, boot: rootStart,
	grub: "-p '(,gpt16)/grub' biosdisk part_gpt ext2",
	divide: func(t *testing.T, disk string, root int64) {
		debianGPT.divide(t, disk, root)
		imgtest.Run(t, "sgdisk", disk, "-d", "1",
			"-n", fmt.Sprintf("16:%d:+%d", rootStart, bootSize), "-t", "16:ea00", "-c", "16:boot",
			"-n", fmt.Sprintf("1:%d:+%d", rootStart+bootSize, root), "-t", "1:8304", "-c", "1:root")
	},
	judge: debianGPT.judge,
}

// Size of a /boot of its own, in sectors, and its UUID.
const (
	bootSize = 512 << 11
	bootUUID = "2b4e28ba-2fa1-11d2-883f-0016d3cca427"
)

// split moves a tree's /boot into a file system of its own, and returns its image.
func (s *diskSource) split(t *testing.T, work string) string {
	t.Helper()
	boot := filepath.Join(work, "boot")
	grow(t, boot, bootSize*512)
	imgtest.Run(t, "mke2fs", "-q", "-t", "ext4", "-U", bootUUID, "-L", "BOOT", "-d", s.dir+"/boot", boot)
	imgtest.Run(t, "sh", "-c", "rm -rf "+s.dir+"/boot/* && echo 'LABEL=BOOT /boot ext4 defaults 0 2' >> "+s.dir+"/etc/fstab")
	return boot
}

// diskSource is a machine on a disk of its own.
type diskSource struct {
	bootSource
	layout diskLayout
	disk   string
}

// newDiskSource makes the disk of a machine, with GRUB for BIOS, and for UEFI shim and
// GRUB as Debian has signed them.
func newDiskSource(ctx context.Context, t *testing.T, l diskLayout, archive, work string) diskSource {
	t.Helper()
	root := filepath.Join(work, "root")
	s := diskSource{bootSource: newBootSource(ctx, t, archive, root), layout: l, disk: filepath.Join(work, "source")}
	unmountBelow(t, s.dir+chrootProc)
	kernels, kernelsID := "/boot", s.uuid // the directory as GRUB sees it, and the file system
	if l.boot > 0 {
		kernels, kernelsID = "", bootUUID
	}
	inTree(ctx, t, s.dir, `set -e
mkdir -p /boot/grub /boot/efi
cp -r /usr/lib/grub/i386-pc /boot/grub/
grub-mkimage -O i386-pc -o /boot/grub/i386-pc/core.img `+l.grub+`
ln -sf "$(cd /boot && ls vmlinuz-*)" /boot/vmlinuz
ln -sf "$(cd /boot && ls initrd.img-*)" /boot/initrd.img
cat > /boot/grub/grub.cfg <<'EOF'
set timeout=0
menuentry Debian {
  search --no-floppy --fs-uuid --set=root `+kernelsID+`
  linux `+kernels+`/vmlinuz `+kernelArgs(s.uuid)+`
  initrd `+kernels+`/initrd.img
}
EOF`, "")
	if l.uefi {
		inTree(ctx, t, s.dir, "echo 'UUID="+espUUID+" /boot/efi vfat umask=0077 0 1' >> /etc/fstab", "")
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(s.dir + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	bootImg, core := read("/usr/lib/grub/i386-pc/boot.img"), read("/boot/grub/i386-pc/core.img")
	esp := newESP(t, work, map[string][]byte{
		"EFI/BOOT/BOOTX64.EFI": read("/usr/lib/shim/shimx64.efi.signed"),
		"EFI/BOOT/grubx64.efi": read("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"),
		"EFI/debian/grub.cfg":  []byte("search.fs_uuid " + kernelsID + " root\nset prefix=($root)" + kernels + "/grub\nconfigfile $prefix/grub.cfg\n"),
	})
	boot := ""
	if l.boot > 0 {
		boot = s.split(t, work)
	}
	imgtest.Unmount(t, s.dir)

	grow(t, s.disk, l.rootStart*512+fileSize(t, root)+1<<20)
	l.divide(t, s.disk, fileSize(t, root)/512)
	if l.uefi {
		copyTo(t, esp, s.disk, espStart*512)
	}
	if l.boot > 0 {
		copyTo(t, boot, s.disk, l.boot*512)
	}
	copyTo(t, root, s.disk, l.rootStart*512)

	// What grub-bios-setup does: boot.img knows where core.img is, and its first sector
	// where the others are.
	binary.LittleEndian.PutUint64(bootImg[0x5c:], uint64(l.core))
	core = append(core, make([]byte, -len(core)&511)...)
	binary.LittleEndian.PutUint64(core[0x1f4:], uint64(l.core)+1)
	binary.LittleEndian.PutUint16(core[0x1fc:], uint16(len(core)/512-1))
	writeAt(t, s.disk, bootImg[:440], 0)
	writeAt(t, s.disk, core, l.core*512)
	return s
}

// newESP makes an EFI system partition with these files.
func newESP(t *testing.T, work string, files map[string][]byte) string {
	t.Helper()
	esp := filepath.Join(work, "esp")
	grow(t, esp, espSize*512)
	imgtest.Run(t, "mkfs.vfat", "-n", "UEFI", "-i", espSerial, esp)
	imgtest.Run(t, "mmd", "-i", esp, "::EFI", "::EFI/BOOT", "::EFI/debian")
	for name, content := range files {
		file := filepath.Join(work, "file")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		imgtest.Run(t, "mcopy", "-i", esp, file, "::"+name)
	}
	return esp
}

// copyTo copies a file to a place of another.
func copyTo(t *testing.T, from, to string, off int64) {
	t.Helper()
	imgtest.Run(t, "dd", "if="+from, "of="+to, "bs=1M", "oflag=seek_bytes", fmt.Sprint("seek=", off), "conv=notrunc,sparse", "status=none")
}

func writeAt(t *testing.T, name string, b []byte, off int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// checkDisk checks that a machine runs from a disk as the source's is.
func checkDisk(m *vm, src diskSource) {
	m.t.Helper()
	checkBooted(m, src.uuid)
	if !src.layout.uefi {
		return
	}
	if got := m.run("findmnt -rno UUID,FSTYPE /boot/efi"); got != espUUID+" vfat\n" {
		m.t.Errorf("%s: /boot/efi is %q", m.name, got)
	}
	if src.layout.boot > 0 {
		if got := m.run("findmnt -rno UUID,LABEL,FSTYPE /boot"); got != bootUUID+" BOOT ext4\n" {
			m.t.Errorf("%s: /boot is %q", m.name, got)
		}
		m.run("test -s /boot/vmlinuz && test -s /boot/initrd.img")
	}
	m.run("cmp /boot/efi/EFI/BOOT/BOOTX64.EFI /usr/lib/shim/shimx64.efi.signed")
}

// sameESPs compares the EFI system partitions of two disks by mtools.
func sameESPs(t *testing.T, want, got string) {
	t.Helper()
	at := fmt.Sprint("@@", espStart*512)
	list := func(disk string) []byte { return []byte(imgtest.Run(t, "mdir", "-/", "-b", "-i", disk+at, "::")) }
	if a, b := list(want), list(got); !bytes.Equal(a, b) || !bytes.Contains(a, []byte("BOOTX64.EFI")) {
		t.Errorf("%s\nwant\n%s", b, a)
	}
}
