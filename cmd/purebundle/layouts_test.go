package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// TestDockerLayout bundles a tree with a container that runs: its layers are in
// the image, and an overlay of them shows there what it shows in the tree.
func TestDockerLayout(t *testing.T) {
	imgtest.RequireRoot(t)
	root := t.TempDir()
	mountDisk(t, root, 256<<20, "mkfs.ext4", "-q")
	docker := filepath.Join(root, "var/lib/docker/overlay2")
	put(t, docker, map[string]string{
		"base/diff/etc/secret": "in the base layer alone", "base/diff/etc/passwd": "root", "base/diff/usr/bin/tool": "tool",
		"base/diff/opt/app/old": "old", "base/diff/srv/data/x": "x", "base/diff/var/cache/y": "y",
	})
	run := subdir(t, docker, "running/merged")
	mountLayers(t, docker, run, "base", "image")
	err := errors.Join(os.Remove(run+"/etc/secret"),
		os.RemoveAll(run+"/opt/app"), os.Mkdir(run+"/opt/app", 0o755), os.WriteFile(run+"/opt/app/new", []byte("new"), 0o644),
		os.Rename(run+"/srv/data", run+"/srv/moved"), os.Chmod(run+"/usr/bin/tool", 0o700))
	if err != nil {
		t.Fatal(err)
	}
	imgtest.Unmount(t, run)
	mountLayers(t, docker, run, "base", "image", "running")
	err = errors.Join(os.RemoveAll(run+"/var/cache"), os.Rename(run+"/srv/moved", run+"/srv/again"), os.WriteFile(run+"/etc/passwd", []byte("root and more"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	for path, name := range map[string]string{"image/diff/opt/app": "opaque", "image/diff/srv/moved": "redirect", "image/diff/usr/bin/tool": "metacopy"} {
		if _, err := xattr.LGet(filepath.Join(docker, path), "trusted.overlay."+name); err != nil {
			t.Fatalf("the layers are not as meant: %v", err)
		}
	}

	m, image := bundleLayout(t, root)
	mnt := imgtest.MountRW(t, image)
	opt := imgtest.CompareOptions{
		Scope: scopeOf(m),
		Xattr: func(_, name string) bool { // those that name the old file system
			return !slices.Contains([]string{"origin", "upper", "uuid", "nlink", "impure"}, strings.TrimPrefix(name, "trusted.overlay."))
		},
	}
	imgtest.Compare(t, root, mnt, opt)
	wantEmpty(t, mnt, "/var/lib/docker/overlay2/running/merged")
	again := t.TempDir()
	mountLayers(t, filepath.Join(mnt, "var/lib/docker/overlay2"), again, "base", "image", "running")
	imgtest.Rsync(t, run, again)
	if _, err := os.Lstat(again + "/etc/secret"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a deleted file is back: %v", err)
	}
}

// mountLayers mounts layers of dir, lowest first, as Docker does; the last one is
// written to.
func mountLayers(t *testing.T, dir, point string, layers ...string) {
	t.Helper()
	var lower []string
	for _, l := range layers[:len(layers)-1] {
		lower = append([]string{filepath.Join(dir, l, "diff")}, lower...)
	}
	top := layers[len(layers)-1]
	upper, work := subdir(t, dir, top+"/diff"), subdir(t, dir, top+"/work")
	imgtest.Run(t, "mount", "-t", "overlay", "overlay", "-o",
		fmt.Sprintf("redirect_dir=on,metacopy=on,index=off,lowerdir=%s,upperdir=%s,workdir=%s", strings.Join(lower, ":"), upper, work), point)
	t.Cleanup(func() { imgtest.Unmount(t, point) })
}

// TestSysextLayout bundles a tree whose /usr is merged with an extension, as
// systemd-sysext does, and whose /etc is written over defaults, as Flatcar does:
// the image has what a process sees.
func TestSysextLayout(t *testing.T) {
	imgtest.RequireRoot(t)
	root := t.TempDir()
	mountDisk(t, root, 256<<20, "mkfs.ext4", "-q")
	put(t, root, map[string]string{
		"usr/bin/shell": "shell", "usr/lib/os-release": "ID=flatcar", "usr/share/flatcar/etc/defaults": "defaults", "usr/share/flatcar/etc/hosts": "default hosts",
		"etc/hosts": "hosts", "etc/app/settings": "settings",
		"var/lib/extensions/tool/usr/bin/tool": "tool", "var/lib/extensions/tool/usr/lib/extension-release.d/extension-release.tool": "ID=flatcar",
	})
	overlay := func(dir, options string) {
		t.Helper()
		imgtest.Run(t, "mount", "-t", "overlay", "overlay", "-o", strings.ReplaceAll(options, "ROOT", root), filepath.Join(root, dir))
		t.Cleanup(func() { imgtest.Unmount(t, filepath.Join(root, dir)) })
	}
	subdir(t, root, "var/etc-work")
	overlay("etc", "lowerdir=ROOT/usr/share/flatcar/etc,upperdir=ROOT/etc,workdir=ROOT/var/etc-work")
	overlay("usr", "ro,lowerdir=ROOT/var/lib/extensions/tool/usr:ROOT/usr")
	put(t, root, map[string]string{"etc/written": "since the overlay is there"})

	m, image := bundleLayout(t, root)
	for _, path := range []string{"/usr", "/etc"} {
		if a := actionOf(m, path); a != "crossed" {
			t.Errorf("%s: %q, want crossed", path, a)
		}
	}
	imgtest.Compare(t, root, imgtest.Mount(t, image), imgtest.CompareOptions{Scope: scopeOf(m)})
}

// TestSubvolumeLayout bundles openSUSE's layout of btrfs: the root is a snapshot
// below the subvolume @, others are mounted or nested in it.
func TestSubvolumeLayout(t *testing.T) {
	imgtest.RequireRoot(t)
	imgtest.NeedTool(t, "btrfs")
	image := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 512<<20)); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "mkfs.btrfs", "-q", image)
	top, root := t.TempDir(), t.TempDir()
	at := func(dir, option string) {
		t.Helper()
		imgtest.Run(t, "mount", "-o", "loop,"+option, image, dir)
		t.Cleanup(func() { imgtest.Unmount(t, dir) })
	}
	at(top, "subvolid=5")
	for _, name := range []string{"@", "@/home", "@/var", "@/.snapshots"} {
		imgtest.Run(t, "btrfs", "subvolume", "create", filepath.Join(top, name))
	}
	subdir(t, top, "@/.snapshots/1")
	subdir(t, top, "@/.snapshots/2")
	first, second := top+"/@/.snapshots/1/snapshot", top+"/@/.snapshots/2/snapshot"
	imgtest.Run(t, "btrfs", "subvolume", "create", first)
	put(t, first, map[string]string{"etc/os-release": "ID=opensuse", "home/x": "", "var/x": "", ".snapshots/x": "", "usr/bin/shell": "shell"})
	imgtest.Run(t, "btrfs", "subvolume", "create", first+"/srv")
	put(t, first, map[string]string{"srv/page": "page"})
	imgtest.Run(t, "btrfs", "subvolume", "snapshot", "-r", first, second)
	put(t, top+"/@", map[string]string{"home/user/file": "file", "var/log/messages": "log"})
	imgtest.Run(t, "btrfs", "subvolume", "create", top+"/@/var/lib")
	put(t, top+"/@", map[string]string{"var/lib/state": "state"})
	imgtest.Run(t, "btrfs", "subvolume", "set-default", first)
	imgtest.Unmount(t, top)
	at(root, "defaults")
	at(root+"/home", "subvol=@/home")
	at(root+"/var", "subvol=@/var")
	at(root+"/.snapshots", "subvol=@/.snapshots")

	m, bundled := bundleLayout(t, root)
	for _, path := range []string{"/", "/home", "/var"} {
		if a := actionOf(m, path); a != "crossed" {
			t.Errorf("%s: %q, want crossed", path, a)
		}
	}
	mnt := imgtest.Mount(t, bundled)
	imgtest.Compare(t, root, mnt, imgtest.CompareOptions{Scope: scopeOf(m)})
	for _, twice := range []string{"/.snapshots/1/snapshot/etc", "/.snapshots/2/snapshot/etc"} {
		if _, err := os.Lstat(mnt + twice); err == nil {
			t.Errorf("%s is in the image", twice)
		}
	}
	if !strings.Contains(fmt.Sprint(m.Mounts, m.Excluded, m.Warnings), "snapshot") {
		t.Error("nothing says that snapshots are left out")
	}
	for _, path := range []string{"/srv/page", "/var/lib/state", "/home/user/file"} {
		if _, err := os.Lstat(mnt + path); err != nil {
			t.Error(err)
		}
	}
}

// wantEmpty checks that the image has an empty directory.
func wantEmpty(t *testing.T, mnt, path string) {
	t.Helper()
	if names, err := os.ReadDir(mnt + path); err != nil || len(names) > 0 {
		t.Errorf("%s: %v %v, want it empty", path, names, err)
	}
}

// put writes files below dir.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for path, text := range files {
		file := filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// bundleLayout bundles root and gives the manifest and the image, checked.
func bundleLayout(t *testing.T, root string) (*chunk.Manifest, string) {
	t.Helper()
	unix.Sync()
	work := t.TempDir()
	dest, image := filepath.Join(work, "bundle"), filepath.Join(work, "image")
	for _, args := range [][]string{{"bundle", "--progress", "plain", root, dest}, {"unbundle", "-q", dest, image}} {
		code, _, stderr := call(args...)
		if code != cli.StatusDone {
			t.Fatalf("%s: status %d\n%s", args[0], code, stderr)
		}
		t.Log(stderr)
	}
	b, err := chunk.Load(dest, "")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	imgtest.Fsck(t, image)
	return b.Manifest(), image
}

// scopeOf gives what of a tree can be compared: all but what the manifest says
// is left out.
func scopeOf(m *chunk.Manifest) func(string) imgtest.Scope {
	scopes := map[string]imgtest.Scope{"/dev": imgtest.Self}
	for _, l := range m.Filtered {
		scopes[string(l.Path)] = imgtest.Ignore
	}
	for _, l := range m.Excluded {
		scopes[string(l.Path)] = imgtest.Self
	}
	for _, mount := range m.Mounts {
		if mount.Action != "crossed" {
			scopes[string(mount.Path)] = imgtest.Ignore // the image has what is under the mount
		}
	}
	return func(path string) imgtest.Scope { return scopes[path] }
}
