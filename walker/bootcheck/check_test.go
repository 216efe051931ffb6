package bootcheck_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
	"purebundle/walker"
	"purebundle/walker/bootcheck"
	"purebundle/walker/edit"
	"purebundle/walker/fat"
	"purebundle/walker/survey"
)

const (
	version  = "6.1.0-18-amd64"
	oldOne   = "6.1.0-9-amd64"
	rootUUID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
	efiUUID  = "7B77-95E7"

	kernelFile = "boot/vmlinuz-" + version
	initrdFile = "boot/initrd.img-" + version
	modulesDir = "usr/lib/modules/" + version
	grubCfg    = "boot/grub/grub.cfg"
	fallback   = "boot/efi/EFI/BOOT/BOOTX64.EFI"
	second     = "boot/efi/EFI/BOOT/grubx64.efi"
	stubFile   = "boot/efi/EFI/debian/grub.cfg"
)

// machine is a tree that is made for a test, and what is known of its disk.
type machine struct {
	t    *testing.T
	dir  string
	opt  bootcheck.Options
	disk *survey.Disk
	core []byte // from sector 2048 on
}

func (m *machine) write(name, text string) {
	m.t.Helper()
	file := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) remove(names ...string) {
	m.t.Helper()
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(m.dir, name)); err != nil {
			m.t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(m.dir, name)); err != nil {
			m.t.Fatal(err)
		}
	}
}

// replace replaces a text in a file, which has it.
func (m *machine) replace(name, old, now string) {
	m.t.Helper()
	b, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		m.t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		m.t.Fatalf("%s has no %q", name, old)
	}
	m.write(name, strings.ReplaceAll(string(b), old, now))
}

// esp gives the new disk an EFI system partition with these files.
func (m *machine) esp(files map[string]string) {
	m.t.Helper()
	v, err := fat.Format(64<<20, 0x7b7795e7, "UEFI", time.Unix(1e9, 0))
	if err != nil {
		m.t.Fatal(err)
	}
	for name, text := range files {
		if err := v.WriteFile(name, []byte(text), time.Unix(1e9, 0)); err != nil {
			m.t.Fatal(err)
		}
	}
	m.opt.ESP = v
}

// check checks the tree.
func (m *machine) check() *bootcheck.Report {
	m.t.Helper()
	p, err := walker.NewPlan(m.dir, walker.Options{})
	if err != nil {
		m.t.Fatal(err)
	}
	tree, err := p.Open()
	if err != nil {
		m.t.Fatal(err)
	}
	defer tree.Close()
	if m.disk != nil {
		m.opt.Machine = &survey.Machine{Disk: m.disk}
		m.opt.Device = bytes.NewReader(append(make([]byte, 2048*512), m.core...))
	}
	return bootcheck.Check(tree.View(), m.opt)
}

// programs are boot loaders that grub-mkimage made.
type programs struct{ core, coreXFS, grub, grubXFS, shim []byte }

func makePrograms(t *testing.T) (p programs) {
	t.Helper()
	imgtest.NeedTool(t, "grub-mkimage")
	mkimage := func(format, prefix string, modules ...string) []byte {
		name := filepath.Join(t.TempDir(), "image")
		imgtest.Run(t, "grub-mkimage", append([]string{"-O", format, "-o", name, "-p", prefix}, modules...)...)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	p.core = mkimage("i386-pc", "(,gpt3)/boot/grub", "biosdisk", "part_gpt", "ext2")
	p.coreXFS = mkimage("i386-pc", "(,gpt3)/boot/grub", "biosdisk", "part_gpt", "xfs")
	p.grub = mkimage("x86_64-efi", "/EFI/debian", "part_gpt", "ext2", "fat")
	p.grubXFS = mkimage("x86_64-efi", "/EFI/debian", "part_gpt", "xfs", "fat")
	// A program without modules that names the next one, as a shim is.
	p.shim = append(bytes.ReplaceAll(p.grub, []byte("mods\x00"), []byte("none\x00")), "g\x00r\x00u\x00b\x00x\x006\x004\x00.\x00e\x00f\x00i\x00"...)
	return p
}

// makeInitrd has cpio and a compressor make an initrd with modules of a kernel.
func makeInitrd(t *testing.T, version string, packer []string, modules ...string) string {
	t.Helper()
	dir := t.TempDir()
	names := []string{"init"}
	if err := os.WriteFile(filepath.Join(dir, "init"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		name := "usr/lib/modules/" + version + "/kernel/" + m
		names = append(names, name)
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(m), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	imgtest.NeedTool(t, "cpio")
	cmd := exec.Command("cpio", "-o", "-H", "newc", "--quiet")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(strings.Join(names, "\n")+"\n")
	b, err := cmd.Output()
	if err != nil || packer == nil {
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	imgtest.NeedTool(t, packer[0])
	cmd = exec.Command(packer[0], packer[1:]...)
	cmd.Stdin = bytes.NewReader(b)
	if b, err = cmd.Output(); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const (
	ext4Module = "fs/ext4/ext4.ko"
	nvmeModule = "drivers/nvme/host/nvme.ko"
	virtio     = "drivers/block/virtio_blk.ko"
	xen        = "drivers/block/xen-blkfront.ko"
	virtioNet  = "drivers/net/virtio_net.ko"
	enaModule  = "drivers/net/ethernet/amazon/ena/ena.ko"
	uncommon   = "drivers/scsi/virtio_scsi.ko"
)

var all = []string{ext4Module, nvmeModule, virtio, xen}

// good returns a machine that starts everywhere: Debian on a GPT disk, by BIOS and UEFI.
func good(t *testing.T, p programs, initrd string) *machine {
	t.Helper()
	m := &machine{t: t, dir: t.TempDir(), core: p.core}
	m.write("usr/bin/sh", "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x3e\x00")
	for name, target := range map[string]string{"bin": "usr/bin", "lib": "usr/lib", "sbin": "usr/sbin", "vmlinuz": kernelFile} {
		if err := os.Symlink(target, filepath.Join(m.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	m.write("etc/os-release", "ID=debian\nNAME=\"Debian\"\n")
	for _, name := range []string{"usr/sbin/mkinitramfs", "usr/sbin/update-grub", "usr/sbin/sshd", "usr/bin/cloud-init"} {
		m.write(name, "#!/bin/sh\n")
	}
	for _, v := range []string{version, oldOne} {
		m.write("boot/vmlinuz-"+v, "kernel")
		m.write("boot/initrd.img-"+v, initrd)
		m.write("usr/lib/modules/"+v+"/modules.builtin", "kernel/fs/autofs/autofs4.ko\n")
		m.write("usr/lib/modules/"+v+"/modules.dep", "kernel/"+enaModule+":\nkernel/"+virtioNet+".xz: kernel/x.ko\nkernel/"+ext4Module+":\n")
	}
	entry := func(v string) string {
		return "menuentry 'Debian' {\n\tsearch --no-floppy --fs-uuid --set=root " + rootUUID + "\n\tlinux\t/boot/vmlinuz-" + v + " root=UUID=" + rootUUID + " ro console=tty0 console=ttyS0,115200\n\tinitrd\t/boot/initrd.img-" + v + "\n}\n"
	}
	m.write(grubCfg, "set default=0\n"+entry(version)+entry(oldOne))
	m.write("etc/default/grub", "GRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0,115200\"\n")
	m.write("etc/fstab", "# root\nUUID="+rootUUID+" / ext4 errors=remount-ro 0 1\nUUID="+efiUUID+" /boot/efi vfat umask=0077 0 1\nproc /proc proc defaults 0 0\n/dev/sr0 /media/cdrom udf,iso9660 user,noauto 0 0\n")
	m.write("etc/netplan/50-cloud-init.yaml", "network:\n  version: 2\n  ethernets:\n    ens3:\n      match:\n        macaddress: 52:54:00:12:34:56\n      set-name: ens3\n      dhcp4: true\n")
	m.write("etc/netplan/60-any.yaml", "network:\n  ethernets:\n    all:\n      match:\n        name: \"en*\"\n      dhcp4: true\n  bridges:\n    br0: {}\n")
	m.write("etc/systemd/network/99-wired.network", "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n")
	m.write("etc/network/interfaces", "auto lo\niface lo inet loopback\n")
	m.write(fallback, string(p.shim))
	m.write(second, string(p.grub))
	m.write(stubFile, "search.fs_uuid "+rootUUID+" root hd0,gpt3\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n")

	const mib = 1 << 20
	m.disk = &survey.Disk{Path: "/dev/sda", SectorSize: 512, Size: 1 << 30, Table: "gpt", Root: 2, ESP: 1, BIOS: 0, Boot: -1, Partitions: []survey.Partition{
		{Number: 1, Start: mib, Size: mib, Type: survey.TypeBIOSBoot, Device: "/dev/sda1"},
		{Number: 2, Start: 2 * mib, Size: 100 * mib, Type: survey.TypeESP, Device: "/dev/sda2", MountPoint: "/boot/efi"},
		{Number: 3, Start: 200 * mib, Size: 500 * mib, Device: "/dev/sda3", MountPoint: "/"},
	}}
	copy(m.disk.BootCode[0x180:], "GRUB \x00Geom\x00Hard Disk\x00Read\x00 Error")
	binary.LittleEndian.PutUint64(m.disk.BootCode[0x5c:], 2048)
	m.opt.Facts = &edit.Facts{Source: edit.Volume{Type: "ext4", UUID: rootUUID, Devices: []string{"/dev/sda3"}},
		Root: edit.Volume{Type: "ext4", UUID: rootUUID, Label: "root", PartUUID: "0001-03", Devices: []string{"/dev/sda3"}}, Along: []edit.Volume{{Type: "vfat", UUID: efiUUID}}}
	return m
}

// findings returns what was found, as "ID severity".
func findings(r *bootcheck.Report) (list []string) {
	for _, f := range r.Findings {
		list = append(list, f.ID+" "+string(f.Severity))
	}
	return list
}

// TestGood finds nothing in trees that start, whatever compressed their initrds.
func TestGood(t *testing.T) {
	p := makePrograms(t)
	for _, packer := range [][]string{nil, {"gzip"}, {"xz", "--check=crc32"}, {"zstd", "-q"}, {"lz4", "-l", "-q"}, {"lz4", "-q"}, {"bzip2"}} {
		for _, target := range bootcheck.Targets {
			m := good(t, p, makeInitrd(t, version, packer, all...))
			m.opt.For = target
			r := m.check()
			if len(r.Findings) > 0 || len(r.Starts) != 2 || r.Fatal() {
				t.Errorf("%s, %s: %+v", packer, target, r)
			}
			if k := r.Kernel; k == nil || k.Version != version || k.Initrd != "/"+initrdFile || len(k.Drivers) != 4 || !strings.Contains(k.Command, rootUUID) {
				t.Errorf("%s: %+v", packer, k)
			}
		}
	}
}

// TestDamage damages a good tree in one way each: that is found, and nothing else. What
// is found has a reason and a cure.
func TestDamage(t *testing.T) {
	p := makePrograms(t)
	zstd := []string{"zstd", "-q"}
	whole := makeInitrd(t, version, zstd, all...)
	initrd := func(modules ...string) string { return makeInitrd(t, version, zstd, modules...) }
	word := func(old, now string) func(*machine) { return func(m *machine) { m.replace(grubCfg, old, now) } }
	add := func(name, text string) func(*machine) { return func(m *machine) { m.write(name, text) } }
	const root = "root=UUID=" + rootUUID
	seen := make(map[string]bool)
	for _, c := range []struct {
		name   string
		damage func(m *machine)
		want   string // "ID severity path", of Any
		cure   string // part of it
	}{
		{"no kernel", func(m *machine) {
			m.remove(kernelFile, "boot/vmlinuz-"+oldOne, grubCfg)
			m.write(grubCfg, "\n")
		}, "no-kernel fatal", "apt-get install linux-image-amd64"},
		{"the kernel is gone", func(m *machine) { m.remove(kernelFile) }, "kernel-gone fatal /" + kernelFile, "update-grub"},
		{"no initrd", func(m *machine) { m.remove(initrdFile) }, "no-initrd fatal /" + kernelFile, "update-initramfs -c -k " + version},
		{"no line of an initrd", word("initrd\t/boot/initrd.img-"+version, ""), "no-initrd fatal /" + kernelFile, "update-initramfs"},
		{"no modules", func(m *machine) { m.remove(modulesDir) }, "no-modules warning /lib/modules/" + version, "apt-get install --reinstall linux-image-" + version},
		{"no list of modules", func(m *machine) { m.remove(modulesDir + "/modules.dep") }, "no-modules warning /lib/modules/" + version, "depmod -a " + version},
		{"a cut initrd", add(initrdFile, whole[:len(whole)/2]), "initrd-unread warning /" + initrdFile, "update-initramfs -u"},
		{"an empty initrd", add(initrdFile, ""), "initrd-unread warning /" + initrdFile, "update-initramfs -u"},
		{"LZO", add(initrdFile, "\x89LZO\x00\r\n\x1a\n"), "initrd-unread warning /" + initrdFile, "update-initramfs -u"},
		{"another kernel's initrd", add(initrdFile, makeInitrd(t, oldOne, zstd, all...)), "initrd-kernel fatal /" + initrdFile, "update-initramfs -u -k " + version},
		{"no ext4", add(initrdFile, initrd(nvmeModule, virtio, xen)), "initrd-ext4 fatal /" + initrdFile, "printf '%s\\n' ext4 >> /etc/initramfs-tools/modules"},
		{"no nvme", add(initrdFile, initrd(ext4Module, virtio, xen)), "initrd-driver warning /" + initrdFile, "printf '%s\\n' nvme >>"},
		{"no virtio", add(initrdFile, initrd(ext4Module+".xz", nvmeModule+".xz", xen+".xz")), "initrd-driver warning /" + initrdFile, "printf '%s\\n' virtio_blk >>"},
		{"no xen", add(initrdFile, initrd(ext4Module+".zst", nvmeModule+".zst", virtio+".zst")), "initrd-driver note /" + initrdFile, "xen_blkfront"},
		{"no disk at all", add(initrdFile, initrd(ext4Module)), "initrd-driver fatal /" + initrdFile, "nvme virtio_blk"},
		{"no network card", add(modulesDir+"/modules.dep", "kernel/x.ko:\n"), "network-driver note /lib/modules/" + version, "depmod"},
		{"root by device", word(root, "root=/dev/sda1"), "root-device fatal /" + grubCfg, "sed -i 's|root=/dev/sda1|" + root + "|g' /" + grubCfg},
		{"root by mapper", word(root, "root=/dev/mapper/vg-root"), "root-device fatal /" + grubCfg, "root=UUID="},
		{"root of another UUID", word(root, "root=UUID=00000000-0000-0000-0000-000000000001"), "root-device fatal /" + grubCfg, "root=UUID="},
		{"rootfstype", word(root, root+" rootfstype=xfs"), "root-type fatal /" + grubCfg, "rootfstype=ext4"},
		{"rootflags", word(root, root+" rootflags=noatime,subvol=@"), "root-flags fatal /" + grubCfg, "rootflags=noatime|"},
		{"no console", word(" console=ttyS0,115200", ""), "console note /" + grubCfg, "GRUB_CMDLINE_LINUX"},
		{"no grub.cfg", func(m *machine) { m.remove(grubCfg) }, "grub-config fatal /boot/grub", "update-grub"},
		{"another boot code", func(m *machine) { m.disk.Table = "dos"; copy(m.disk.BootCode[0x180:], "SYSLINUX") }, "bios-loader warning", "grub-install --target=i386-pc /dev/sda"},
		{"no core.img", func(m *machine) { m.core = make([]byte, len(m.core)) }, "bios-loader warning", "grub-install"},
		{"core.img elsewhere", func(m *machine) { binary.LittleEndian.PutUint64(m.disk.BootCode[0x5c:], 4096*2+1) }, "bios-loader warning", "grub-install"},
		{"core.img for XFS", func(m *machine) { m.core = p.coreXFS }, "bios-file-system warning", "grub-install"},
		{"no fallback", func(m *machine) { m.remove(fallback) }, "efi-fallback warning /boot/efi", "grub-install --target=x86_64-efi"},
		{"fallback of text", add(fallback, "text"), "efi-fallback warning /" + fallback, "grub-install"},
		{"no fallback and no BIOS", func(m *machine) { m.remove(fallback); m.disk.BootCode = [440]byte{} }, "efi-fallback fatal /boot/efi", "--removable"},
		{"a shim alone", func(m *machine) { m.remove(second) }, "efi-shim warning /" + fallback, "grub-install"},
		{"no stub", func(m *machine) { m.remove(stubFile) }, "efi-stub warning /boot/efi/EFI/debian", "grub-install"},
		{"a stub for another disk", func(m *machine) { m.replace(stubFile, rootUUID, "00000000-0000-0000-0000-000000000001") }, "efi-stub warning /" + stubFile, rootUUID},
		{"GRUB without ext4", add(second, string(p.grubXFS)), "efi-file-system warning /" + second, "grub-install"},
		{"no stub in a FAT", func(m *machine) {
			m.disk.Partitions[1].MountPoint = ""
			m.esp(map[string]string{"EFI/BOOT/BOOTX64.EFI": string(p.shim), "EFI/BOOT/grubx64.efi": string(p.grub)})
		}, "efi-stub warning ESP:/EFI/debian", "grub-install"},
		{"an ESP that is not mounted", func(m *machine) { m.disk.Partitions[1].MountPoint = "" }, "efi-unseen note", "mount /dev/sda2"},
		{"no loader", func(m *machine) { m.disk.BootCode = [440]byte{}; m.disk.ESP = -1 }, "no-loader fatal", "grub-install"},
		{"fstab of XFS", func(m *machine) { m.replace("etc/fstab", "/ ext4 errors=remount-ro", "/ xfs defaults") }, "fstab-root fatal /etc/fstab", "ext4"},
		{"fstab with a device", func(m *machine) { m.replace("etc/fstab", "UUID="+rootUUID, "/dev/sda3") }, "fstab-root fatal /etc/fstab", "UUID=" + rootUUID},
		{"a dangling line", func(m *machine) { m.replace("etc/fstab", "proc /proc", "UUID=5 /srv xfs defaults 0 2\nproc /proc") }, "fstab-absent fatal /etc/fstab", "nofail"},
		{"dangling swap", func(m *machine) { m.replace("etc/fstab", "proc /proc", "UUID=5 none swap sw 0 0\nproc /proc") }, "fstab-absent fatal /etc/fstab", "sed -i"},
		{"SELinux without labels", func(m *machine) {
			m.write("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")
			m.write("etc/selinux/targeted/policy/policy.33", "policy")
			m.write("etc/passwd", "")
		}, "selinux-labels fatal /etc/passwd", "touch /.autorelabel"},
		{"netplan with an address", add("etc/netplan/01-netcfg.yaml", "network:\n  ethernets:\n    lan:\n      match: {macaddress: \"52:54:00:12:34:56\"}\n"), "network-mac warning /etc/netplan/01-netcfg.yaml", "macaddress"},
		{"netplan with a name", add("etc/netplan/01-netcfg.yaml", "network:\n  ethernets:\n    enp1s0:\n      dhcp4: true\n  version: 2\n"), "network-interface warning /etc/netplan/01-netcfg.yaml", "net.ifnames=0"},
		{"ifcfg with an address", add("etc/sysconfig/network-scripts/ifcfg-lan", "DEVICE=eth0\nHWADDR=52:54:00:12:34:56\n"), "network-mac warning /etc/sysconfig/network-scripts/ifcfg-lan", "HWADDR"},
		{"ifcfg with a name", add("etc/sysconfig/network-scripts/ifcfg-ens5", "ONBOOT=yes\n"), "network-interface warning /etc/sysconfig/network-scripts/ifcfg-ens5", "net.ifnames=0"},
		{"networkd with a name", add("etc/systemd/network/10-lan.network", "[Match]\nName=ens3\n"), "network-interface warning /etc/systemd/network/10-lan.network", "net.ifnames=0"},
		{"networkd with an address", add("etc/systemd/network/10-lan.link", "[Match]\nMACAddress=52:54:00:12:34:56\n[Link]\nName=lan\n"), "network-mac warning /etc/systemd/network/10-lan.link", "MACAddress"},
		{"NetworkManager", add("etc/NetworkManager/system-connections/lan.nmconnection", "[connection]\ntype=ethernet\ninterface-name=enp0s3\n"), "network-interface warning /etc/NetworkManager/system-connections/lan.nmconnection", "net.ifnames=0"},
		{"udev's rules", add("etc/udev/rules.d/70-persistent-net.rules", "SUBSYSTEM==\"net\", ATTR{address}==\"52:54:00:12:34:56\", NAME=\"eth0\"\n"), "network-mac warning /etc/udev/rules.d/70-persistent-net.rules", "sed -i"},
		{"interfaces", add("etc/network/interfaces", "auto lo eth0\niface lo inet loopback\niface eth0 inet dhcp\n"), "network-interface warning /etc/network/interfaces", "net.ifnames=0"},
		{"nobody makes host keys", func(m *machine) { m.remove("usr/bin/cloud-init", "etc/netplan/50-cloud-init.yaml") }, "host-keys warning /etc/ssh", "ssh-keygen -A"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := good(t, p, whole)
			c.damage(m)
			r := m.check()
			if len(r.Findings) != 1 {
				t.Fatalf("%q instead of %s: %+v", findings(r), c.want, r)
			}
			f := r.Findings[0]
			if have := strings.TrimSpace(f.ID + " " + string(f.Severity) + " " + f.Path); have != c.want {
				t.Errorf("%s instead of %s: %+v", have, c.want, f)
			}
			if f.What == "" || f.Why == "" || !strings.Contains(f.Cure, c.cure) {
				t.Errorf("%+v", f)
			}
			if r.Fatal() != (f.Severity == bootcheck.Fatal) {
				t.Errorf("fatal: %v", r.Fatal())
			}
			seen[f.ID] = true
		})
	}
	for _, id := range bootcheck.IDs {
		if !seen[id] {
			t.Errorf("no tree has %s", id)
		}
	}
}

// TestQuoted gives no command in which the tree's own words mean something to a shell.
func TestQuoted(t *testing.T) {
	p := makePrograms(t)
	const evil = "';touch${IFS}/x;'"
	m := good(t, p, makeInitrd(t, version, nil, nvmeModule, virtio, xen))
	m.replace(grubCfg, "root=UUID="+rootUUID, "root=/dev/sda1"+evil+" rootfstype=xfs"+evil+" rootflags=subvol=@"+evil)
	m.replace("etc/fstab", "UUID="+rootUUID+" / ext4", "/dev/sda1"+evil+" / xfs"+evil)
	m.replace("etc/fstab", "proc /proc", "UUID=5 /srv"+evil+" xfs defaults 0 2\nUUID=5"+evil+" none swap sw 0 0\nproc /proc")
	m.write("etc/netplan/"+strings.ReplaceAll(evil, "/", "")+".yaml", "network:\n  ethernets:\n    lan:\n      match: {macaddress: x}\n")
	odd := "boot/initrd.img-" + strings.ReplaceAll(evil, "/", "")
	m.write(odd, makeInitrd(t, version, nil, nvmeModule, virtio, xen))
	m.replace(grubCfg, "initrd\t/boot/initrd.img-"+version, "initrd\t/"+odd)
	r := m.check()
	if len(r.Findings) < 7 {
		t.Errorf("%q", findings(r))
	}
	for _, f := range r.Findings {
		if strings.Contains(f.Cure, "touch") {
			t.Errorf("%+v", f)
		}
	}
}

// TestTargets tells what one target requires, and others only note.
func TestTargets(t *testing.T) {
	p := makePrograms(t)
	zstd := []string{"zstd", "-q"}
	for _, c := range []struct {
		name    string
		modules []string
		dep     string
		want    map[bootcheck.Target][]string
	}{
		{"no nvme", []string{ext4Module, virtio, xen}, "", map[bootcheck.Target][]string{"aws": {"initrd-driver fatal"}, "kvm": {"initrd-driver note"}, "any": {"initrd-driver warning"}}},
		{"no virtio", []string{ext4Module, nvmeModule, xen}, "", map[bootcheck.Target][]string{"kvm": {"initrd-driver fatal"}, "any": {"initrd-driver warning"}}},
		{"virtio by SCSI", []string{ext4Module, nvmeModule, xen, uncommon}, "", map[bootcheck.Target][]string{"kvm": {"initrd-driver warning"}, "any": {"initrd-driver warning"}}},
		{"no xen", []string{ext4Module, nvmeModule, virtio}, "", map[bootcheck.Target][]string{"aws": {"initrd-driver note"}, "any": {"initrd-driver note"}}},
		{"no ena", all, virtioNet, map[bootcheck.Target][]string{"aws": {"network-driver fatal"}, "any": {"network-driver note"}}},
		{"no virtio_net", all, enaModule, map[bootcheck.Target][]string{"kvm": {"network-driver fatal"}, "any": {"network-driver note"}}},
	} {
		for _, target := range bootcheck.Targets {
			m := good(t, p, makeInitrd(t, version, zstd, c.modules...))
			if c.dep != "" {
				m.write(modulesDir+"/modules.dep", "kernel/"+c.dep+":\n")
			}
			m.opt.For = target
			if have := findings(m.check()); !slices.Equal(have, c.want[target]) {
				t.Errorf("%s, %s: %q instead of %q", c.name, target, have, c.want[target])
			}
		}
	}
}

// TestSound finds nothing where something looks odd, and is not.
func TestSound(t *testing.T) {
	p := makePrograms(t)
	whole := makeInitrd(t, version, []string{"zstd", "-q"}, all...)
	builtin := "kernel/" + ext4Module + "\nkernel/" + nvmeModule + "\nkernel/" + virtio + "\nkernel/" + xen + "\n"
	for name, change := range map[string]func(m *machine){
		"all built in": func(m *machine) {
			m.write(modulesDir+"/modules.builtin", builtin)
			m.write(initrdFile, makeInitrd(t, version, nil))
		},
		"no initrd, none needed": func(m *machine) {
			m.write(modulesDir+"/modules.builtin", builtin)
			m.remove(initrdFile)
			m.replace(grubCfg, "root=UUID="+rootUUID, "root=PARTUUID=0001-03")
		},
		"old names of interfaces": func(m *machine) {
			m.replace(grubCfg, " ro ", " ro net.ifnames=0 ")
			m.write("etc/network/interfaces", "auto eth0\niface eth0 inet dhcp\n")
		},
		"microcode first": func(m *machine) {
			m.write("boot/amd-ucode.img", makeInitrd(t, version, nil))
			m.replace(grubCfg, "initrd\t", "initrd\t/boot/amd-ucode.img ")
		},
		"a shim that reads BOOTX64.CSV": func(m *machine) {
			m.remove(second)
			m.write("boot/efi/EFI/BOOT/fbx64.efi", "MZ")
			m.write("boot/efi/EFI/debian/BOOTX64.CSV", "x")
			m.write("boot/efi/EFI/debian/grubx64.efi", string(p.grub))
		},
		"GRUB without a shim, in small letters": func(m *machine) {
			m.remove("boot/efi/EFI/BOOT")
			m.write("boot/efi/efi/boot/bootx64.efi", string(p.grub))
			m.remove(stubFile)
			m.write("boot/efi/efi/debian/grub.cfg", "search.fs_uuid "+rootUUID+" root\n")
			m.remove("boot/efi/EFI")
		},
		"labels": func(m *machine) {
			m.write("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")
			m.write("etc/selinux/targeted/policy/policy.33", "policy")
			m.write("etc/passwd", "")
			for _, name := range []string{"etc/passwd", "usr/bin/sh"} {
				if err := unix.Setxattr(filepath.Join(m.dir, name), "security.selinux", []byte("system_u:object_r:etc_t:s0\x00"), 0); err != nil {
					t.Skip("setxattr: ", err)
				}
			}
		},
		"labels to come": func(m *machine) {
			m.write("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")
			m.write("etc/selinux/targeted/policy/policy.33", "policy")
			m.write("etc/passwd", "")
			m.write(".autorelabel", "")
		},
		"what a run edits": func(m *machine) {
			m.opt.Edited, m.opt.Facts.Source.Type = true, "btrfs"
			m.replace(grubCfg, "root=UUID="+rootUUID, "root=/dev/sda3 rootfstype=btrfs rootflags=subvol=@")
			m.replace("etc/fstab", "UUID="+rootUUID+" / ext4 errors=remount-ro", "/dev/sda3 / btrfs subvol=@\nUUID=5 /srv xfs defaults 0 2\nUUID=6 none swap sw 0 0\n#")
		},
		"an EFI system partition that is mounted nowhere": func(m *machine) {
			m.remove("boot/efi")
			m.disk.Partitions[1].MountPoint = ""
			m.esp(map[string]string{"EFI/BOOT/BOOTX64.EFI": string(p.shim), "EFI/BOOT/grubx64.efi": string(p.grub), "EFI/debian/grub.cfg": "search.fs_uuid " + rootUUID + " root\n"})
		},
		"entries of the Boot Loader Specification": func(m *machine) {
			m.write(grubCfg, "if true; then\n  blscfg\nfi\nset default_kernelopts=\"root=UUID="+rootUUID+" ro console=ttyS0\"\n")
			for _, v := range []string{oldOne, version} {
				m.write("boot/loader/entries/0123-"+v+".conf", "title x\nversion "+v+"\nlinux /vmlinuz-"+v+"\ninitrd /initrd.img-"+v+" $tuned_initrd\noptions $kernelopts $tuned_params\n")
			}
		},
	} {
		m := good(t, p, whole)
		change(m)
		if r := m.check(); len(r.Findings) > 0 || len(r.Starts) != 2 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestNoDisk judges trees without a disk of their own: one is made that starts by EFI.
func TestNoDisk(t *testing.T) {
	p := makePrograms(t)
	whole := makeInitrd(t, version, []string{"zstd", "-q"}, all...)
	for name, c := range map[string]struct {
		change func(m *machine)
		want   []string
		cure   string
	}{
		"has all":   {func(*machine) {}, nil, ""},
		"no kernel": {func(m *machine) { m.remove("boot") }, []string{"no-kernel fatal"}, "apt-get install linux-image-amd64 initramfs-tools"},
		"no initrd": {func(m *machine) { m.remove(initrdFile, "boot/initrd.img-"+oldOne) }, []string{"no-initrd fatal"}, "update-initramfs -c -k " + version},
		"no loader": {func(m *machine) { m.remove("usr/lib/grub", "usr/lib/shim") }, []string{"no-loader fatal"}, "apt-get install grub-efi-amd64-signed shim-signed"},
		"no ext4":   {func(m *machine) { m.write(initrdFile, makeInitrd(t, version, nil, nvmeModule, virtio, xen)) }, []string{"initrd-ext4 fatal"}, "ext4"},
		"Fedora":    {func(m *machine) { m.remove("boot"); m.write("etc/os-release", "ID=fedora\n") }, []string{"no-kernel fatal"}, "dnf install kernel dracut"},
		"dracut": {func(m *machine) {
			m.remove("usr/sbin/mkinitramfs")
			m.write("usr/bin/dracut", "")
			m.write(initrdFile, makeInitrd(t, version, nil, ext4Module, virtio, xen))
		}, []string{"initrd-driver warning"}, `dracut -f --add-drivers "nvme" /` + initrdFile + " " + version},
		"mkinitcpio": {func(m *machine) {
			m.remove("usr/sbin/mkinitramfs")
			m.write("usr/bin/mkinitcpio", "")
			m.write(initrdFile, makeInitrd(t, version, nil, ext4Module, virtio, xen))
		}, []string{"initrd-driver warning"}, `MODULES=(/&nvme /' /etc/mkinitcpio.conf && mkinitcpio -P`},
		"another CPU": {func(m *machine) { m.remove("usr/bin/sh") }, []string{"no-loader fatal"}, ""},
	} {
		m := good(t, p, whole)
		m.disk, m.opt.Facts = nil, nil
		m.remove(grubCfg, "boot/efi", "etc/fstab")
		m.write("usr/lib/shim/shimx64.efi.signed", string(p.shim))
		m.write("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", string(p.grub))
		c.change(m)
		r := m.check()
		if !slices.Equal(findings(r), c.want) || len(r.Findings) > 0 && !strings.Contains(r.Findings[0].Cure, c.cure) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
