//go:build boot

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"purebundle/ext2img/imgtest"
)

// conversion is a machine whose root is no ext4. It starts by UEFI.
type conversion struct {
	name     string
	mkfs     func(uuid string) []string
	subvol   string // of a btrfs, "@"
	fstab    string // options of root
	kernel   string // options of the kernel
	esp      [2]int // start and size, in sectors
	fat      string
	root     int // start, in sectors
	rootSize int64
	divide   func(sectors int64) []string // arguments of sgdisk for a root of so many
	inside   string                       // is run in the machine before the bundle is made
}

// amazonXFS is the disk of Amazon Linux 2023: the ESP of 10 MiB is a FAT12, and has room
// for one GRUB.
var amazonXFS = conversion{
	name: "XFS", mkfs: func(uuid string) []string { return []string{"-q", "-m", "uuid=" + uuid} }, fstab: "defaults,noatime,inode64", kernel: "rootfstype=xfs rootflags=inode64",
	esp: [2]int{2048, 20480}, fat: "12", root: 24576, rootSize: 1600 << 20,
	divide: func(sectors int64) []string {
		return []string{"-n", "128:2048:+20480", "-t", "128:ef00", "-c", "128:EFI System Partition", "-n", "127:22528:+2048", "-t", "127:ef02", "-c", "127:BIOS Boot Partition",
			"-n", fmt.Sprintf("1:24576:+%d", sectors), "-t", "1:8304", "-c", "1:Linux"}
	},
}

// subvolumeBtrfs has its root in the subvolume @, and what NVRAM names on its ESP: the
// fallback is taken away.
var subvolumeBtrfs = conversion{
	name: "btrfs", mkfs: func(uuid string) []string { return []string{"-q", "-L", bootHost, "-U", uuid} }, subvol: "@", fstab: "defaults,subvol=@,compress=zstd", kernel: "rootflags=subvol=@",
	esp: [2]int{2048, 253952}, fat: "16", root: 262144, rootSize: 1600 << 20,
	divide: func(sectors int64) []string {
		return []string{"-n", "1:2048:+253952", "-t", "1:ef00", "-n", fmt.Sprintf("2:262144:+%d", sectors), "-t", "2:8304", "-c", "2:root"}
	},
	inside: "test -f /boot/efi/EFI/debian/shimx64.efi && rm -r /boot/efi/EFI/BOOT && sync",
}

// TestBootConvert boots machines whose root is an XFS or a btrfs by UEFI, has them bundle
// their disks as they run, and boots what comes of it: an ext4 that is found by the same
// UUID.
func TestBootConvert(t *testing.T) {
	needBootTools(t)
	ctx, cancel := context.WithTimeout(t.Context(), 75*time.Minute)
	defer cancel()
	for _, c := range []conversion{amazonXFS, subvolumeBtrfs} {
		t.Run(c.name, func(t *testing.T) { c.run(ctx, t) })
	}
}

func (c conversion) run(ctx context.Context, t *testing.T) {
	work := t.TempDir()
	src, disk := c.source(ctx, t, work)
	data := newDataDisk(t, filepath.Join(work, "data"))
	m := start(ctx, t, c.name+"-source", append(uefi(t, work, disk), virtio(data)...)...)
	t.Logf("source: login prompt after %.0f s", m.login(src.password).Seconds())
	if got := m.run("findmnt -rno FSTYPE,UUID /"); got != strings.ToLower(c.name)+" "+src.uuid+"\n" {
		t.Errorf("the source's root is %q", got)
	}
	m.run("mount /dev/vda /mnt && mkdir -p " + chrootProc + " && mount -n --bind /proc " + chrootProc)
	if c.inside != "" {
		m.run(c.inside)
	}
	t.Logf("source: %s", m.run("/mnt/purebundle bundle --disk --label "+bootHost+" --progress none / /mnt/out 2>&1"))
	m.run("umount " + chrootProc + " /mnt")
	m.poweroff()

	mounted := imgtest.MountRW(t, data)
	out := filepath.Join(work, "out")
	imgtest.Run(t, "cp", "-a", "--sparse=always", mounted+"/out", out)
	imgtest.Unmount(t, mounted)
	mustCall(t, "verify", "-q", "--deep", out)
	made := filepath.Join(work, "made")
	mustCall(t, "unbundle", "-q", out, made)
	if verify := imgtest.Run(t, "sgdisk", "-v", made); !strings.Contains(verify, "No problems found") {
		t.Error(verify)
	}
	esp := filepath.Join(work, "esp-made")
	imgtest.Run(t, "dd", "if="+made, "of="+esp, "bs=512", fmt.Sprint("skip=", c.esp[0]), fmt.Sprint("count=", c.esp[1]), "status=none")
	imgtest.Run(t, "fsck.vfat", "-n", esp)

	size := 3 * fileSize(t, made)
	grow(t, made, size)
	m = start(ctx, t, c.name+"-made", append(uefi(t, work, made), virtio(data)...)...)
	t.Logf("made: login prompt after %.0f s", m.login(src.password).Seconds())
	checkBooted(m, src.uuid)
	if got := m.run("findmnt -rno UUID,FSTYPE /boot/efi"); got != espUUID+" vfat\n" {
		t.Errorf("/boot/efi is %q", got)
	}
	m.run("grep -q ' " + strings.ToLower(c.name) + " ' /etc/fstab.purebundle-old && ! grep -E '^[^#].*" + strings.ToLower(c.name) + "' /etc/fstab")
	number := rootNumber(t, out)
	m.run(fmt.Sprint("growpart /dev/nvme0n1 ", number))
	checkGrowth(m, size-startOfRoot(t, out))
	bundleAgain(m, "/dev/vda")
	m.poweroff()
	m = start(ctx, t, c.name+"-again", uefi(t, work, made)...)
	t.Logf("made: login prompt after %.0f s once more", m.login(src.password).Seconds())
	checkBooted(m, src.uuid)
	m.poweroff()
	sameAgain(t, work, made, data)
}

// rootNumber returns the number of a bundle's root partition.
func rootNumber(t *testing.T, out string) int {
	t.Helper()
	for _, p := range bootManifest(t, out).Disk.Partitions {
		if p.Root {
			return p.Number
		}
	}
	t.Fatal("no root partition in the manifest")
	return 0
}

// uefi returns the arguments for a machine that starts a disk, an NVMe drive, by UEFI. Its
// firmware remembers nothing.
func uefi(t *testing.T, work, disk string) []string {
	t.Helper()
	vars := filepath.Join(work, "vars-"+filepath.Base(disk))
	imgtest.Run(t, "cp", ovmfVars, vars)
	return []string{"-drive", "if=pflash,format=raw,readonly=on,file=" + ovmfCode, "-drive", "if=pflash,format=raw,file=" + vars,
		"-drive", "if=none,id=disk,file=" + disk + drive, "-device", "nvme,drive=disk,serial=purebundle"}
}

// source makes the disk of the machine.
func (c conversion) source(ctx context.Context, t *testing.T, work string) (bootSource, string) {
	t.Helper()
	src := bootSource{uuid: uuid.NewString(), password: "purebundle"}
	root, disk := filepath.Join(work, "root"), filepath.Join(work, "source")
	grow(t, root, c.rootSize)
	imgtest.Run(t, "mkfs."+strings.ToLower(c.name), append(c.mkfs(src.uuid), root)...)
	src.dir = t.TempDir()
	mount := func(options string) {
		imgtest.Run(t, "mount", "-o", "loop"+options, root, src.dir)
		t.Cleanup(func() { unmountBelow(t, src.dir) })
	}
	prefix := ""
	mount("")
	if c.subvol != "" {
		imgtest.Run(t, "btrfs", "subvolume", "create", filepath.Join(src.dir, c.subvol))
		imgtest.Unmount(t, src.dir)
		mount(",compress=zstd:1,subvol=" + c.subvol)
		prefix = "/" + c.subvol
	}
	src.unpack(ctx, t, debianTree(ctx, t), "UUID="+src.uuid+" / "+strings.ToLower(c.name)+" "+c.fstab+" 0 0\nUUID="+espUUID+" /boot/efi vfat umask=0077 0 1\n")
	inTree(ctx, t, src.dir, `set -e
mkdir -p /boot/grub /boot/efi
cat > /boot/grub/grub.cfg <<EOF
set timeout=0
menuentry Debian {
  search --no-floppy --fs-uuid --set=root `+src.uuid+`
  linux `+prefix+`/boot/$(cd /boot && ls vmlinuz-*) `+kernelArgs(src.uuid)+` `+c.kernel+`
  initrd `+prefix+`/boot/$(cd /boot && ls initrd.img-*)
}
EOF`, "")
	c.newESP(t, src, work, prefix)
	unmountBelow(t, src.dir)
	grow(t, disk, int64(c.root)*512+c.rootSize+1<<20)
	imgtest.Run(t, "sgdisk", append([]string{disk}, c.divide(c.rootSize/512)...)...)
	copyTo(t, filepath.Join(work, "esp"), disk, int64(c.esp[0])*512)
	copyTo(t, root, disk, int64(c.root)*512)
	return src, disk
}

// newESP makes the EFI system partition, with the shim and GRUB of the tree: as the
// fallback, and where it has room as the vendor's too.
func (c conversion) newESP(t *testing.T, src bootSource, work, prefix string) {
	t.Helper()
	esp, stub := filepath.Join(work, "esp"), filepath.Join(work, "stub")
	grow(t, esp, int64(c.esp[1])*512)
	imgtest.Run(t, "mkfs.vfat", "-F", c.fat, "-n", "EFI", "-i", espSerial, esp)
	imgtest.Run(t, "mmd", "-i", esp, "::EFI", "::EFI/BOOT", "::EFI/debian")
	text := "search.fs_uuid " + src.uuid + " root\nset prefix=($root)'" + prefix + "/boot/grub'\nconfigfile $prefix/grub.cfg\n"
	if err := os.WriteFile(stub, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "mcopy", "-i", esp, stub, "::EFI/debian/grub.cfg")
	dirs := map[string]string{"EFI/BOOT": "BOOTX64.EFI"}
	if c.fat != "12" {
		dirs["EFI/debian"] = "shimx64.efi"
	}
	for dir, name := range dirs {
		imgtest.Run(t, "mcopy", "-i", esp, src.dir+"/usr/lib/shim/shimx64.efi.signed", "::"+dir+"/"+name)
		imgtest.Run(t, "mcopy", "-i", esp, src.dir+"/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "::"+dir+"/grubx64.efi")
	}
}
