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
