package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// uefiTree makes a tree that has what starts by UEFI, as Debian's packages put it.
func uefiTree(t *testing.T) string {
	t.Helper()
	imgtest.RequireRoot(t)
	for _, tool := range []string{"grub-mkimage", "mtype", "fsck.vfat", "sgdisk"} {
		imgtest.NeedTool(t, tool)
	}
	root := t.TempDir()
	put(t, root, map[string]string{
		"usr/lib/os-release": "ID=debian\n", "etc/hostname": "host\n", "boot/vmlinuz-6.1.0-1-amd64": "kernel", "boot/initrd.img-6.1.0-1-amd64": "initrd",
		"lib/modules/6.1.0-1-amd64/modules.dep": "", "usr/lib/grub/x86_64-efi-signed/x": "", "usr/lib/shim/x": "",
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(root, "bin"), 0o755), os.WriteFile(filepath.Join(root, "bin/sh"), program[:4096], 0o755)); err != nil {
		t.Fatal(err)
	}
	grub := filepath.Join(root, "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")
	imgtest.Run(t, "grub-mkimage", "-O", "x86_64-efi", "-o", grub, "-p", "/EFI/debian", "part_gpt", "ext2", "search_fs_uuid")
	imgtest.Run(t, "cp", grub, filepath.Join(root, "usr/lib/shim/shimx64.efi.signed"))
	return root
}

// TestDiskFresh makes disks of a tree that is on none.
func TestDiskFresh(t *testing.T) {
	root := uefiTree(t)
	const id, other = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "9a93845b-f517-40d6-8cc3-bde11b2b0035"
	for name, c := range map[string]struct {
		files map[string]string
		args  []string
		uuid  string // "": a fresh one
		fstab string // what is in it; @ID@ stands for the UUID, @SERIAL@ for that of the ESP
		stub  string // what is in the ESP's grub.cfg
		kind  string // "vfat" serial: what blkid says
		cfg   string // what is in root's grub.cfg
	}{
		"no fstab": {fstab: "UUID=@ID@ / ext4 errors=remount-ro 0 1\nUUID=@SERIAL@ /boot/efi vfat umask=0077,nofail 0 1\n",
			stub: "  linux ($root)/boot/vmlinuz-6.1.0-1-amd64 root=UUID=@ID@ ro"},
		"its fstab": {files: map[string]string{"etc/fstab": "UUID=" + id + " / ext4 defaults 0 1\nUUID=1A2B-3C4D /boot/efi vfat defaults 0 1\n"}, uuid: id, kind: "1A2B-3C4D",
			fstab: "UUID=@ID@ / ext4 defaults 0 1\nUUID=1A2B-3C4D /boot/efi vfat defaults 0 1\n", stub: "search.fs_uuid @ID@ root\n"},
		"its fstab, another UUID": {files: map[string]string{"etc/fstab": "UUID=" + id + " / ext4 defaults 0 1\n"}, args: []string{"--uuid", other}, uuid: other,
			fstab: "\nUUID=@ID@ / ext4 defaults 0 1\n", stub: "search.fs_uuid @ID@ root\n"},
		"its grub.cfg": {files: map[string]string{"boot/grub/grub.cfg": "search --fs-uuid --set=root " + id + "\n\tlinux\t/boot/vmlinuz-6.1.0-1-amd64 root=UUID=" + id + " ro\n\tinitrd\t/boot/initrd.img-6.1.0-1-amd64\n"}, uuid: id,
			fstab: "UUID=@ID@ / ext4", stub: "set prefix=($root)/boot/grub\n", cfg: "root=UUID=" + id + " ro\n"},
		// Nothing of the old disks is waited for.
		"LVM on LUKS": {files: map[string]string{
			"etc/fstab":          "/dev/mapper/vg-root / ext4 defaults 0 1\n/dev/mapper/vg-swap none swap sw 0 0\n/dev/vg/srv /srv xfs defaults 0 2\n",
			"etc/crypttab":       "crypt UUID=" + other + " none luks\n",
			"boot/grub/grub.cfg": "linux /boot/vmlinuz-6.1.0-1-amd64 root=/dev/mapper/vg-root ro rd.luks.uuid=luks-" + other + " rd.lvm.lv=vg/root rd.lvm.lv=vg/swap resume=/dev/mapper/vg-swap quiet\ninitrd /boot/initrd.img-6.1.0-1-amd64\n",
		}, args: []string{"--disk=fresh"}, fstab: "\nUUID=@ID@ / ext4 defaults 0 1\n", stub: "search.fs_uuid @ID@ root\nset prefix=($root)/boot/grub\n",
			cfg: "linux /boot/vmlinuz-6.1.0-1-amd64 root=UUID=@ID@ ro quiet\n"},
		"RAID": {files: map[string]string{
			"etc/fstab":          "/dev/md0 / ext4 defaults 0 1\n",
			"boot/grub/grub.cfg": "search --fs-uuid --set=root " + id + "\nlinux /boot/vmlinuz-6.1.0-1-amd64 root=/dev/md0 rd.md.uuid=5a:5b ro\ninitrd /boot/initrd.img-6.1.0-1-amd64\n",
		}, args: []string{"--disk=fresh", "--uuid", id}, uuid: id, fstab: "\nUUID=@ID@ / ext4 defaults 0 1\n", stub: "search.fs_uuid @ID@ root\n", cfg: "linux /boot/vmlinuz-6.1.0-1-amd64 root=UUID=@ID@ ro\n"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, file := range []string{"etc/fstab", "etc/crypttab", "boot/grub/grub.cfg"} {
				if err := os.RemoveAll(filepath.Join(root, file)); err != nil {
					t.Fatal(err)
				}
			}
			put(t, root, c.files)
			work := t.TempDir()
			dest, disk, esp := filepath.Join(work, "out"), filepath.Join(work, "disk"), filepath.Join(work, "esp")
			for _, args := range [][]string{append([]string{"bundle", "--disk", "--progress", "none", root, dest}, c.args...), {"verify", "--deep", "-q", dest}, {"unbundle", "-q", dest, disk}} {
				if code, _, stderr := call(args...); code != cli.StatusDone {
					t.Fatalf("%s: status %d\n%s", args[0], code, stderr)
				}
			}
			b, err := chunk.Load(dest, "")
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			m := b.Manifest()
			if c.uuid != "" && m.Image.UUID != c.uuid {
				t.Errorf("UUID %s, want %s", m.Image.UUID, c.uuid)
			}
			if verify := imgtest.Run(t, "sgdisk", "-v", disk); !strings.Contains(verify, "No problems found") {
				t.Error(verify)
			}
			for _, p := range m.Disk.Partitions {
				to := esp
				if p.Root {
					to = disk + ".root"
				}
				imgtest.Run(t, "dd", "if="+disk, "of="+to, "bs=1M", "iflag=skip_bytes,count_bytes", fmt.Sprint("skip=", p.Start), fmt.Sprint("count=", p.Size), "conv=sparse", "status=none")
			}
			imgtest.Fsck(t, disk+".root")
			imgtest.Run(t, "fsck.vfat", "-n", esp)
			serial := strings.TrimSpace(imgtest.Run(t, "blkid", "-p", "-s", "UUID", "-o", "value", esp))
			if c.kind != "" && serial != c.kind {
				t.Errorf("serial %s, want %s", serial, c.kind)
			}
			names := strings.NewReplacer("@ID@", m.Image.UUID, "@SERIAL@", serial)
			mounted := imgtest.Mount(t, disk+".root")
			fstab, err := os.ReadFile(filepath.Join(mounted, "etc/fstab"))
			if want := names.Replace(c.fstab); err != nil || !strings.Contains("\n"+string(fstab), want) {
				t.Errorf("fstab, %v:\n%s\nwant\n%s", err, fstab, want)
			}
			if c.cfg != "" {
				if cfg, err := os.ReadFile(filepath.Join(mounted, "boot/grub/grub.cfg")); err != nil || !strings.Contains(string(cfg), names.Replace(c.cfg)) {
					t.Errorf("grub.cfg, %v:\n%s", err, cfg)
				}
			}
			if c.files["etc/crypttab"] != "" && !strings.Contains(imgtest.Run(t, "cat", filepath.Join(mounted, "etc/crypttab")), "\n#crypt UUID=") {
				t.Error("crypttab has the old disk")
			}
			if stub := imgtest.Run(t, "mtype", "-i", esp, "::EFI/debian/grub.cfg"); !strings.Contains(stub, names.Replace(c.stub)) {
				t.Errorf("grub.cfg of the ESP:\n%s", stub)
			}
			imgtest.Run(t, "mcopy", "-i", esp, "::EFI/BOOT/BOOTX64.EFI", "::EFI/BOOT/grubx64.efi", work)
			imgtest.Run(t, "cmp", filepath.Join(work, "grubx64.efi"), filepath.Join(root, "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"))
			var edits []string
			for _, e := range m.Edits {
				edits = append(edits, string(e.Path))
			}
			if text := strings.Join(edits, " "); !strings.Contains(text, "ESP:/EFI/BOOT/BOOTX64.EFI") || strings.Contains(text, "/etc/fstab") != (name != "its fstab") {
				t.Errorf("edits: %s", text)
			}
		})
	}
}

// TestDiskFreshTwice makes a new disk of one tree twice: with --uuid and --time the bytes
// are the same, and nothing is written beside the bundle.
func TestDiskFreshTwice(t *testing.T) {
	root := uefiTree(t)
	var digests []string
	for range 2 {
		tmp, dest := t.TempDir(), filepath.Join(t.TempDir(), "out")
		t.Setenv("TMPDIR", tmp)
		args := []string{"bundle", "--disk", "--progress", "none", "--uuid", "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "--time", "@1700000000", root, dest}
		if code, _, stderr := call(args...); code != cli.StatusDone {
			t.Fatalf("status %d\n%s", code, stderr)
		}
		text, err := os.ReadFile(filepath.Join(dest, "image.sha256"))
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, string(text))
		others, err := os.ReadDir(tmp)
		if err != nil || len(others) > 0 {
			t.Errorf("%s holds %v, %v", tmp, others, err)
		}
		names, err := os.ReadDir(dest)
		if err != nil || len(names) != strings.Count(string(text), "image.part.")+2 { // and the manifest
			t.Errorf("%s holds %v, %v", dest, names, err)
		}
	}
	if digests[0] != digests[1] || strings.Count(digests[0], "image.part.") < 13 {
		t.Errorf("%s\nthen\n%s", digests[0], digests[1])
	}
}

// TestDiskSystemdBoot makes a disk of a tree that has systemd-boot and no GRUB.
func TestDiskSystemdBoot(t *testing.T) {
	root := uefiTree(t)
	loader := filepath.Join(root, "usr/lib/systemd/boot/efi/systemd-bootx64.efi")
	grub := filepath.Join(root, "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")
	program, err := os.ReadFile(grub)
	program = bytes.Replace(program, []byte("mods\x00\x00\x00\x00"), []byte("none\x00\x00\x00\x00"), 1) // the section by which a GRUB is known
	if err := errors.Join(err, os.MkdirAll(filepath.Dir(loader), 0o755), os.WriteFile(loader, program, 0o644), os.Remove(grub)); err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	dest, disk, esp := filepath.Join(work, "out"), filepath.Join(work, "disk"), filepath.Join(work, "esp")
	for _, args := range [][]string{{"bundle", "--disk", "--progress", "none", root, dest}, {"unbundle", "-q", dest, disk}} {
		if code, _, stderr := call(args...); code != cli.StatusDone {
			t.Fatalf("%s: status %d\n%s", args[0], code, stderr)
		}
	}
	b, err := chunk.Load(dest, "")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	imgtest.Run(t, "dd", "if="+disk, "of="+esp, "bs=1M", "skip=1", "count=127", "conv=sparse", "status=none")
	imgtest.Run(t, "fsck.vfat", "-n", esp)
	entry := imgtest.Run(t, "mtype", "-i", esp, "::loader/entries/debian-6.1.0-1-amd64.conf")
	for _, want := range []string{"\nlinux /debian/6.1.0-1-amd64/linux\n", "\ninitrd /debian/6.1.0-1-amd64/initrd\n", "\noptions root=UUID=" + b.Manifest().Image.UUID + " ro"} {
		if !strings.Contains(entry, want) {
			t.Errorf("%s lacks %q", entry, want)
		}
	}
	for name, want := range map[string]string{"debian/6.1.0-1-amd64/linux": "kernel", "debian/6.1.0-1-amd64/initrd": "initrd"} {
		if got := imgtest.Run(t, "mtype", "-i", esp, "::"+name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	imgtest.Run(t, "mcopy", "-i", esp, "::EFI/BOOT/BOOTX64.EFI", work)
	imgtest.Run(t, "cmp", filepath.Join(work, "BOOTX64.EFI"), loader)
}

// TestDiskLacks has trees from which nothing would start.
func TestDiskLacks(t *testing.T) {
	root := uefiTree(t)
	for file, want := range map[string]string{
		"boot/vmlinuz-6.1.0-1-amd64":                        "lacks a kernel (apt-get install linux-image-amd64 ",
		"boot/initrd.img-6.1.0-1-amd64":                     "lacks an initrd",
		"usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed": "lacks a boot loader for EFI: GRUB with its shim, or systemd-boot (apt-get install grub-efi-amd64-signed shim-signed)",
	} {
		from, aside := filepath.Join(root, file), filepath.Join(t.TempDir(), "aside")
		if err := os.Rename(from, aside); err != nil {
			t.Fatal(err)
		}
		dest := filepath.Join(t.TempDir(), "out")
		if code, _, stderr := call("bundle", "--disk", root, dest); code != cli.StatusFailed || !strings.Contains(stderr, want) {
			t.Errorf("without %s: status %d, %s", file, code, stderr)
		}
		if _, err := os.Lstat(dest); err == nil {
			t.Errorf("without %s: something is left behind", file)
		}
		if err := os.Rename(aside, from); err != nil {
			t.Fatal(err)
		}
	}
}

// A new disk that has an older one as its base keeps that one's UUIDs, and its boot loader
// looks for root by the one that root has.
func TestDiskFreshBase(t *testing.T) {
	root := uefiTree(t)
	work := t.TempDir()
	var first *chunk.Manifest
	for n, args := range [][]string{{}, {"--base", filepath.Join(work, "0")}} {
		dest, disk := filepath.Join(work, fmt.Sprint(n)), filepath.Join(work, "disk")
		if code, _, stderr := call(append([]string{"bundle", "--disk=fresh", "--no-check", "--progress", "none", root, dest}, args...)...); code != cli.StatusDone || strings.Contains(stderr, "is not used as the base") {
			t.Fatalf("status %d\n%s", code, stderr)
		}
		if code, _, stderr := call("unbundle", "-q", "--force", dest, disk); code != cli.StatusDone {
			t.Fatalf("unbundle: status %d\n%s", code, stderr)
		}
		b, err := chunk.Load(dest, "")
		if err != nil {
			t.Fatal(err)
		}
		m := b.Manifest()
		b.Close()
		for _, p := range m.Disk.Partitions {
			if p.FS != nil && p.FS.Type == "vfat" {
				if stub := imgtest.Run(t, "mtype", "-i", fmt.Sprintf("%s@@%d", disk, p.Start), "::EFI/debian/grub.cfg"); !strings.Contains(stub, m.Image.UUID) {
					t.Errorf("root is %s, and the boot loader has %s", m.Image.UUID, stub)
				}
			}
		}
		if first == nil {
			first = m
			continue
		}
		if m.Base == nil || m.Image.UUID != first.Image.UUID || m.Disk.ID != first.Disk.ID || m.Disk.Partitions[0].UUID != first.Disk.Partitions[0].UUID {
			t.Errorf("base %+v, root %s, disk %+v; before %s, %+v", m.Base, m.Image.UUID, m.Disk, first.Image.UUID, first.Disk)
		}
	}
}
