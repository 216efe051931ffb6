package walker

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// btrfsTree mounts the subvolume @ of a btrfs, which is all that it has, and returns the path of its top level as well.
func btrfsTree(t *testing.T) (top, dir, image string) {
	t.Helper()
	needRoot(t)
	top, dir = t.TempDir(), t.TempDir()
	image = loopImage(t, 128<<20, "mkfs.btrfs", "-q")
	loopMount(t, image, top)
	subvolumes(t, top, "@")
	loopMount(t, image, dir, "-o", "subvol=@")
	return top, dir, image
}

func subvolumes(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		run(t, "btrfs", "subvolume", "create", filepath.Join(dir, name))
	}
}

// snapshot makes a snapshot that can only be read if option is "-r".
func snapshot(t *testing.T, from, to string, option ...string) {
	t.Helper()
	run(t, "btrfs", append(append([]string{"subvolume", "snapshot"}, option...), from, to)...)
}

// missing lists the mounts whose content is told to be missing.
func (r *result) missing() string {
	var paths []string
	for _, m := range r.Mounts {
		if m.Missing != NotMissing {
			paths = append(paths, m.Path)
		}
	}
	return strings.Join(paths, " ")
}

// TestMountedSnapshots mounts snapshots on their own: one that can only be read, one that can be written to, and a subvolume that can only
// be read but is no copy of anything.
func TestMountedSnapshots(t *testing.T) {
	top, dir, image := btrfsTree(t)
	subvolumes(t, top, "@data", "@only")
	makeTree(t, top, "@data/sub/file=1", "@only/file=1", "@/old/", "@/copy/", "@/only/", "@/part/")
	snapshot(t, top+"/@data", top+"/@old", "-r")
	snapshot(t, top+"/@data", top+"/@copy")
	run(t, "btrfs", "property", "set", top+"/@only", "ro", "true")
	for _, name := range []string{"old", "copy", "only"} {
		loopMount(t, image, filepath.Join(dir, name), "-o", "subvol=@"+name)
	}
	bind(t, filepath.Join(dir, "old/sub"), filepath.Join(dir, "part")) // of a snapshot that is left out: its content is here alone
	const others = "/ /copy /copy/sub /copy/sub/file /old /only /only/file /part"
	const with = "/ /copy /copy/sub /copy/sub/file /old /old/sub /old/sub/file /only /only/file /part"
	for _, test := range []struct {
		opt           Options
		want, missing string
	}{
		{Options{}, others + " /part/file", "/old"},
		{Options{Snapshots: true}, with, ""},
		{Options{Cross: []string{"/old"}}, with, ""},
		{Options{Include: []string{"/old"}}, with, ""},
		{Options{OneFileSystem: true}, "/ /copy /old /only /part", "/copy /old /only /part"},
	} {
		res := walkAll(t, dir, test.opt)
		if got := strings.Join(res.order, " "); got != test.want {
			t.Errorf("%+v: %s\nwant %s", test.opt, got, test.want)
		}
		if got := res.missing(); got != test.missing {
			t.Errorf("%+v: missing %q, want %q", test.opt, got, test.missing)
		}
	}
}

// TestSnapper has its directory, nested and as a mount of its own, also one that SOURCE lies in as one of the snapshots.
func TestSnapper(t *testing.T) {
	top, dir, image := btrfsTree(t)
	subvolumes(t, top, "@/.snapshots", "@other")
	makeTree(t, top, "@/file=1", "@/mounted/", "@/.snapshots/1/info.xml=x", "@/.snapshots/2/info.xml=x", "@/.snapshots/3/x=x", "@other/4/info.xml=x")
	snapshot(t, top+"/@", top+"/@/.snapshots/1/snapshot")
	snapshot(t, top+"/@", top+"/@/.snapshots/2/snapshot", "-r")
	snapshot(t, top+"/@", top+"/@/.snapshots/3/snapshot") // not snapper's
	makeTree(t, top, "@/.snapshots/1/snapshot/.snapshots/", "@/.snapshots/1/snapshot/own=1")
	loopMount(t, image, filepath.Join(dir, "mounted"), "-o", "subvol=@other")
	res := walkAll(t, dir, Options{})
	diff(t, "snapshots", leftLines(res.Excluded), []string{"/.snapshots/1/snapshot: " + snapperRule, "/.snapshots/2/snapshot: " + snapperRule})
	res.wantPaths(t, "/.snapshots/1/info.xml", "/.snapshots/1/snapshot", "/.snapshots/3/snapshot/file", "/mounted/4/info.xml")
	res = walkAll(t, dir, Options{Include: []string{"/.snapshots/1"}})
	diff(t, "snapshots", leftLines(res.Excluded), []string{"/.snapshots/2/snapshot: " + snapperRule})
	res = walkAll(t, dir, Options{Snapshots: true})
	res.wantPaths(t, "/.snapshots/1/snapshot/file", "/.snapshots/2/snapshot/file")

	// openSUSE's root is one of them.
	root := t.TempDir()
	loopMount(t, image, root, "-o", "subvol=@/.snapshots/1/snapshot")
	loopMount(t, image, filepath.Join(root, ".snapshots"), "-o", "subvol=@/.snapshots")
	res = walkAll(t, root, Options{})
	if res.missing() != "/.snapshots" || len(res.below("/.snapshots")) > 0 {
		t.Errorf("missing %q, below %q", res.missing(), res.below("/.snapshots"))
	}
	res = walkAll(t, root, Options{Snapshots: true})
	diff(t, "with snapshots", leftLines(res.Excluded), []string{"/.snapshots/1/snapshot: the source once more"})
	res.wantPaths(t, "/own", "/.snapshots/1/snapshot", "/.snapshots/2/snapshot/file")
	if res.entries["/.snapshots/1/snapshot/own"] != nil {
		t.Error("the source is in the tree twice")
	}
}

// TestBindInSnapshot binds what lies in a nested snapshot: the walk does not get there, and its content is nowhere.
func TestBindInSnapshot(t *testing.T) {
	_, dir, _ := btrfsTree(t)
	subvolumes(t, dir, "nested")
	makeTree(t, dir, "nested/sub/file=1", "shown/")
	snapshot(t, dir+"/nested", dir+"/old", "-r")
	bind(t, filepath.Join(dir, "old/sub"), filepath.Join(dir, "shown"))
	res := walkAll(t, dir, Options{})
	if len(res.Unreadable) != 1 || res.Unreadable[0].Path != "/shown" || !strings.Contains(res.Unreadable[0].Err.Error(), "--cross /shown") || res.missing() != "/shown" {
		t.Errorf("unreadable %v, missing %q", res.Unreadable, res.missing())
	}
	for _, opt := range []Options{{Snapshots: true}, {Cross: []string{"/shown"}}} {
		if res = walkAll(t, dir, opt); len(res.Unreadable) > 0 || res.missing() != "" {
			t.Errorf("%+v: unreadable %v, missing %q", opt, res.Unreadable, res.missing())
		}
	}
}

// TestSubvolumeDefaults has roots in subvolumes, nested and mounted, and one that is no root: the defaults hold in roots, but for what leads
// to a mount.
func TestSubvolumeDefaults(t *testing.T) {
	top, dir, image := btrfsTree(t)
	subvolumes(t, dir, "m", "plain")
	subvolumes(t, top, "@mounted")
	files := func(root string) []string {
		return []string{root + "/tmp/x=1", root + "/var/tmp/x=1", root + "/dev/x=1", root + "/usr/tmp/x=1", root + "/mnt/x=1", root + "/root/.pgpass=x", root + "/run/"}
	}
	makeTree(t, dir, append(append(files("m"), files("plain")...), "mounted/", "m/etc/os-release=", "m/media/disk/", "chroot/etc/passwd=", "chroot/tmp/x=1")...)
	makeTree(t, top, append(files("@mounted"), "@mounted/usr/lib/os-release=")...)
	loopMount(t, image, filepath.Join(dir, "mounted"), "-o", "subvol=@mounted")
	diskFS(t, filepath.Join(dir, "m/media/disk"))
	makeTree(t, dir, "m/media/disk/file=1")

	res := walkAll(t, dir, Options{})
	for _, root := range []string{"/m", "/mounted"} {
		res.wantPaths(t, root+"/tmp", root+"/var/tmp", root+"/usr/tmp/x", root+"/mnt", root+"/dev/null", root+"/run")
		for _, p := range []string{"/tmp/x", "/var/tmp/x", "/mnt/x", "/dev/x", "/root/.pgpass"} {
			if res.entries[root+p] != nil {
				t.Errorf("%s is in the tree", root+p)
			}
		}
	}
	res.wantPaths(t, "/plain/tmp/x", "/plain/dev/x", "/plain/root/.pgpass", "/chroot/tmp/x", "/m/media/disk/file")
	if !strings.Contains(strings.Join(leftLines(res.Excluded), "\n"), "/m/var/tmp: the default for /var/tmp, of a subvolume") {
		t.Errorf("excluded: %q", leftLines(res.Excluded))
	}
	if e := res.entries["/m/dev/null"]; e != nil && (e.Mode&unix.S_IFMT != unix.S_IFCHR || e.Major != 1 || e.Minor != 3) {
		t.Errorf("/m/dev/null: %+v", e)
	}
	res = walkAll(t, dir, Options{NoDefaultExcludes: true})
	res.wantPaths(t, "/m/tmp/x", "/m/dev/x", "/mounted/tmp/x")
	res = walkAll(t, dir, Options{Include: []string{"/m/tmp"}})
	res.wantPaths(t, "/m/tmp/x")
}

// wantPaths checks that the tree has the paths.
func (r *result) wantPaths(t *testing.T, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if r.entries[p] == nil {
			t.Errorf("%s is not in the tree", p)
		}
	}
}
