package walker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"
)

// zooTree has an entry of every kind.
func zooTree(t testing.TB) string {
	dir := makeTree(t, t.TempDir(), "dir/sub/file=text", "empty=", "target -> dir/sub", "dangling -> /no where\n", "z/", "z!=sorts before what is in z")
	p := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.Symlink(strings.Repeat("x", 4095), p("long")))
	must(t, unix.Mknod(p("fifo"), unix.S_IFIFO|0o600, 0))
	must(t, unix.Mknod(p("char"), unix.S_IFCHR|0o640, int(unix.Mkdev(300, 70000))))
	must(t, unix.Mknod(p("block"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 1))))
	must(t, unix.Mknod(p("socket"), unix.S_IFSOCK|0o755, 0))
	must(t, os.WriteFile(p("latin1-\xe9\xff\n\\"), []byte("x"), 0o600))
	must(t, os.WriteFile(p(strings.Repeat("n", 255)), nil, 0o600))
	must(t, os.Link(p("dir/sub/file"), p("a-link")))
	must(t, os.Link(p("dir/sub/file"), p("z/link")))
	must(t, os.Link(p("fifo"), p("fifo2")))
	must(t, os.Link(p("dangling"), p("dangling2")))
	must(t, os.Chown(p("empty"), 100000, 4294967294))
	must(t, os.Chmod(p("empty"), 0o777|os.ModeSetuid|os.ModeSetgid))
	must(t, os.Chmod(p("z"), 0o700|os.ModeSticky))
	must(t, os.Lchown(p("target"), 70000, 70001))
	for i, name := range []string{"empty", "dangling", "z", "fifo"} {
		ts := unix.Timespec{Sec: int64(i-2) * 1_000_000_000, Nsec: 123456789 + int64(i)}
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, p(name), []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
	}
	return dir
}

// TestAgainstFind compares every entry with what find(1) prints.
func TestAgainstFind(t *testing.T) {
	needRoot(t)
	dir := zooTree(t)
	res := walkAll(t, dir, Options{})
	out := run(t, "find", dir, "-printf", `%P\0%y\0%m\0%U\0%G\0%s\0%n\0%i\0%A@\0%T@\0%C@\0%l\0`)
	fields := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
	kinds := map[uint32]string{
		unix.S_IFREG: "f", unix.S_IFDIR: "d", unix.S_IFLNK: "l", unix.S_IFIFO: "p", unix.S_IFSOCK: "s", unix.S_IFCHR: "c", unix.S_IFBLK: "b",
	}
	seen := 0
	for f := range slices.Chunk(fields, 12) {
		e := res.entries["/"+f[0]]
		if e == nil {
			t.Errorf("missing %q", f[0])
			continue
		}
		seen++
		size := f[5]
		if f[1] != "f" && f[1] != "l" {
			size = "0"
		}
		stamp := func(ts Time) string { return fmt.Sprintf("%d.%09d0", ts.Sec, ts.Nsec) }
		want := []string{f[1], f[2], f[3], f[4], size, f[6], f[7], f[8], f[9], f[10], f[11]}
		got := []string{
			kinds[e.Mode&unix.S_IFMT], strconv.FormatUint(uint64(e.Mode&0o7777), 8), fmt.Sprint(e.UID), fmt.Sprint(e.GID), fmt.Sprint(e.Size),
			fmt.Sprint(e.Nlink), fmt.Sprint(e.Ino), stamp(e.Atime), stamp(e.Mtime), stamp(e.Ctime), e.Target,
		}
		for i := range want {
			if i == 7 && f[1] == "l" || e.Mtime.Sec < 0 && i >= 7 && i <= 9 { // reading a link touches it; find prints -1.5 s as -2.5
				continue
			}
			if got[i] != want[i] {
				t.Errorf("%q: field %d is %q, find says %q", f[0], i, got[i], want[i])
			}
		}
	}
	if seen != len(res.order) {
		t.Errorf("%d entries, find has %d", len(res.order), seen)
	}
	if c := res.entries["/char"]; c.Major != 300 || c.Minor != 70000 {
		t.Errorf("char: %d,%d", c.Major, c.Minor)
	}
	if e := res.entries["/empty"]; e.Atime != (Time{-2_000_000_000, 123456789}) {
		t.Errorf("time before 1970: %v", e.Atime)
	}
	if res.entries["/empty"].Btime == (Time{}) {
		t.Error("no birth time")
	}
}

func TestOrder(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "b/2", "b/1/x", "b!", "b0", "a", "c/")
	res := walk(t, dir, Options{})
	want := []string{"/", "/a", "/b", "/b/1", "/b/1/x", "/b/2", "/b!", "/b0", "/c"}
	if !slices.Equal(res.order, want) {
		t.Errorf("got %q", res.order)
	}
}

func TestHardLinks(t *testing.T) {
	needRoot(t)
	res := walkAll(t, zooTree(t), Options{})
	for p, want := range map[string]string{
		"/a-link": "", "/dir/sub/file": "/a-link", "/z/link": "/a-link", "/fifo": "", "/fifo2": "/fifo", "/dangling2": "/dangling", "/empty": "", "/z": "",
	} {
		if got := res.entries[p].Link; got != want {
			t.Errorf("%s: link %q, want %q", p, got, want)
		}
	}
	// The first name left out: the next one is the file.
	res = walkAll(t, zooTree(t), Options{Exclude: []string{"/a-link"}})
	if got := res.entries["/z/link"].Link; got != "/dir/sub/file" {
		t.Errorf("link %q", got)
	}
}

// Values of attributes as system calls have them.
var (
	testACL = []byte{2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255,
		16, 0, 5, 0, 255, 255, 255, 255, 32, 0, 5, 0, 255, 255, 255, 255}
	testCapability = []byte{1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
)

func TestXattrs(t *testing.T) {
	needRoot(t)
	dir := zooTree(t)
	big := bytes.Repeat([]byte("big"), 1000)
	set := map[string][]Xattr{
		"/":                    {{"user.top", []byte("1")}},
		"/dir":                 {{"system.posix_acl_access", testACL}, {"system.posix_acl_default", testACL}, {"trusted.dir", nil}},
		"/empty":               {{"security.capability", testCapability}, {"user.a", []byte{0}}, {"user.b", big}, {"user.\xff\xfe", []byte("name")}},
		"/char":                {{"trusted.device", []byte("c")}},
		"/fifo":                {{"security.test", []byte("f")}},
		"/socket":              {{"trusted.socket", []byte("s")}},
		"/target":              {{"trusted.link", []byte("on the link")}},
		"/latin1-\xe9\xff\n\\": {{"user.x", []byte("y")}},
	}
	for p, list := range set {
		for _, x := range list {
			must(t, xattr.LSet(filepath.Join(dir, p), x.Name, x.Value))
		}
	}
	must(t, xattr.LSet(filepath.Join(dir, "z"), "trusted.overlay.impure", []byte("y")))
	must(t, xattr.LSet(filepath.Join(dir, "z!"), "trusted.overlay.origin", []byte("y")))
	res := walkAll(t, dir, Options{})
	for p, e := range res.entries {
		want := set[p]
		same := slices.EqualFunc(e.Xattrs, want, func(a, b Xattr) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) })
		if !same && e.Link == "" && p != "/fifo2" {
			t.Errorf("%q: %q, want %q", p, e.Xattrs, want)
		}
	}
	if len(res.Warnings) != 1 || res.Warnings[0].Count != 2 || res.Warnings[0].Path != "/z" {
		t.Errorf("warnings: %+v", res.Warnings)
	}
}

// TestTwinsOfACLs has ACLs on the file systems that have attributes of their own: XFS lists each ACL as trusted.SGI_ACL_* as well.
func TestTwinsOfACLs(t *testing.T) {
	needRoot(t)
	for _, fs := range []struct {
		size int64
		mkfs []string
		twin string // that the kernel lists
	}{
		{320 << 20, []string{"mkfs.xfs", "-q"}, "trusted.SGI_ACL_FILE"},
		{128 << 20, []string{"mkfs.btrfs", "-q"}, ""},
		{16 << 20, []string{"mkfs.ext4", "-q"}, ""},
	} {
		t.Run(fs.mkfs[0], func(t *testing.T) {
			dir := t.TempDir()
			loopMount(t, loopImage(t, fs.size, fs.mkfs...), dir)
			makeTree(t, dir, "dir/", "dir/file=1")
			for _, p := range []string{"dir", "dir/file"} {
				must(t, xattr.LSet(filepath.Join(dir, p), "system.posix_acl_access", testACL))
				must(t, xattr.LSet(filepath.Join(dir, p), "trusted.overlay.opaque", []byte("y")))
			}
			must(t, xattr.LSet(filepath.Join(dir, "dir"), "system.posix_acl_default", testACL))
			if fs.mkfs[0] == "mkfs.btrfs" {
				must(t, xattr.LSet(filepath.Join(dir, "dir/file"), "btrfs.compression", []byte("zstd")))
			}
			names, err := xattr.LList(filepath.Join(dir, "dir/file"))
			if must(t, err); fs.twin != "" && !slices.Contains(names, fs.twin) {
				t.Errorf("the kernel lists %q", names)
			}
			res := walk(t, dir, Options{})
			for p, want := range map[string][]string{
				"/dir":      {"system.posix_acl_access", "system.posix_acl_default", "trusted.overlay.opaque"},
				"/dir/file": {"system.posix_acl_access", "trusted.overlay.opaque"},
			} {
				var got []string
				for _, x := range res.entries[p].Xattrs {
					got = append(got, x.Name)
				}
				diff(t, p, got, want)
			}
		})
	}
}

// TestManyXattrs gives a program more attributes than listxattr lists: what it may do is known all the same.
func TestManyXattrs(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	mountFS(t, "tmpfs", dir, "tmpfs", 0, "")
	ping := filepath.Join(dir, "ping")
	must(t, os.WriteFile(ping, nil, 0o755))
	want := []Xattr{{"security.capability", testCapability}, {"security.selinux", []byte("a label")}, {"system.posix_acl_access", testACL}, {"trusted.overlay.opaque", []byte("y")}}
	for i := range 300 {
		must(t, xattr.LSet(ping, fmt.Sprintf("trusted.%0240d", i), nil))
	}
	for _, x := range want {
		must(t, xattr.LSet(ping, x.Name, x.Value))
	}
	if _, err := xattr.LList(ping); !errors.Is(err, unix.E2BIG) {
		t.Fatalf("listed: %v", err)
	}
	res := walkAll(t, dir, Options{})
	got := res.entries["/ping"].Xattrs
	if !slices.EqualFunc(got, want, func(a, b Xattr) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) }) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0].Text, "more extended attributes") {
		t.Errorf("warnings: %+v", res.Warnings)
	}
}

// TestLargeXattrs gives a file more attributes than any ext4 holds, as its owner can on XFS: few of them are kept in memory, and what
// decides who may use it is known.
func TestLargeXattrs(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	loopMount(t, loopImage(t, 320<<20, "mkfs.xfs", "-q"), dir)
	name := filepath.Join(dir, "file")
	must(t, os.WriteFile(name, nil, 0o755))
	for i := range 40 {
		must(t, xattr.LSet(name, fmt.Sprintf("user.%02d", i), make([]byte, 60_000)))
	}
	must(t, xattr.LSet(name, "system.posix_acl_access", testACL))
	must(t, xattr.LSet(name, "security.selinux", []byte("a label")))
	res := walkAll(t, dir, Options{})
	sum, others := 0, 0
	for _, x := range res.entries["/file"].Xattrs {
		if sum += len(x.Value); x.Name == "system.posix_acl_access" || x.Name == "security.selinux" {
			others++
		}
	}
	if others != 2 || sum > maxUserXattrs+1000 || sum < maxUserXattrs/2 {
		t.Errorf("%d others, %d bytes", others, sum)
	}
	if len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0].Text, "more than 1024 KiB of extended attributes") {
		t.Errorf("warnings: %+v", res.Warnings)
	}
}

func TestRefuseXattr(t *testing.T) {
	for name, taken := range map[string]bool{
		"user.x": true, "trusted.x": true, "trusted.overlayx": true, "security.selinux": true, "security.capability": true, "security.ima": true,
		"system.posix_acl_access": true, "system.posix_acl_default": true,
		"trusted.overlay.redirect": true, "trusted.overlay.opaque": true, "trusted.overlay.metacopy": true, "trusted.overlay.uuid": false,
		"trusted.overlay.nlink": false, "trusted.overlay.upper": false, "security.evm": false, "btrfs.compression": false, "system.nfs4_acl": false, "system.ntfs_acl": false,
		"system.cifs_acl": false, "lustre.lov": false, "ceph.dir.layout": false, "os2.x": false, "nodot": false,
	} {
		if got := refuseXattr(name) == ""; got != taken {
			t.Errorf("%s: taken %v", name, got)
		}
	}
}

func TestFlags(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "i", "a", "d/", "n", "plain")
	for name, attr := range map[string]string{"i": "+i", "a": "+a", "d": "+d", "n": "+A"} {
		p := filepath.Join(dir, name)
		run(t, "chattr", attr, p)
		t.Cleanup(func() { run(t, "chattr", "-ia", p) })
	}
	res := walkAll(t, dir, Options{})
	for p, want := range map[string]uint32{"/i": FlagImmutable, "/a": FlagAppend, "/d": FlagNodump, "/n": flagNoatime, "/plain": 0} {
		if got := res.entries[p].Flags; got != want {
			t.Errorf("%s: flags %#x, want %#x", p, got, want)
		}
	}
}

// flagNoatime is FS_NOATIME_FL, which statx does not tell.
const flagNoatime = 0x80

// TestFlagsOfAnother has an empty file replaced between the look at it and the question for its flags: those of the other are not its own.
func TestFlagsOfAnother(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "mine", "other")
	run(t, "chattr", "+A", filepath.Join(dir, "other"))
	tree, err := Walk(t.Context(), dir, Options{}, func(*Entry) error { return nil })
	must(t, err)
	defer tree.Close()
	r := tree.roots[0]
	w := &walker{}
	for name, want := range map[string]uint32{"other": flagNoatime, "mine": 0} {
		must(t, statx(r.fd, name, r.statFlags, &w.st))
		w.entry.set(&w.st)
		w.emptyFlags(&object{name: "other", dir: r.fd, root: r})
		if w.entry.Flags != want {
			t.Errorf("%s: flags %#x, want %#x", name, w.entry.Flags, want)
		}
	}
}

func TestSparse(t *testing.T) {
	dir := t.TempDir()
	const block = 64 << 10 // bytes; holes of at least this on the file systems that tests run on
	write := func(name string, size int64, at ...int64) {
		f, err := os.Create(filepath.Join(dir, name))
		must(t, err)
		defer f.Close()
		must(t, f.Truncate(size))
		for _, off := range at {
			_, err := f.WriteAt(bytes.Repeat([]byte("d"), block), off)
			must(t, err)
		}
	}
	write("full", block, 0)
	write("hole", 10*block)
	write("tail", 10*block, 9*block)
	write("head", 10*block+1, 0)
	write("ends", 5<<40, 0, 5<<40-block)
	write("comb", 8*block, 0, 2*block, 4*block, 6*block)
	write("short", 3)
	write("none", 0)
	for _, g := range guards() {
		t.Run(g.name, func(t *testing.T) {
			if g.mode == cloneMode {
				needRoot(t)
			}
			res := walk(t, dir, Options{mode: g.mode})
			for p, want := range map[string][]Range{
				"/full": nil, "/none": nil, "/hole": {}, "/short": {}, "/tail": {{9 * block, block}}, "/head": {{0, block}},
				"/ends": {{0, block}, {5<<40 - block, block}},
				"/comb": {{0, block}, {2 * block, block}, {4 * block, block}, {6 * block, block}},
			} {
				got := res.entries[p].Data
				if !slices.Equal(got, want) || (got == nil) != (want == nil) {
					t.Errorf("%s: %v, want %v", p, got, want)
				}
			}
		})
	}
}

// TestAllHole has no other file whose ranges could be taken for those of the hole.
func TestAllHole(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "hole")
	must(t, os.Truncate(filepath.Join(dir, "hole"), 1<<20))
	if e := walk(t, dir, Options{}).entries["/hole"]; e.Data == nil || len(e.Data) > 0 {
		t.Errorf("data %#v, want an empty list", e.Data)
	}
}

// TestAtime reads everything there is and looks whether anybody can tell.
func TestAtime(t *testing.T) {
	needRoot(t)
	for _, g := range guards() {
		t.Run(g.name, func(t *testing.T) {
			dir := zooTree(t)
			old := unix.Timespec{Sec: 1_000_000_000}
			var all []string
			must(t, filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
				all = append(all, p)
				return err
			}))
			for _, p := range all {
				must(t, unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{old, {Sec: old.Sec + 1}}, unix.AT_SYMLINK_NOFOLLOW))
			}
			mountFS(t, dir, dir, "", unix.MS_BIND, "")
			must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_STRICTATIME, "")) // every read counts
			res := walk(t, dir, Options{mode: g.mode})
			for p, e := range res.entries {
				if e.Mode&unix.S_IFMT == unix.S_IFREG {
					f, err := openFile(res.Tree, p)
					must(t, err)
					_, err = io.Copy(io.Discard, f)
					must(t, err)
					must(t, f.Close())
				}
			}
			for p, e := range res.entries {
				if e.Mode&unix.S_IFMT == unix.S_IFLNK && g.mode != cloneMode {
					continue // readlink(2) has no way to leave it alone
				}
				var st unix.Stat_t
				must(t, unix.Lstat(filepath.Join(dir, p), &st))
				if st.Atim != old {
					t.Errorf("%q: access time is %v", p, st.Atim)
				}
			}
		})
	}
}

// TestDeep walks far beyond PATH_MAX and beyond the number of directories that stay open, and opens what lies at the bottom.
func TestDeep(t *testing.T) {
	dir := t.TempDir()
	const depth = 150
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	name := strings.Repeat("d", 49)
	var want []string
	p := ""
	for range depth {
		must(t, unix.Mkdirat(fd, name, 0o755))
		next, err := unix.Openat(fd, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err)
		file, err := unix.Openat(fd, "file", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
		must(t, err)
		_, err = unix.Write(file, []byte(strconv.Itoa(len(p))))
		must(t, err)
		unix.Close(file)
		unix.Close(fd)
		want = append(want, p+"/file")
		fd = next
		p += "/" + name
	}
	unix.Close(fd)
	for _, g := range guards() {
		t.Run(g.name, func(t *testing.T) {
			if g.mode == cloneMode {
				needRoot(t)
			}
			res := walk(t, dir, Options{mode: g.mode})
			if len(res.order) != 1+2*depth || len(res.Unreadable) > 0 || len(res.Vanished) > 0 {
				t.Fatalf("%d entries, unreadable %v, vanished %v", len(res.order), res.Unreadable, res.Vanished)
			}
			if last := res.order[len(res.order)-1]; last != "/file" {
				t.Errorf("last is %q", last)
			}
			for _, w := range want {
				f, err := openFile(res.Tree, w)
				must(t, err)
				b, err := io.ReadAll(f)
				must(t, err)
				f.Close()
				if string(b) != strconv.Itoa(len(w)-len("/file")) {
					t.Fatalf("content of the file at depth %d is %q", len(w)/50, b)
				}
			}
		})
	}
}

// TestManyNames needs several buffers of names.
func TestManyNames(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 12_000 {
		n := fmt.Sprintf("%c%d-%s", 'a'+i%26, i, strings.Repeat("n", 20))
		must(t, unix.Mknod(filepath.Join(dir, n), unix.S_IFREG|0o600, 0))
		want = append(want, "/"+n)
	}
	slices.Sort(want)
	res := walk(t, dir, Options{})
	if !slices.Equal(res.order[1:], want) {
		t.Errorf("%d names, or their order, differ", len(res.order))
	}
}
