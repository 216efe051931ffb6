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
	for p, want := range map[string]string{"/usr/bin/own": "1", "/usr/bin/added": "2"} {
		f, err := openFile(res.Tree, p)
		must(t, err)
		b := make([]byte, 10)
		n, _ := f.Read(b)
		f.Close()
		if string(b[:n]) != want {
			t.Errorf("%s reads %q, want %q", p, b[:n], want)
		}
	}
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

// TestOtherNamespace walks the root of a process that has mounts of its own.
func TestOtherNamespace(t *testing.T) {
	needRoot(t)
	cmd := exec.Command("sh", "-c", "mount -t tmpfs none /mnt && echo ready && exec sleep 1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
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
