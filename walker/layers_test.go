package walker

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOverlayOverOwn has systemd-sysext's overlay: on /usr, over /usr.
func TestOverlayOverOwn(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "usr/bin/own=1", "var/ext/bin/added=2", "z")
	usr := filepath.Join(dir, "usr")
	mountFS(t, "sysext", usr, "overlay", unix.MS_RDONLY, "lowerdir="+filepath.Join(dir, "var/ext")+":"+usr)
	res := walkAll(t, dir, Options{})
	diff(t, "paths", res.order, []string{"/", "/usr", "/usr/bin", "/usr/bin/added", "/usr/bin/own", "/var", "/var/ext", "/var/ext/bin", "/var/ext/bin/added", "/z"})
	wantRead(t, res.Tree, map[string]string{"/usr/bin/own": "1", "/usr/bin/added": "2"})
}

// TestBindOfLeftOut binds what lies in the directory that is left out: its only place in the tree is the bind.
func TestBindOfLeftOut(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "dest/site/page=1", "other/x=1", "www/", "other2/")
	bind(t, filepath.Join(dir, "dest/site"), filepath.Join(dir, "www"))
	bind(t, filepath.Join(dir, "other"), filepath.Join(dir, "other2"))
	res := walkAll(t, dir, Options{LeaveOut: []string{filepath.Join(dir, "dest")}})
	diff(t, "paths", res.order, []string{"/", "/dest", "/other", "/other/x", "/other2", "/www", "/www/page"})
}

// TestBindOfLeftOutElsewhere has the directory that is left out reached by another mount than the bind's origin.
func TestBindOfLeftOutElsewhere(t *testing.T) {
	needRoot(t)
	for _, inside := range []bool{true, false} {
		dir := makeTree(t, t.TempDir(), "data/dest/site/page=1", "www/", "way/")
		way := filepath.Join(dir, "way")
		if !inside {
			way = t.TempDir()
		}
		bind(t, filepath.Join(dir, "data"), way)
		bind(t, filepath.Join(dir, "data/dest/site"), filepath.Join(dir, "www"))
		res := walkAll(t, dir, Options{LeaveOut: []string{filepath.Join(way, "dest")}})
		diff(t, "paths", res.order, []string{"/", "/data", "/data/dest", "/way", "/www", "/www/page"})
	}
}

// TestTwinPatterns binds /data/www and /data/www/a to other places, with excludes of all forms: what the tree has nowhere else is crossed.
func TestTwinPatterns(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "data/www/a/file=1", "data/www/b=1", "all/", "part/")
	bind(t, filepath.Join(dir, "data/www"), filepath.Join(dir, "all"))
	bind(t, filepath.Join(dir, "data/www/a"), filepath.Join(dir, "part"))
	const all, part = "/all /all/a /all/a/file /all/b ", "/part /part/file "
	for _, test := range []struct {
		exclude string
		want    string // of /all and /part
		told    string // the mounts that a warning or a problem names
	}{
		{"/data/www/**", all + "/part ", ""}, {"/data/www/*", all + "/part ", ""}, {"/data/www", all + "/part ", ""}, {"/data/www/", all + "/part ", ""},
		{"www/**", all + "/part ", ""}, {"www/*", all + "/part ", ""}, {"www", all + "/part ", ""}, {"www/", all + "/part ", ""}, {"data/www/", all + "/part ", ""},
		{"/data/**", all + "/part ", ""}, {"/data/*", all + "/part ", ""}, {"/data", all + "/part ", ""}, {"data", all + "/part ", ""}, {"data/**", all + "/part ", ""},
		{"**/www", all + "/part ", ""}, {"/**/www/**", all + "/part ", ""}, {"**/www/**", all + "/part ", ""}, {"/d*/w[w]?", all + "/part ", ""}, {"/d**w", all + "/part ", ""},
		{"/data/**/a", "/all " + part, "/all"}, {"www/a/**", "/all " + part, "/all"}, {"/data/www/a", "/all " + part, "/all"}, {"/data/*/b", "/all /part ", "/all"},
		{"www/a/file", "/all /part ", "/all /part"}, {"/data/www/a/f*", "/all /part ", "/all /part"}, {"www/*/", "/all " + part, "/all"},
		{"file", "/all /part ", ""}, {"b", "/all /part ", ""}, {"/none", "/all /part ", ""}, {"a/file", "/all /part ", "/part"},
	} {
		res := walkAll(t, dir, Options{Exclude: []string{test.exclude}})
		got := ""
		for _, p := range res.order {
			if strings.HasPrefix(p, "/all") || strings.HasPrefix(p, "/part") {
				got += p + " "
			}
		}
		if got != test.want {
			t.Errorf("-e %s: %s, want %s", test.exclude, got, test.want)
		}
		var told []string
		for _, w := range res.Warnings {
			if strings.HasPrefix(w.Text, "mount left out") {
				told = append(told, w.Path)
			}
		}
		for _, p := range res.Unreadable {
			t.Errorf("-e %s: %s: %v", test.exclude, p.Path, p.Err)
		}
		if strings.Join(told, " ") != test.told {
			t.Errorf("-e %s: told %q, want %q", test.exclude, told, test.told)
		}
	}
}

// TestTwinOfFiltered binds what the filter leaves out to places that it does not know: it is left out there as well, unless it is kept.
func TestTwinOfFiltered(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "root/.gnupg/private-keys-v1.d/k=1", "etc/machine-id=1", "srv/keys/", "id=")
	bind(t, filepath.Join(dir, "root/.gnupg/private-keys-v1.d"), filepath.Join(dir, "srv/keys"))
	bind(t, filepath.Join(dir, "etc/machine-id"), filepath.Join(dir, "id"))
	for _, opt := range []Options{{}, {CrossAll: true}} {
		if got := walkAll(t, dir, opt).below("/srv"); len(got) != 1 {
			t.Errorf("%+v: %q", opt, got)
		}
	}
	if res := walk(t, dir, Options{}); len(res.Unreadable) > 0 {
		t.Errorf("unreadable: %v", res.Unreadable)
	}
	if got := walkAll(t, dir, Options{Cross: []string{"/srv/keys"}}).below("/srv"); len(got) != 2 {
		t.Errorf("asked for: %q", got)
	}
}

// TestOtherNamespace walks the root of a process that has mounts of its own.
func TestOtherNamespace(t *testing.T) {
	needRoot(t)
	cmd := exec.Command("sh", "-c", "mount -t tmpfs none /mnt && echo ready && exec sleep 1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	out, err := cmd.StdoutPipe()
	must(t, err)
	startChild(t, cmd)
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"/root", "/root/mnt", "/root/etc"} {
		source = fmt.Sprintf("/proc/%d%s", cmd.Process.Pid, source)
		_, err := walkErr(t, source, Options{})
		if other := new(NamespaceError); !errors.As(err, &other) || other.Path != source || !strings.Contains(err.Error(), "namespace") {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// TestBtrfs has openSUSE's layout: the root is a subvolume, the top level is mounted in it.
func TestBtrfs(t *testing.T) {
	needRoot(t)
	top, dir := t.TempDir(), t.TempDir()
	image := loopImage(t, 128<<20, "mkfs.btrfs", "-q")
	loopMount(t, image, top)
	for _, v := range []string{"@", "@home"} {
		run(t, "btrfs", "subvolume", "create", filepath.Join(top, v))
	}
	makeTree(t, top, "@/etc/own=1", "@/home/", "@/top/", "@home/user=1")
	loopMount(t, image, dir, "-o", "subvol=@")
	loopMount(t, image, filepath.Join(dir, "home"), "-o", "subvol=@home")
	loopMount(t, image, filepath.Join(dir, "top"), "-o", "subvolid=5")
	res := walkAll(t, dir, Options{})
	diff(t, "paths", res.order, []string{"/", "/etc", "/etc/own", "/home", "/home/user", "/top"})
	if n := len(res.Unreadable); n > 0 {
		t.Errorf("unreadable: %v", res.Unreadable)
	}

	// Snapshots and subvolumes within the root's: no mounts, and st_dev changes.
	run(t, "btrfs", "subvolume", "create", filepath.Join(dir, "nested"))
	makeTree(t, dir, "nested/file=1", "snapshots/")
	run(t, "btrfs", "subvolume", "snapshot", "-r", filepath.Join(dir, "nested"), filepath.Join(dir, "snapshots/1"))
	own := []string{"/", "/etc", "/etc/own", "/home"}
	for _, test := range []struct {
		opt  Options
		want []string
		left []string
	}{
		{Options{}, append(slices.Clone(own), "/home/user", "/nested", "/nested/file", "/snapshots", "/snapshots/1", "/top"),
			[]string{"/snapshots/1: read-only snapshot"}},
		{Options{Snapshots: true}, append(slices.Clone(own), "/home/user", "/nested", "/nested/file", "/snapshots", "/snapshots/1", "/snapshots/1/file", "/top"), nil},
		{Options{OneFileSystem: true}, append(slices.Clone(own), "/nested", "/snapshots", "/snapshots/1", "/top"),
			[]string{"/nested: another subvolume than the source's", "/snapshots/1: another subvolume than the source's"}},
	} {
		res := walkAll(t, dir, test.opt)
		diff(t, "paths", res.order, test.want)
		diff(t, "excluded", leftLines(res.Excluded), test.left)
	}
}
