package walker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// automounter mounts autofs at dir and answers nothing: whoever steps into the trap waits. It returns the ID of the process group that may
// make directories there.
func automounter(t *testing.T, dir, kind string) int {
	t.Helper()
	daemon := exec.Command("sleep", "1000")
	daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	startChild(t, daemon)
	mountFS(t, "/etc/auto.test", dir, "autofs", 0, fmt.Sprintf("fd=%d,pgrp=%d,minproto=5,maxproto=5,%s", w.Fd(), daemon.Process.Pid, kind))
	return daemon.Process.Pid
}

// asAutomounter runs a command in an automounter's process group.
func asAutomounter(t *testing.T, group int, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: group}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// TestAutofs has a disk and a tmpfs below an indirect map, a disk two directories down, directories that wait for their mount, and a
// direct map that nobody has used.
func TestAutofs(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "misc/", "boot/", "var/lib/", "zz=1", "etc/fstab=# a\n/dev/x\\040y /boot vfat x-systemd.automount 0 0\n")
	misc := filepath.Join(dir, "misc")
	group := automounter(t, misc, "indirect")
	automounter(t, filepath.Join(dir, "boot"), "direct")
	asAutomounter(t, group, "mkdir", "-p", misc+"/disk", misc+"/idle", misc+"/host/deep", misc+"/memory")
	for _, at := range []string{"disk", "host/deep"} {
		image := loopImage(t, 16<<20, "mkfs.ext4", "-q")
		loopMount(t, image, filepath.Join(misc, at))
		makeTree(t, filepath.Join(misc, at), "file=1", "d/e/f=2")
	}
	mountFS(t, "none", filepath.Join(misc, "memory"), "tmpfs", 0, "")

	res := walkAll(t, dir, Options{Exclude: []string{"lost+found"}})
	diff(t, "paths", res.order, []string{"/", "/boot", "/etc", "/etc/fstab", "/misc", "/misc/disk", "/misc/disk/d", "/misc/disk/d/e", "/misc/disk/d/e/f", "/misc/disk/file",
		"/misc/host", "/misc/host/deep", "/misc/host/deep/d", "/misc/host/deep/d/e", "/misc/host/deep/d/e/f", "/misc/host/deep/file", "/var", "/var/lib", "/zz"})
	f, err := openFile(res.Tree, "/misc/host/deep/d/e/f")
	must(t, err)
	f.Close()
	if e := res.entries["/misc/host"]; e.Mode != unix.S_IFDIR|0o755 {
		t.Errorf("/misc/host: mode %o", e.Mode)
	}
	var lacks []string
	for _, m := range res.Mounts {
		if m.Missing != NotMissing {
			lacks = append(lacks, m.Path+": "+m.Lacks)
		}
	}
	diff(t, "lacks", lacks, []string{
		"/boot: /dev/x y of etc/fstab would be mounted there when it is used, and is not in the tree: use it before (ls /boot)",
		"/misc: what /etc/auto.test mounts below it when it is used, and has not by now, is not in the tree",
		"/misc/memory: what is in it is not in the tree; --cross /misc/memory takes it",
	})

	res = walkAll(t, dir, Options{Exclude: []string{"lost+found", "/misc/disk"}, Cross: []string{"/misc/memory"}})
	diff(t, "below an exclude", res.below("/misc"), []string{"/misc/host", "/misc/host/deep", "/misc/host/deep/d", "/misc/host/deep/d/e", "/misc/host/deep/d/e/f",
		"/misc/host/deep/file", "/misc/memory"})
	for _, path := range []string{"/misc", "/boot"} {
		if _, err := walkErr(t, dir, Options{Cross: []string{path}}); err == nil || !strings.Contains(err.Error(), "automount") {
			t.Errorf("cross %s: %v", path, err)
		}
	}
}

// TestContentUnderMount has files below mount points of what is left out, and of what is not.
func TestContentUnderMount(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "log/under=1", "full/file=1", "empty/", "run/x=1", "proc/x=1", "tool=#!", "none=", "crossed/under=1", "excluded/x=1", "disk/d=1")
	for _, name := range []string{"log", "empty", "run", "excluded"} {
		mountFS(t, "none", filepath.Join(dir, name), "tmpfs", 0, "")
	}
	bind(t, "/proc", filepath.Join(dir, "full"))
	bind(t, "/proc/version", filepath.Join(dir, "tool"))
	bind(t, "/proc/version", filepath.Join(dir, "none"))
	bind(t, filepath.Join(dir, "disk"), filepath.Join(dir, "crossed"))
	for _, test := range []struct {
		opt  Options
		path string // where it is met first
		want int
	}{
		{Options{Exclude: []string{"/excluded"}}, "/crossed", 4}, // a twin; /full, /log, /tool
		{Options{Exclude: []string{"/excluded"}, Cross: []string{"/log", "/crossed"}}, "/full", 2},
		{Options{Exclude: []string{"/*"}}, "", 0},
	} {
		got := 0
		for _, w := range walk(t, dir, test.opt).Warnings {
			if w.Text == underText {
				got = w.Count
				if w.Path != test.path {
					t.Errorf("%v: met first at %s, want %s", test.opt.Cross, w.Path, test.path)
				}
			}
		}
		if got != test.want {
			t.Errorf("%v: %d times, want %d", test.opt.Cross, got, test.want)
		}
	}
}
