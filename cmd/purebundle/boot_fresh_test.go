//go:build boot

package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"purebundle/ext2img/imgtest"
)

// Firmware that enforces Secure Boot, and its memory with Microsoft's keys enrolled.
const (
	ovmfSecureCode = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
	ovmfSecureVars = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
)

// TestBootFresh makes a disk of a tree that has never been on one, as debootstrap leaves
// it: no fstab, no boot loader installed. It starts by UEFI with Secure Boot enforced.
func TestBootFresh(t *testing.T) {
	needBootTools(t)
	ctx, cancel := context.WithTimeout(t.Context(), 38*time.Minute)
	defer cancel()
	work := t.TempDir()
	src := bootSource{dir: subdir(t, work, "tree"), uuid: uuid.NewString(), password: "purebundle"}
	src.unpack(ctx, t, debianTree(ctx, t), "")
	out, disk := src.freshDisk(t, work)
	size := 3 * fileSize(t, disk)
	grow(t, disk, size)
	m := start(ctx, t, "fresh", secureBoot(t, work, disk)...)
	t.Logf("Secure Boot: login prompt after %.0f s", m.login(src.password).Seconds())
	m.try("dmesg -n 1") // the kernel's messages would end up between ours
	checkSecure(m)
	checkBooted(m, src.uuid)
	if got := m.run("findmnt -rno FSTYPE,LABEL /boot/efi"); got != "vfat ESP\n" {
		t.Errorf("/boot/efi is %q", got)
	}
	if id := m.run("cat /etc/machine-id"); id == src.machineID || len(id) != len(src.machineID) {
		t.Errorf("machine-id %q; the source's is %q", id, src.machineID)
	}
	m.run("growpart /dev/nvme0n1 1")
	checkGrowth(m, size-startOfRoot(t, out))
	m.poweroff() // and no reboot: this firmware, emulated, does not come back from a reset
	m = start(ctx, t, "fresh-again", secureBoot(t, work, disk)...)
	t.Logf("Secure Boot: login prompt after %.0f s once more", m.login(src.password).Seconds())
	m.try("dmesg -n 1") // the kernel's messages would end up between ours
	checkSecure(m)
	checkBooted(m, src.uuid)
	m.poweroff()
}

// freshDisk makes a disk of a tree, below work.
func (s *bootSource) freshDisk(t *testing.T, work string) (out, disk string) {
	t.Helper()
	out, disk = filepath.Join(work, "out"), filepath.Join(work, "disk")
	mustCall(t, "bundle", "--disk", "--progress", "none", "--uuid", s.uuid, "--label", bootHost, s.dir, out)
	mustCall(t, "unbundle", "-q", out, disk)
	if verify := imgtest.Run(t, "sgdisk", "-v", disk); !strings.Contains(verify, "No problems found") {
		t.Error(verify)
	}
	esp := filepath.Join(work, "esp")
	imgtest.Run(t, "dd", "if="+disk, "of="+esp, "bs=1M", "skip=1", "count=127", "status=none")
	imgtest.Run(t, "fsck.vfat", "-n", esp)
	return out, disk
}

// TestBootSystemdBoot makes a disk of a tree that has systemd-boot and no GRUB for EFI: its
// kernel and initrd are in the EFI system partition.
func TestBootSystemdBoot(t *testing.T) {
	needBootTools(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	work := t.TempDir()
	src := bootSource{dir: subdir(t, work, "tree"), uuid: uuid.NewString(), password: "purebundle"}
	src.unpack(ctx, t, debianTree(ctx, t), "")
	packages := exec.CommandContext(ctx, "apt-get", "-q", "download", "systemd-boot-efi")
	packages.Dir = subdir(t, work, "packages")
	outputOf(t, packages)
	imgtest.Run(t, "sh", "-c", "dpkg-deb -x "+packages.Dir+"/*.deb "+src.dir+" && rm -r "+src.dir+"/usr/lib/grub/x86_64-efi* "+src.dir+"/usr/lib/shim")
	_, disk := src.freshDisk(t, work)
	m := start(ctx, t, "systemd-boot", uefi(t, work, disk)...)
	t.Logf("systemd-boot: login prompt after %.0f s", m.login(src.password).Seconds())
	m.try("dmesg -n 1") // the kernel's messages would end up between ours
	checkBooted(m, src.uuid)
	m.run("tr -d '\\0' < /sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f | grep -q systemd-boot")
	m.run("! grep -q BOOT_IMAGE /proc/cmdline") // which is GRUB's
	m.poweroff()
}

// secureBoot returns the arguments for a machine that starts a disk, an NVMe drive, by
// firmware that starts nothing unsigned.
func secureBoot(t *testing.T, work, disk string) []string {
	t.Helper()
	vars := filepath.Join(work, "vars")
	imgtest.Run(t, "cp", ovmfSecureVars, vars)
	return []string{"-machine", "smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on",
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + ovmfSecureCode, "-drive", "if=pflash,unit=1,format=raw,file=" + vars,
		"-drive", "if=none,id=disk,file=" + disk + drive, "-device", "nvme,drive=disk,serial=purebundle"}
}

// checkSecure checks that firmware and kernel both say that Secure Boot is on.
func checkSecure(m *vm) {
	m.t.Helper()
	const global = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
	for name, want := range map[string]int{"SecureBoot": 1, "SetupMode": 0} {
		if got := m.run("od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/" + name + "-" + global); strings.TrimSpace(got) != fmt.Sprint(want) {
			m.t.Errorf("%s: %s is %q", m.name, name, got)
		}
	}
	m.run("dmesg | grep -q 'secureboot: Secure boot enabled' && grep -q '\\[integrity\\]' /sys/kernel/security/lockdown")
}
