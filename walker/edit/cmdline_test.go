package edit_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/edit"
)

// TestCommandLine edits command lines as they stand in /etc/kernel/cmdline.
func TestCommandLine(t *testing.T) {
	const root = "root=UUID=" + rootUUID
	for _, c := range []struct{ name, kind, old, now string }{
		{"device", "xfs", "BOOT_IMAGE=/vmlinuz root=/dev/sda2 ro quiet\n", "BOOT_IMAGE=/vmlinuz " + root + " ro quiet\n"},
		{"mapper", "xfs", "root=/dev/mapper/rhel-root ro", root + " ro"},
		{"partition", "ext4", "root=PARTUUID=0001-01 ro", root + " ro"},
		{"label that is gone", "btrfs", "ro root=LABEL=x", "ro " + root},
		{"type", "xfs", root + " rootfstype=xfs ro", root + " rootfstype=ext4 ro"},
		{"types", "xfs", "rootfstype=xfs,ext4 ro", "rootfstype=xfs,ext4 ro"},
		{"subvolume", "btrfs", root + " ro rootflags=subvol=@ quiet", root + " ro quiet"},
		{"subvolume first", "btrfs", "rootflags=subvol=@ quiet", "quiet"},
		{"subvolume alone", "btrfs", "rootflags=subvol=@", ""},
		{"subvolume last", "btrfs", "quiet  rootflags=subvol=@\r\n", "quiet \r\n"},
		{"some flags", "btrfs", "rootflags=noatime,subvol=@,compress=zstd ro", "rootflags=noatime ro"},
		{"of ext4", "ext4", root + " rootfstype=ext4 rootflags=data=journal,subvol=@", root + " rootfstype=ext4 rootflags=data=journal,subvol=@"},
		{"others", "xfs", "overlayroot=/dev/sda1 nfsroot=x myroot=/dev/sda2 rd.lvm=1 rd.luks=0", "overlayroot=/dev/sda1 nfsroot=x myroot=/dev/sda2 rd.lvm=1 rd.luks=0"},
		{"LVM", "xfs", "ro rd.lvm.lv=rhel/root rd.lvm.lv=rhel/swap rhgb", "ro rhgb"},
		{"LUKS", "ext4", "rd.luks.uuid=luks-5a rd.luks.name=5a=root quiet", "quiet"},
		{"RAID", "ext4", "quiet rd.md.uuid=5a:5b", "quiet"},
		{"resume", "ext4", root + " resume=UUID=5a5b ro", root + " ro"},
		{"resume by device", "xfs", "resume=/dev/mapper/rhel-swap ro", "ro"},
		{"resume from a file", "ext4", "resume=UUID=" + rootUUID + " resume_offset=5", "resume=UUID=" + rootUUID + " resume_offset=5"},
		{"resume of no device", "ext4", "resume=swap: resume=$swap resume=", "resume=swap: resume=$swap resume="},
		{"no disk", "xfs", "root=/dev/nfs root=live:CDLABEL=x root=/dev/ram0 root=$root root=", "root=/dev/nfs root=live:CDLABEL=x root=/dev/ram0 root=$root root="},
		{"filled in", "xfs", "root=UUID=${u} rootfstype=$t rootflags=$f", "root=UUID=${u} rootfstype=$t rootflags=$f"},
		{"empty", "xfs", "", ""},
	} {
		now, done, err := facts(c.kind, nil).CommandLine([]byte(c.old))
		if err != nil || string(now) != c.now || (len(done) > 0) != (c.old != c.now) {
			t.Errorf("%s: %q, %v, %v", c.name, now, done, err)
		}
		f := facts(c.kind, nil)
		f.Without = []string{edit.KernelType, edit.KernelAbsent, edit.UUID}
		if now, done, _ := f.CommandLine([]byte(c.old)); string(now) != c.old || len(done) > 0 {
			t.Errorf("%s, without: %q, %v", c.name, now, done)
		}
	}
}

// TestCrypttab comments out the lines of devices that do not come along, once.
func TestCrypttab(t *testing.T) {
	f := facts("ext4", func(f *edit.Facts) {
		f.Along = []edit.Volume{{Type: "vfat", UUID: "7B77-95E7", Devices: []string{"/dev/sda1"}}}
	})
	const old = "# name device key options\nroot UUID=5a none luks\nswap /dev/sda3 /dev/urandom swap\r\n" +
		"file /srv/file none luks\nhand /dev/sdb1 none luks,noauto\nesp /dev/sda1 none\n\nalone\nlast /dev/sdc"
	const comment = "# purebundle: its device does not come along\n#"
	const want = "# name device key options\n" + comment + "root UUID=5a none luks\n" + comment + "swap /dev/sda3 /dev/urandom swap\r\n" +
		"file /srv/file none luks\nhand /dev/sdb1 none luks,noauto\nesp /dev/sda1 none\n\nalone\n" + comment + "last /dev/sdc"
	now, done, err := f.Edit("/etc/crypttab", []byte(old))
	if err != nil || string(now) != want || len(done) != 3 || done[0].Name != edit.FstabAbsent {
		t.Errorf("%q, %v, %v", now, done, err)
	}
	if again, done, _ := f.Edit("/etc/crypttab", now); string(again) != want || len(done) > 0 {
		t.Errorf("twice: %q, %v", again, done)
	}
	f.Without = []string{edit.FstabAbsent}
	if now, done, _ := f.Edit("/etc/crypttab", []byte(old)); string(now) != old || len(done) > 0 {
		t.Errorf("without: %q, %v", now, done)
	}
}

// TestMergedInto says of which file system a mount is now a part that was merged.
func TestMergedInto(t *testing.T) {
	f := facts("ext4", func(f *edit.Facts) { f.Merged, f.Own = []string{"/boot/extra", "/bootleg", "/home"}, []string{"/boot"} })
	now, _, err := f.Fstab([]byte("UUID=1 /boot/extra ext4 defaults 0 2\nUUID=2 /bootleg ext4 defaults 0 2\nUUID=3 /home ext4 defaults 0 2\n"))
	for _, want := range []string{"what was in /boot/extra is in the file system of /boot now\n", "what was in /bootleg is in the file system of / now\n", "what was in /home is in the file system of / now\n"} {
		if err != nil || !strings.Contains(string(now), want) {
			t.Errorf("%q, %v", now, err)
		}
	}
}

// TestLoaders edits the files of boot loaders.
func TestLoaders(t *testing.T) {
	const root = "root=UUID=" + rootUUID
	btrfs := facts("btrfs", func(f *edit.Facts) {
		f.Moved = []edit.Moved{{"/@", ""}, {"/@/boot", "/boot"}, {"/@/old", "/new"}, {"/@srv", "/srv"}}
	})
	for _, c := range []struct {
		name     string
		edit     func([]byte) ([]byte, []edit.Change, error)
		old, now string
		names    []string
	}{
		{
			"grub.cfg", btrfs.Grub,
			"# root=/dev/sda2\nset root='hd0,gpt2'\nsearch --no-floppy --fs-uuid --set=root " + rootUUID + "\nfont=\"/@/usr/share/grub/unicode.pf2\"\n" +
				"\tlinux\t/@/boot/vmlinuz-6 " + root + " ro rootflags=subvol=@  quiet\n\tinitrd\t/@/boot/initrd.img-6 (hd0)/@srv/x /@/old/z /@srvx/y /x/@/y\nset prefix=($root)'/@/boot/grub'\n",
			"# root=/dev/sda2\nset root='hd0,gpt2'\nsearch --no-floppy --fs-uuid --set=root " + rootUUID + "\nfont=\"/usr/share/grub/unicode.pf2\"\n" +
				"\tlinux\t/boot/vmlinuz-6 " + root + " ro  quiet\n\tinitrd\t/boot/initrd.img-6 (hd0)/srv/x /new/z /@srvx/y /x/@/y\nset prefix=($root)'/boot/grub'\n",
			[]string{"grub-paths", "kernel-type"},
		},
		{
			"grub.cfg of RHEL", facts("xfs", nil).Grub,
			"set default_kernelopts=\"root=/dev/mapper/rhel-root ro rootfstype=xfs\"\n  linux16 /vmlinuz root=/dev/sda2\n",
			"set default_kernelopts=\"" + root + " ro rootfstype=ext4\"\n  linux16 /vmlinuz " + root + "\n",
			[]string{"uuid", "kernel-type"},
		},
		{
			"entry", btrfs.Entry,
			"title Fedora root=/dev/sda1\nlinux /@/boot/vmlinuz\noptions\troot=/dev/sda2 rootflags=subvol=root rhgb $tuned_params\n",
			"title Fedora root=/dev/sda1\nlinux /boot/vmlinuz\noptions\t" + root + " rhgb $tuned_params\n",
			[]string{"grub-paths", "uuid", "kernel-type"},
		},
		{
			"defaults", btrfs.GrubDefaults,
			"GRUB_DEVICE=x root=/dev/sda2\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet \\\n  rootflags=subvol=@\"\nexport GRUB_CMDLINE_LINUX='rootfstype=btrfs'\nOTHER=\"root=/dev/sda2\"\nGRUB_CMDLINE_LINUX=root=/dev/sda2\n",
			"GRUB_DEVICE=x root=/dev/sda2\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet \\\n \"\nexport GRUB_CMDLINE_LINUX='rootfstype=ext4'\nOTHER=\"root=/dev/sda2\"\nGRUB_CMDLINE_LINUX=" + root + "\n",
			[]string{"kernel-type", "uuid"},
		},
	} {
		now, done, err := c.edit([]byte(c.old))
		if err != nil || string(now) != c.now {
			t.Errorf("%s: %v\n%s\ninstead of\n%s", c.name, err, now, c.now)
		}
		have, want := namesOf(done), slices.Clone(c.names)
		if slices.Sort(have); !slices.Equal(have, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s: %v", c.name, done)
		}
	}
}

// TestGrubEnvironment has grub-editenv make the block, and read what becomes of it.
func TestGrubEnvironment(t *testing.T) {
	imgtest.NeedTool(t, "grub-editenv")
	file := filepath.Join(t.TempDir(), "grubenv")
	imgtest.Run(t, "grub-editenv", file, "create")
	imgtest.Run(t, "grub-editenv", file, "set", "saved_entry=0123-6.1", "kernelopts=root=/dev/mapper/rhel-root ro rootflags=subvol=@ rootfstype=btrfs", `odd=back\slash#`, "boot_success=1")
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	now, done, err := facts("btrfs", nil).GrubEnvironment(old)
	if err != nil || len(done) != 3 || len(now) != 1024 {
		t.Fatalf("%d bytes, %v, %v", len(now), done, err)
	}
	if err := os.WriteFile(file, now, 0o644); err != nil {
		t.Fatal(err)
	}
	have, err := exec.Command("grub-editenv", file, "list").Output()
	want := "saved_entry=0123-6.1\nkernelopts=root=UUID=" + rootUUID + " ro rootfstype=ext4\nodd=back\\slash#\nboot_success=1\n"
	if err != nil || string(have) != want {
		t.Errorf("%v: %q", err, have)
	}
	imgtest.Run(t, "grub-editenv", file, "set", "more="+strings.Repeat("x", 700)) // the padding is right

	full := "# GRUB Environment Block\nkernelopts=root=/dev/sda2 "
	full += strings.Repeat("x", 1024-len(full)-1) + "\n"
	for name, text := range map[string]string{"full": full, "short": string(old[:1023]), "long": string(old) + "#", "another": strings.Repeat("#", 1024)} {
		if now, done, err := facts("btrfs", nil).GrubEnvironment([]byte(text)); err == nil || string(now) != text || len(done) > 0 {
			t.Errorf("%s: %v, %v", name, done, err)
		}
	}
}

// FuzzEdits edits anything twice: the second time changes nothing.
func FuzzEdits(f *testing.F) {
	for _, m := range machines {
		f.Add(m.old)
	}
	f.Add("a root=/dev/sda1 rootflags=subvol=@,x rootfstype=xfs\n")
	fa := facts("btrfs", func(f *edit.Facts) { f.Moved, f.Merged = []edit.Moved{{"/@", ""}}, []string{"/home"} })
	f.Fuzz(func(t *testing.T, text string) {
		for i, edit := range []func([]byte) ([]byte, []edit.Change, error){fa.Fstab, fa.CommandLine, fa.GrubDefaults, fa.GrubEnvironment, fa.Entry} {
			now, done, _ := edit([]byte(text))
			if len(done) == 0 && string(now) != text {
				t.Errorf("%d: %q became %q, in silence", i, text, now)
			}
			if again, more, _ := edit(now); len(more) > 0 || string(again) != string(now) {
				t.Errorf("%d: %q became %q, then %q: %v", i, text, now, again, more)
			}
		}
	})
}
