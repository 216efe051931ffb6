package walker

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"purebundle/walker/mounttable"
)

// judgeTable runs the policy over a mount table in the kernel's format and returns the decisions, SOURCE's mount left out.
func judgeTable(t *testing.T, text string, id int, point string, opt Options) ([]string, error) {
	t.Helper()
	lines, err := mounttable.Parse(text)
	must(t, err)
	p := &policy{table: newTable(lines, id, point), alone: opt.OneFileSystem, crossAll: opt.CrossAll}
	if err := p.judgeAll(point, opt); err != nil {
		return nil, err
	}
	var out []string
	for _, m := range p.list()[1:] {
		out = append(out, fmt.Sprintf("%s %s: %s, %s", m.Path, m.FSType, m.Action, m.Reason))
	}
	return out, nil
}

const server = `21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 0:21 / /proc rw - proc proc rw
23 22 0:30 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
24 21 0:22 / /sys rw - sysfs sysfs rw
25 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
26 21 0:6 / /dev rw - devtmpfs udev rw
27 26 0:24 / /dev/shm rw - tmpfs tmpfs rw
28 21 0:25 / /run rw - tmpfs tmpfs rw
29 28 0:40 / /run/user/1000 rw - tmpfs tmpfs rw
30 21 8:2 / /home rw - xfs /dev/sda2 rw
31 30 0:41 / /home/u/remote rw - fuse.sshfs u@host: rw
32 21 0:42 / /srv/nfs rw - nfs4 host:/export rw
33 21 7:3 / /snap/core/1 ro - squashfs /dev/loop3 ro
34 21 8:3 / /opt/rom ro - squashfs /dev/sda3 ro
35 21 11:0 / /cdrom ro - iso9660 /dev/sr0 ro
36 21 8:1 /var/lib/x /srv/x rw - ext4 /dev/sda1 rw
37 21 8:4 /sub /data/sub rw - ext4 /dev/sdb rw
38 21 8:4 / /data/all rw - ext4 /dev/sdb rw
39 21 0:21 /uptime /etc/uptime rw - proc proc rw
40 21 0:50 / /weird rw - newfs none rw
41 21 8:9 / /weird2 rw - newfs /dev/sdc rw
42 21 0:51 / /var/lib/docker/overlay2/a/merged rw - overlay overlay rw
43 21 0:4 net:[4026532] /var/netns rw - nsfs nsfs rw
44 21 8:5 / /mnt/usb rw - vfat /dev/sdd1 rw
45 21 0:60 / /fake rw - tmpfs proc rw
46 21 8:1 /tmp/in /srv/in rw - ext4 /dev/sda1 rw
47 21 8:6 / /tmp rw - ext4 /dev/sde rw
`

func TestPolicy(t *testing.T) {
	disk := func(fs string) string { return fs + ": crossed, local disk file system (" + fs + ")" }
	kernel := func(fs string) string { return fs + ": left out, kernel file system (" + fs + ")" }
	defaults := []string{
		"/cdrom iso9660: left out, read-only image (iso9660)",
		"/data/all " + disk("ext4"),
		"/data/sub ext4: left out, shows what is in the tree at /data/all/sub already",
		"/dev " + kernel("devtmpfs"),
		"/dev/shm tmpfs: left out, below /dev (devtmpfs), which is left out",
		"/etc/uptime proc: refused, bind of /uptime of the proc file system",
		"/fake tmpfs: refused, tmpfs file system with the source name proc",
		"/home " + disk("xfs"),
		"/home/u/remote fuse.sshfs: left out, network or FUSE file system (fuse.sshfs)",
		"/mnt/usb vfat: left out, left out by the default for /mnt",
		"/opt/rom " + disk("squashfs"),
		"/proc proc: refused, proc file system",
		"/proc/sys/fs/binfmt_misc autofs: left out, below /proc (proc), which is refused",
		"/run tmpfs: left out, file system in memory (tmpfs)",
		"/run/user/1000 tmpfs: left out, below /run (tmpfs), which is left out",
		"/snap/core/1 squashfs: left out, read-only image (squashfs)",
		"/srv/in " + disk("ext4"), // what it shows is below /tmp, and so not in the tree
		"/srv/nfs nfs4: left out, network or FUSE file system (nfs4)",
		"/srv/x ext4: left out, shows what is in the tree at /var/lib/x already",
		"/sys sysfs: refused, sysfs file system",
		"/sys/fs/cgroup " + kernel("cgroup2"),
		"/tmp " + disk("ext4") + ", but the default for /tmp",
		"/var/lib/docker/overlay2/a/merged overlay: left out, layered file system (overlay) made of directories elsewhere",
		"/var/netns " + kernel("nsfs"),
		"/weird newfs: left out, file system of an unknown type (newfs)",
		"/weird2 newfs: crossed, local disk file system (newfs)",
	}
	tests := []struct {
		name, table string
		id          int
		point       string
		opt         Options
		want        []string
	}{
		{"a server", server, 21, "/", Options{}, defaults},
		{"below a source", server, 21, "/srv", Options{}, []string{
			"/in " + disk("ext4"), "/nfs nfs4: left out, network or FUSE file system (nfs4)", "/x " + disk("ext4")}},
		{"source is a mount", server, 30, "/home", Options{}, []string{"/u/remote fuse.sshfs: left out, network or FUSE file system (fuse.sshfs)"}},
		{"source in a mount", server, 30, "/home/u", Options{}, []string{"/remote fuse.sshfs: left out, network or FUSE file system (fuse.sshfs)"}},
		{"prefix of a name is no parent", server, 21, "/da", Options{}, nil},
		{"source's mount not in the table (chroot)", "50 49 0:21 / /proc rw - proc proc rw\n", 49, "/", Options{}, []string{"/proc proc: refused, proc file system"}},
		{"hidden by a mount above", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 / /a/b rw - ext4 /dev/sdb rw
3 1 0:9 / /a rw - tmpfs none rw
`, 1, "/", Options{Cross: []string{"/a"}}, []string{
			"/a tmpfs: crossed, file system in memory (tmpfs), to be crossed by request", "/a/b ext4: left out, ext4 hidden by the tmpfs on /a"}},
		{"stacked", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 / /a rw - ext4 /dev/sdb rw
3 2 8:3 / /a rw - xfs /dev/sdc rw
4 3 8:4 / /a/c rw - ext4 /dev/sdd rw
`, 1, "/", Options{}, []string{"/a ext4: left out, ext4 hidden by the xfs on /a", "/a " + disk("xfs"), "/a/c " + disk("ext4")}},
		{"disk over proc", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:5 / /a rw - proc proc rw
3 2 8:3 / /a rw - xfs /dev/sdc rw
4 3 8:4 / /a/c rw - ext4 /dev/sdd rw
`, 1, "/", Options{}, []string{"/a proc: refused, proc file system, hidden by the xfs on /a", "/a xfs: refused, xfs mounted over proc file system",
			"/a/c ext4: left out, below /a (xfs), which is refused"}},
		{"btrfs subvolumes", `1 0 0:30 /@ / rw - btrfs /dev/sda1 rw
2 1 0:30 /@home /home rw - btrfs /dev/sda1 rw
3 1 0:30 /@/usr /srv/usr rw - btrfs /dev/sda1 rw
`, 1, "/", Options{}, []string{"/home " + disk("btrfs"), "/srv/usr btrfs: left out, shows what is in the tree at /usr already"}},
		{"two mounts of one disk", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 / /b rw - ext4 /dev/sdb rw
3 1 8:2 / /a rw - ext4 /dev/sdb rw
`, 1, "/", Options{}, []string{"/a ext4: left out, shows what is in the tree at /b already", "/b " + disk("ext4")}},
		{"bind whose origin is covered", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:1 /a /b rw - ext4 /dev/sda1 rw
3 1 8:2 / /a rw - ext4 /dev/sdb rw
`, 1, "/", Options{}, []string{"/a " + disk("ext4"), "/b " + disk("ext4")}},
		{"bind whose origin is left out", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:1 /var/tmp/a /b rw - ext4 /dev/sda1 rw
`, 1, "/", Options{}, []string{"/b " + disk("ext4")}},
		{"whole disk below a bind of its part", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 /part /a rw - ext4 /dev/sdb rw
3 2 8:2 / /a/all rw - ext4 /dev/sdb rw
`, 1, "/", Options{}, []string{"/a " + disk("ext4"), "/a/all " + disk("ext4")}},
		{"bind of something deleted", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:1 /var/x//deleted /b rw - ext4 /dev/sda1 rw
`, 1, "/", Options{}, []string{"/b " + disk("ext4")}},
		{"bind onto itself", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:1 /a /a rw - ext4 /dev/sda1 rw
`, 1, "/", Options{}, []string{"/a " + disk("ext4")}},
		{"bind of the source into itself", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:1 / /srv/root rw - ext4 /dev/sda1 rw
3 2 8:2 / /srv/root/x rw - ext4 /dev/sdb rw
`, 1, "/", Options{}, []string{"/srv/root ext4: left out, shows the source's own file system once more",
			"/srv/root/x ext4: left out, below /srv/root (ext4), which is left out"}},
		{"escaped names", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 / /a\040b\134c\012 rw - ext4 /dev/sdb rw
`, 1, "/", Options{}, []string{"/a b\\c\n " + disk("ext4")}},
		{"sysext: an overlay over its own /usr", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:50 / /usr ro,nodev - overlay sysext ro,lowerdir=/run/systemd/sysext/meta/usr:/run/systemd/sysext/extensions/a/usr:/usr
3 1 0:51 / /srv/merged rw - overlay overlay rw,lowerdir=/var/lib/l1:/var/lib/l2,upperdir=/var/lib/u,workdir=/var/lib/w
`, 1, "/", Options{}, []string{
			"/srv/merged overlay: left out, layered file system (overlay) made of directories elsewhere",
			"/usr overlay: crossed, layered file system (overlay) over its own directory; nodev: without device nodes"}},
		{"an overlay that early boot made, a colon in a name, the new options", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:50 / /etc rw - overlay overlay rw,lowerdir=/sysroot/usr/share/etc,upperdir=/sysroot/etc,workdir=/sysroot/.work
3 1 0:51 / /var/a:b rw - overlay none rw,lowerdir=/x:/var/a\134:b,upperdir=/y
4 1 0:52 / /opt rw - overlay none rw,lowerdir+=/x,lowerdir+=/opt
5 1 0:53 / /home rw - overlay none rw,lowerdir=/x,upperdir=/homes,workdir=/w
6 1 0:54 / /srv rw - overlay none rw,lowerdir=/x,upperdir=/srv/up,workdir=/srv/w
`, 1, "/", Options{}, []string{
			"/etc overlay: crossed, layered file system (overlay) over its own directory",
			"/home overlay: left out, layered file system (overlay) made of directories elsewhere",
			"/opt overlay: crossed, layered file system (overlay) over its own directory",
			"/srv overlay: crossed, layered file system (overlay) over its own directory",
			"/var/a:b overlay: crossed, layered file system (overlay) over its own directory"}},
		{"log2ram: the layer is a bind of the mount point", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:1 /var/log /opt/log.bind rw - ext4 /dev/sda1 rw
3 1 0:9 / /var/log rw - overlay overlay rw,lowerdir=/opt/log.bind,upperdir=/opt/zram/up,workdir=/opt/zram/w
`, 1, "/", Options{}, []string{
			"/opt/log.bind " + disk("ext4"),
			"/var/log overlay: crossed, layered file system (overlay) over its own directory"}},
		{"btrfs with its top level in the tree", `1 0 0:30 /@ / rw - btrfs /dev/sda1 rw
2 1 0:30 / /mnt2/top rw - btrfs /dev/sda1 rw
3 1 0:30 /@home /home rw - btrfs /dev/sda1 rw
`, 1, "/", Options{}, []string{"/home " + disk("btrfs"), "/mnt2/top btrfs: left out, shows the source's own file system once more"}},
		{"the host's / in a chroot that is the source", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:1 / /srv/chroot/host rw - ext4 /dev/sda1 rw
3 1 8:1 /etc/x /srv/chroot/etc/x rw - ext4 /dev/sda1 rw
`, 1, "/srv/chroot", Options{}, []string{"/etc/x " + disk("ext4"), "/host ext4: left out, shows the source's own file system once more"}},
		{"bind whose origin's contents are excluded", `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:1 /data/www /srv/www rw - ext4 /dev/sda1 rw
3 1 8:1 /data/other /srv/other rw - ext4 /dev/sda1 rw
`, 1, "/", Options{Exclude: []string{"/data/www/**"}}, []string{"/srv/other ext4: left out, shows what is in the tree at /data/other already", "/srv/www " + disk("ext4")}},
		{"a line of a megabyte", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:50 / /usr ro - overlay x ro,lowerdir=" + strings.Repeat("/some/layer:", 90_000) + "/usr\n", 1, "/",
			Options{}, []string{"/usr overlay: crossed, layered file system (overlay) over its own directory"}},
		{"alone", server, 30, "/home", Options{OneFileSystem: true, Cross: []string{"/u/remote"}},
			[]string{"/u/remote fuse.sshfs: crossed, network or FUSE file system (fuse.sshfs), to be crossed by request"}},
		{"all", server + "48 21 8:1 / /srv/root rw - ext4 /dev/sda1 rw\n", 21, "/", Options{CrossAll: true}, []string{
			"/cdrom iso9660: crossed, read-only image (iso9660)",
			"/data/all " + disk("ext4"),
			"/data/sub " + disk("ext4"),
			"/dev " + kernel("devtmpfs"),
			"/dev/shm tmpfs: left out, below /dev (devtmpfs), which is left out",
			"/etc/uptime proc: refused, bind of /uptime of the proc file system",
			"/fake tmpfs: refused, tmpfs file system with the source name proc",
			"/home " + disk("xfs"),
			"/home/u/remote fuse.sshfs: crossed, network or FUSE file system (fuse.sshfs)",
			"/mnt/usb vfat: left out, left out by the default for /mnt",
			"/opt/rom " + disk("squashfs"),
			"/proc proc: refused, proc file system",
			"/proc/sys/fs/binfmt_misc autofs: left out, below /proc (proc), which is refused",
			"/run tmpfs: crossed, file system in memory (tmpfs), but the default for /run",
			"/run/user/1000 tmpfs: left out, left out by the default for /run",
			"/snap/core/1 squashfs: crossed, read-only image (squashfs)",
			"/srv/in " + disk("ext4"),
			"/srv/nfs nfs4: crossed, network or FUSE file system (nfs4)",
			"/srv/root ext4: left out, shows the source's own file system once more",
			"/srv/x " + disk("ext4"),
			"/sys sysfs: refused, sysfs file system",
			"/sys/fs/cgroup " + kernel("cgroup2"),
			"/tmp " + disk("ext4") + ", but the default for /tmp",
			"/var/lib/docker/overlay2/a/merged overlay: crossed, layered file system (overlay) made of directories elsewhere",
			"/var/netns " + kernel("nsfs"),
			"/weird newfs: crossed, file system of an unknown type (newfs)",
			"/weird2 newfs: crossed, local disk file system (newfs)",
		}},
		{"all, but on one file system", server, 30, "/home", Options{OneFileSystem: true, CrossAll: true},
			[]string{"/u/remote fuse.sshfs: left out, another file system than the source's"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := judgeTable(t, test.table, test.id, test.point, test.opt)
			must(t, err)
			diff(t, "mounts", got, test.want)
		})
	}
}

func TestPolicyCross(t *testing.T) {
	for path, reason := range map[string]string{
		"/proc": "proc file system", "/etc/uptime": "bind of /uptime", "/fake": "source name proc", "/dev": "kernel file system", "/sys/fs/cgroup": "kernel",
	} {
		_, err := judgeTable(t, server, 21, "/", Options{Cross: []string{path}})
		if refused := new(RefusedError); !errors.As(err, &refused) || !strings.Contains(refused.Reason, reason) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for path, reason := range map[string]string{"/run/user/1000": "below /run", "/dev/shm": "below /dev"} {
		_, err := judgeTable(t, server, 21, "/", Options{Cross: []string{path}})
		if left := new(LeftOutError); !errors.As(err, &left) || !strings.Contains(left.Reason, reason) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{"/run", "/srv/nfs", "/snap/core/1", "/srv/x", "/weird", "/mnt/usb", "mnt/usb/", "/"} {
		if _, err := judgeTable(t, server, 21, "/", Options{Cross: []string{path}}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestSourceClass(t *testing.T) {
	for point, id := range map[string]int{"/proc": 22, "/sys": 24, "/sys/fs/cgroup": 25, "/dev": 26, "/proc/1/task": 22} {
		_, err := judgeTable(t, server, id, point, Options{})
		if refused := new(RefusedError); !errors.As(err, &refused) || refused.Path != point {
			t.Errorf("%s: %v", point, err)
		}
	}
}

// TestManyMounts judges tables that took minutes when each mount was compared with each other. It has no clock: at the time that a
// square takes, the tests' own limit ends it.
func TestManyMounts(t *testing.T) {
	const n = 32_000
	var flat, stacked, nested, binds, covered strings.Builder
	point := ""
	for i := range n {
		fmt.Fprintf(&flat, "%d 1 0:%d / /m/%d rw - tmpfs none rw\n", i+2, i+20, i)
		fmt.Fprintf(&stacked, "%d %d 8:%d / /a rw - ext4 /dev/x rw\n", i+2, i+1, i+20)
		fmt.Fprintf(&binds, "%d 1 8:1 /data /m/%d rw - ext4 /dev/sda1 rw\n", i+2, i)
		fmt.Fprintf(&covered, "%d 1 8:1 /tmp/x /m/%d rw - ext4 /dev/sda1 rw\n", i+2, i)
		if i < 1000 {
			point += "/d"
			fmt.Fprintf(&nested, "%d %d 8:%d / %s rw - ext4 /dev/x rw\n", i+2, i+1, i+20, point)
		}
	}
	for name, want := range map[string]int{"flat": n, "stacked": n, "nested": 1000, "binds": n, "binds of what is left out": n} {
		text := map[string]*strings.Builder{"flat": &flat, "stacked": &stacked, "nested": &nested, "binds": &binds, "binds of what is left out": &covered}[name]
		got, err := judgeTable(t, "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"+text.String(), 1, "/", Options{})
		must(t, err)
		if len(got) != want {
			t.Errorf("%s: %d mounts, want %d", name, len(got), want)
		}
	}
}

// TestMissing says of each mount that is left out whether its content is somewhere else.
func TestMissing(t *testing.T) {
	const table = `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:9 / /run rw - tmpfs tmpfs rw
3 2 8:2 / /run/media/u/stick rw - vfat /dev/sdb1 rw
4 1 8:3 / /mnt/disk rw - ext4 /dev/sdc rw
5 1 0:10 / /var/log rw - tmpfs log rw
6 5 8:4 / /var/log/journal rw - ext4 /dev/sdd rw
7 5 8:1 /srv /var/log/srv rw - ext4 /dev/sda1 rw
8 1 0:11 / /net rw - nfs4 host:/ rw
9 1 7:0 / /snap/core rw - squashfs /dev/loop0 rw
10 1 0:12 / /d/merged rw - overlay overlay rw,lowerdir=/d/l1:/d/l2,upperdir=/d/u,workdir=/d/w
11 1 0:13 / /e/merged rw - overlay overlay rw,lowerdir=/d/l1,upperdir=/run/u,workdir=/run/w
12 1 8:5 / /excluded rw - xfs /dev/sde rw
13 1 0:14 / /dev rw - devtmpfs udev rw
14 13 0:15 / /dev/shm rw - tmpfs tmpfs rw
15 1 8:1 / /again rw - ext4 /dev/sda1 rw
16 5 8:6 / /var/log/named rw - ext4 /dev/sdf rw
`
	lines, err := mounttable.Parse(table)
	must(t, err)
	for _, test := range []struct {
		opt  Options
		want map[string]Missing
	}{
		{Options{Exclude: []string{"/excluded", "/var/log/named"}}, map[string]Missing{
			"/run/media/u/stick": MissingNamed, "/mnt/disk": MissingNamed, "/var/log": MissingAway, "/var/log/journal": MissingDisk, "/net": MissingAway,
			"/e/merged": MissingDisk, "/excluded": MissingNamed, "/var/log/named": MissingNamed}},
		{Options{OneFileSystem: true, Exclude: []string{"/run"}}, map[string]Missing{"/run/media/u/stick": MissingNamed, "/mnt/disk": MissingNamed,
			"/var/log/journal": MissingNamed, "/var/log/named": MissingNamed, "/var/log/srv": MissingNamed, "/excluded": MissingNamed, "/again": MissingNamed}},
	} {
		p := &policy{table: newTable(lines, 1, "/"), alone: test.opt.OneFileSystem}
		must(t, p.judgeAll("/", test.opt))
		for _, m := range p.mounts {
			if m.Missing != test.want[m.Path] {
				t.Errorf("%s (%s): missing %d, want %d", m.Path, m.Reason, m.Missing, test.want[m.Path])
			}
		}
	}
}

// TestApart has a mount that the disk which is made has as a partition of its own: it is not
// merged into the tree, and nothing is missing.
func TestApart(t *testing.T) {
	lines, err := mounttable.Parse(`1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:15 / /boot/efi rw - vfat /dev/sda15 rw
3 1 8:16 / /home rw - ext4 /dev/sda16 rw
`)
	must(t, err)
	for _, test := range []struct {
		opt  Options
		want Action
	}{
		{Options{Apart: []string{"/boot/efi"}}, LeftOut},
		{Options{Apart: []string{"boot/efi/"}}, LeftOut},
		{Options{Apart: []string{"/boot/efi"}, Cross: []string{"/boot/efi"}}, Crossed},
		{Options{}, Crossed},
	} {
		p := &policy{table: newTable(lines, 1, "/")}
		must(t, p.judgeAll("/", test.opt))
		for _, m := range p.mounts {
			want := test.want
			if m.Path != "/boot/efi" {
				want = Crossed
			}
			if m.Action != want || m.Missing != NotMissing {
				t.Errorf("%+v: %s is %s (%s), missing %d; want %s", test.opt, m.Path, m.Action, m.Reason, m.Missing, want)
			}
		}
	}
}

// TestMissingBelow has mounts below one that is left out because the tree has its content elsewhere: theirs it may not have.
func TestMissingBelow(t *testing.T) {
	for text, want := range map[string]map[string]Missing{
		`1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:1 / /srv/root rw - ext4 /dev/sda1 rw
3 2 8:2 / /srv/root/x rw - ext4 /dev/sdb rw
4 1 8:3 / /home rw - xfs /dev/sdc rw
5 2 8:3 / /srv/root/home rw - xfs /dev/sdc rw
6 1 0:9 / /var/log rw - tmpfs log rw
7 2 0:9 / /srv/root/var/log rw - tmpfs log rw
8 2 0:10 / /srv/root/mem rw - tmpfs mem rw
9 2 8:3 /u /srv/root/u rw - xfs /dev/sdc rw
`: {"/srv/root/x": MissingDisk, "/var/log": MissingAway, "/srv/root/mem": MissingAway},
		`1 0 0:30 /@ / rw - btrfs /dev/sda1 rw
2 1 0:30 / /top rw - btrfs /dev/sda1 rw
3 1 0:30 /@ /same rw - btrfs /dev/sda1 rw
4 1 0:30 /@old /old rw - btrfs /dev/sda1 rw
5 4 8:1 / /old/disk rw - ext4 /dev/sdb rw
`: {"/top": MissingNamed, "/old": MissingNamed, "/old/disk": MissingNamed},
	} {
		lines, err := mounttable.Parse(text)
		must(t, err)
		p := &policy{table: newTable(lines, 1, "/"), snapshot: func(m *mount) bool { return m.Root == "/@old" }}
		must(t, p.judgeAll("/", Options{}))
		for _, m := range p.mounts {
			if m.Missing != want[m.Path] {
				t.Errorf("%s (%s): missing %d, want %d", m.Path, m.Reason, m.Missing, want[m.Path])
			}
		}
	}
}
