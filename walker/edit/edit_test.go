package edit_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/edit"
)

const (
	rootUUID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
	efiUUID  = "7B77-95E7"
)

// facts returns those of a machine whose root was of a type.
func facts(kind string, more func(*edit.Facts)) *edit.Facts {
	f := &edit.Facts{Source: edit.Volume{Type: kind, UUID: rootUUID, Devices: []string{"/dev/sda2"}}, Root: edit.Volume{UUID: rootUUID}}
	if more != nil {
		more(f)
	}
	return f
}

// machines have the texts of fstab as installers write them, and what is to become of
// them. rows are what findmnt reads in the result: source, target, type and options.
var machines = []struct {
	name     string
	facts    *edit.Facts
	old, now string
	rows     string
	names    []string
}{
	{
		"Debian, btrfs", facts("btrfs", func(f *edit.Facts) { f.Merged = []string{"/home", "/boot/efi"} }),
		"# /etc/fstab: static file system information.\n#\n# <file system> <mount point>   <type>  <options>       <dump>  <pass>\n" +
			"UUID=" + rootUUID + " /               btrfs   defaults,subvol=@rootfs 0       0\n" +
			"UUID=" + rootUUID + " /home           btrfs   defaults,subvol=@home 0       0\n" +
			"# /boot/efi was on /dev/sda1 during installation\n" +
			"UUID=7B77-95E7  /boot/efi       vfat    umask=0077      0       1\n" +
			"UUID=3e6be9de-8139-11d1-9106-a43f08d823a6 none            swap    sw              0       0\n" +
			"/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0\n",
		"# /etc/fstab: static file system information.\n#\n# <file system> <mount point>   <type>  <options>       <dump>  <pass>\n" +
			"# purebundle: type ext4 instead of btrfs, without subvol=@rootfs\n" +
			"UUID=" + rootUUID + " /               ext4   defaults 0       0\n" +
			"# purebundle: commented out, what was in /home is in the file system of / now\n" +
			"#UUID=" + rootUUID + " /home           btrfs   defaults,subvol=@home 0       0\n" +
			"# /boot/efi was on /dev/sda1 during installation\n" +
			"# purebundle: commented out, what was in /boot/efi is in the file system of / now\n" +
			"#UUID=7B77-95E7  /boot/efi       vfat    umask=0077      0       1\n" +
			"# purebundle: commented out, this swap does not come along\n" +
			"#UUID=3e6be9de-8139-11d1-9106-a43f08d823a6 none            swap    sw              0       0\n" +
			"/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0\n",
		"UUID=" + rootUUID + " / ext4 defaults\n/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto\n",
		[]string{"fstab-type", "fstab-merged", "fstab-absent"},
	},
	{
		"Ubuntu, a data disk", facts("xfs", func(f *edit.Facts) { f.Swap = []string{"/swap.img"} }),
		"/dev/disk/by-uuid/" + rootUUID + " / xfs defaults 0 1\n/swap.img\tnone\tswap\tsw\t0\t0\n" +
			"LABEL=data /srv/data\\040disk ext4 defaults,noatime 0 2\n/srv/data\\040disk/home /home none bind\nLABEL=spare /spare ext4 nofail 0 2",
		"# purebundle: type ext4 instead of xfs\n/dev/disk/by-uuid/" + rootUUID + " / ext4 defaults 0 1\n" +
			"# purebundle: commented out, this swap file is not in the image\n#/swap.img\tnone\tswap\tsw\t0\t0\n" +
			"# purebundle: nofail, its device does not come along\nLABEL=data /srv/data\\040disk ext4 defaults,noatime,nofail 0 2\n" +
			"# purebundle: nofail, the device of /srv/data disk does not come along\n/srv/data\\040disk/home /home none bind,nofail\nLABEL=spare /spare ext4 nofail 0 2",
		"/dev/disk/by-uuid/" + rootUUID + " / ext4 defaults\nLABEL=data /srv/data\\x20disk ext4 defaults,noatime,nofail\n/srv/data\\x20disk/home /home none bind,nofail\nLABEL=spare /spare ext4 nofail\n",
		[]string{"fstab-type", "fstab-absent"},
	},
	{
		"Amazon Linux 2023, its ESP comes along", facts("xfs", func(f *edit.Facts) { f.Along = []edit.Volume{{UUID: efiUUID, Devices: []string{"/dev/nvme0n1p128"}}} }),
		"#\nUUID=" + rootUUID + "     /           xfs    defaults,noatime  1   1\nUUID=7B77-95E7        /boot/efi       vfat    defaults,noatime,uid=0,gid=0,umask=0077,shortname=winnt,x-systemd.automount 0 2\n",
		"#\n# purebundle: type ext4 instead of xfs\nUUID=" + rootUUID + "     /           ext4    defaults,noatime  1   1\nUUID=7B77-95E7        /boot/efi       vfat    defaults,noatime,uid=0,gid=0,umask=0077,shortname=winnt,x-systemd.automount 0 2\n",
		"UUID=" + rootUUID + " / ext4 defaults,noatime\nUUID=7B77-95E7 /boot/efi vfat defaults,noatime,uid=0,gid=0,umask=0077,shortname=winnt,x-systemd.automount\n",
		[]string{"fstab-type"},
	},
	{
		"RHEL on LVM", facts("xfs", func(f *edit.Facts) {
			f.Source.Devices, f.Merged = []string{"/dev/mapper/rhel-root"}, []string{"/boot", "/home"}
		}),
		"\n/dev/mapper/rhel-root   /                       xfs     defaults,inode64,uquota,prjquota        0 0\n" +
			"UUID=aaaaaaaa-8139-11d1-9106-a43f08d823a6 /boot                   xfs     defaults        0 0\n" +
			"/dev/mapper/rhel-home   /home                   xfs     defaults        0 0\n" +
			"/dev/mapper/rhel-swap   none                    swap    defaults        0 0\n" +
			"filer:/export /net nfs defaults 0 0\n//filer/share /smb cifs credentials=/root/c 0 0\n/dev/sdx /iscsi xfs _netdev 0 0\n",
		"\n# purebundle: UUID=" + rootUUID + " instead of /dev/mapper/rhel-root; type ext4 instead of xfs, without inode64,uquota,prjquota\n" +
			"UUID=" + rootUUID + "   /                       ext4     defaults        0 0\n" +
			"# purebundle: commented out, what was in /boot is in the file system of / now\n" +
			"#UUID=aaaaaaaa-8139-11d1-9106-a43f08d823a6 /boot                   xfs     defaults        0 0\n" +
			"# purebundle: commented out, what was in /home is in the file system of / now\n" +
			"#/dev/mapper/rhel-home   /home                   xfs     defaults        0 0\n" +
			"# purebundle: commented out, this swap does not come along\n" +
			"#/dev/mapper/rhel-swap   none                    swap    defaults        0 0\n" +
			"filer:/export /net nfs defaults 0 0\n//filer/share /smb cifs credentials=/root/c 0 0\n/dev/sdx /iscsi xfs _netdev 0 0\n",
		"UUID=" + rootUUID + " / ext4 defaults\nfiler:/export /net nfs defaults\n//filer/share /smb cifs credentials=/root/c\n/dev/sdx /iscsi xfs _netdev\n",
		[]string{"uuid", "fstab-type", "fstab-merged", "fstab-absent"},
	},
	{
		"openSUSE, subvolumes", facts("btrfs", func(f *edit.Facts) { f.Merged = []string{"/var"} }),
		"UUID=" + rootUUID + "  /            btrfs  compress=zstd:1  0  0\nUUID=" + rootUUID + "  /var         btrfs  subvol=/@/var                 0  0\n" +
			"UUID=" + rootUUID + "  /.snapshots  btrfs  subvol=/@/.snapshots          0  0\ntmpfs /tmp tmpfs defaults,size=2G 0 0\n",
		"# purebundle: type ext4 instead of btrfs, without compress=zstd:1\nUUID=" + rootUUID + "  /            ext4  defaults  0  0\n" +
			"# purebundle: commented out, what was in /var is in the file system of / now\n#UUID=" + rootUUID + "  /var         btrfs  subvol=/@/var                 0  0\n" +
			"# purebundle: commented out, the btrfs that /.snapshots was of is the ext4 of / now\n#UUID=" + rootUUID + "  /.snapshots  btrfs  subvol=/@/.snapshots          0  0\ntmpfs /tmp tmpfs defaults,size=2G 0 0\n",
		"UUID=" + rootUUID + " / ext4 defaults\ntmpfs /tmp tmpfs defaults,size=2G\n",
		[]string{"fstab-type", "fstab-merged"},
	},
	{
		"CRLF, and no end", facts("f2fs", nil),
		"# by hand\r\n  LABEL=root\t/\tf2fs\tbackground_gc=on,context=\"a_u:b_r:c_t:s0:c1,c2\",noatime\t0 1\r\nproc /proc proc defaults 0 0",
		"# by hand\r\n# purebundle: UUID=" + rootUUID + " instead of LABEL=root; type ext4 instead of f2fs, without background_gc=on\r\n" +
			"  UUID=" + rootUUID + "\t/\text4\tcontext=\"a_u:b_r:c_t:s0:c1,c2\",noatime\t0 1\r\nproc /proc proc defaults 0 0",
		"", // findmnt takes a carriage return for a part of a field
		[]string{"uuid", "fstab-type"},
	},
	{
		"a disk of ext4 by device names", facts("ext4", func(f *edit.Facts) {
			f.Root.Devices = []string{"/dev/sda1"}
			f.Along = []edit.Volume{{UUID: efiUUID, PartUUID: "0001-15", Devices: []string{"/dev/sda15"}}}
		}),
		"/dev/sda1 / ext4 rw,inode64 0 1\n/dev/sda15 /boot/efi vfat umask=0077 0 1\nPARTUUID=0001-15 /efi vfat noauto\n/dev/sda1 /srv ext4\n/dev/sdb /data ext4\n",
		"# purebundle: UUID=" + rootUUID + " instead of /dev/sda1\nUUID=" + rootUUID + " / ext4 rw,inode64 0 1\n# purebundle: UUID=7B77-95E7 instead of /dev/sda15\nUUID=7B77-95E7 /boot/efi vfat umask=0077 0 1\nPARTUUID=0001-15 /efi vfat noauto\n" +
			"# purebundle: UUID=" + rootUUID + " instead of /dev/sda1\nUUID=" + rootUUID + " /srv ext4\n# purebundle: nofail, its device does not come along\n/dev/sdb /data ext4\tdefaults,nofail\n",
		"UUID=" + rootUUID + " / ext4 rw,inode64\nUUID=7B77-95E7 /boot/efi vfat umask=0077\nPARTUUID=0001-15 /efi vfat noauto\nUUID=" + rootUUID + " /srv ext4\n/dev/sdb /data ext4 defaults,nofail\n",
		[]string{"uuid", "fstab-absent"},
	},
	{
		"root's name is not that of the mount table", facts("btrfs", nil),
		"/dev/vg/lv / btrfs rw\n/dev/vg/lv /top btrfs subvolid=5\n/dev/vg/data /data ext4 x-systemd.automount\n/dev/vg/later /later ext4 noauto\n",
		"# purebundle: UUID=" + rootUUID + " instead of /dev/vg/lv; type ext4 instead of btrfs\nUUID=" + rootUUID + " / ext4 rw\n" +
			"# purebundle: commented out, the btrfs that /top was of is the ext4 of / now\n#/dev/vg/lv /top btrfs subvolid=5\n/dev/vg/data /data ext4 x-systemd.automount\n/dev/vg/later /later ext4 noauto\n",
		"UUID=" + rootUUID + " / ext4 rw\n/dev/vg/data /data ext4 x-systemd.automount\n/dev/vg/later /later ext4 noauto\n",
		[]string{"uuid", "fstab-type", "fstab-merged"},
	},
	{
		"RHEL, a /boot of its own", facts("xfs", func(f *edit.Facts) {
			f.Along = []edit.Volume{
				{Type: "xfs", UUID: "aaaaaaaa-8139-11d1-9106-a43f08d823a6", Label: "boot", Devices: []string{"/dev/sda1", "LABEL=too long for an ext4"}, Ext4: true},
				{Type: "vfat", UUID: efiUUID},
				{Type: "ext4", UUID: "bbbbbbbb-8139-11d1-9106-a43f08d823a6", Ext4: true},
			}
		}),
		"UUID=" + rootUUID + " / xfs defaults 0 0\nUUID=aaaaaaaa-8139-11d1-9106-a43f08d823a6 /boot xfs defaults,inode64,x-systemd.automount 0 0\nUUID=7B77-95E7 /boot/efi vfat umask=0077,shortname=winnt 0 2\n" +
			"LABEL=too\\040long\\040for\\040an\\040ext4 /again xfs noauto,logbsize=256k\nUUID=bbbbbbbb-8139-11d1-9106-a43f08d823a6 /more ext4 inode_readahead_blks=8\n",
		"# purebundle: type ext4 instead of xfs\nUUID=" + rootUUID + " / ext4 defaults 0 0\n# purebundle: type ext4 instead of xfs, without inode64\nUUID=aaaaaaaa-8139-11d1-9106-a43f08d823a6 /boot ext4 defaults,x-systemd.automount 0 0\nUUID=7B77-95E7 /boot/efi vfat umask=0077,shortname=winnt 0 2\n" +
			"# purebundle: UUID=aaaaaaaa-8139-11d1-9106-a43f08d823a6 instead of LABEL=too\\040long\\040for\\040an\\040ext4; type ext4 instead of xfs, without logbsize=256k\nUUID=aaaaaaaa-8139-11d1-9106-a43f08d823a6 /again ext4 noauto\nUUID=bbbbbbbb-8139-11d1-9106-a43f08d823a6 /more ext4 inode_readahead_blks=8\n",
		"UUID=" + rootUUID + " / ext4 defaults\nUUID=aaaaaaaa-8139-11d1-9106-a43f08d823a6 /boot ext4 defaults,x-systemd.automount\nUUID=7B77-95E7 /boot/efi vfat umask=0077,shortname=winnt\nUUID=aaaaaaaa-8139-11d1-9106-a43f08d823a6 /again ext4 noauto\nUUID=bbbbbbbb-8139-11d1-9106-a43f08d823a6 /more ext4 inode_readahead_blks=8\n",
		[]string{"fstab-type", "uuid"},
	},
	{"nothing to do", facts("ext4", nil), "UUID=" + rootUUID + " / ext4 errors=remount-ro 0 1\r\n\n#\tx\n \nshort\n", "UUID=" + rootUUID + " / ext4 errors=remount-ro 0 1\r\n\n#\tx\n \nshort\n", "", nil},
	{"empty", facts("xfs", nil), "", "", "", nil},
}

// TestFstab compares each result with what it is to be, and has findmnt read it.
func TestFstab(t *testing.T) {
	imgtest.NeedTool(t, "findmnt")
	for _, m := range machines {
		t.Run(m.name, func(t *testing.T) {
			now, done, err := m.facts.Fstab([]byte(m.old))
			if err != nil {
				t.Fatal(err)
			}
			if string(now) != m.now {
				t.Errorf("it is\n%s\ninstead of\n%s", now, m.now)
			}
			if have := namesOf(done); !slices.Equal(have, m.names) {
				t.Errorf("edits %q instead of %q: %v", have, m.names, done)
			}
			if again, more, _ := m.facts.Fstab(now); string(again) != string(now) || len(more) > 0 {
				t.Errorf("edited again: %v\n%s", more, again)
			}
			if m.rows == "" {
				return
			}
			file := filepath.Join(t.TempDir(), "fstab")
			if err := os.WriteFile(file, now, 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("findmnt", "--tab-file", file, "--raw", "--noheadings", "-o", "SOURCE,TARGET,FSTYPE,OPTIONS", "-t", "noswap").Output()
			rows := strings.ReplaceAll(string(out), " \n", "\n")
			if err != nil || rows != m.rows {
				t.Errorf("findmnt, %v:\n%s\ninstead of\n%s", err, rows, m.rows)
			}
			verdict, _ := exec.Command("findmnt", "--verify", "--tab-file", file).CombinedOutput() // the devices are absent
			if !strings.Contains(string(verdict), "0 parse errors") {
				t.Errorf("findmnt --verify:\n%s", verdict)
			}
		})
	}
}

func namesOf(done []edit.Change) (names []string) {
	for _, c := range done {
		if !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// TestWithout leaves out each edit of fstab by itself: all others are made.
func TestWithout(t *testing.T) {
	for _, m := range machines {
		for _, name := range m.names {
			f := *m.facts
			f.Without = []string{name}
			_, done, _ := f.Fstab([]byte(m.old))
			want := slices.DeleteFunc(slices.Clone(m.names), func(n string) bool { return n == name })
			if have := namesOf(done); !slices.Equal(have, want) {
				t.Errorf("%s without %s: %q instead of %q", m.name, name, have, want)
			}
		}
		f := *m.facts
		f.Without = edit.Names
		if now, done, err := f.Fstab([]byte(m.old)); string(now) != m.old || len(done) > 0 || err != nil {
			t.Errorf("%s without any: %v, %v\n%s", m.name, done, err, now)
		}
	}
}

// TestFiles finds each file by one pattern.
func TestFiles(t *testing.T) {
	files := facts("xfs", nil).Files()
	for _, name := range []string{
		"/etc/fstab", "/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/boot/grub2/grubenv", "/boot/efi/EFI/redhat/grub.cfg", "/boot/efi/EFI/amzn/grubenv",
		"/boot/loader/entries/x.conf", "/etc/kernel/cmdline", "/etc/default/grub", "/etc/default/grub.d/50-cloud.cfg",
	} {
		n := 0
		for _, f := range files {
			if ok, err := path.Match(f.Path, name); err != nil {
				t.Fatal(err)
			} else if ok {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: %d patterns", name, n)
		}
	}
}
