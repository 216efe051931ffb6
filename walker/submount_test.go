package walker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"
)

// diskFS mounts a fresh ext4 of 16 MiB from a file outside the tree.
func diskFS(t testing.TB, target string) {
	t.Helper()
	loopMount(t, loopImage(t, 16<<20, "mkfs.ext4", "-q"), target)
}

// loopImage makes a file of size bytes outside the tree with a file system.
func loopImage(t testing.TB, size int64, mkfs ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, size))
	run(t, mkfs[0], append(mkfs[1:], image)...)
	return image
}

func loopMount(t testing.TB, image, target string, options ...string) {
	t.Helper()
	run(t, "mount", append(append([]string{"-o", "loop"}, options...), image, target)...)
	t.Cleanup(func() { unix.Unmount(target, unix.MNT_DETACH) })
}

func TestSubmounts(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "home/underneath=1", "data/", "scratch/underneath=1", "layers/", "image/underneath=1", "bound/underneath=1",
		"here/file=1", "etc/hosts=underneath", "srv/real/sub/file=1", "z")
	outside := makeTree(t, t.TempDir(), "lower/l=1", "upper/", "work/", "squash/s=1", "elsewhere/deep/e=1", "hosts=bound")
	at := func(p string) string { return filepath.Join(dir, p) }
	must(t, os.Chmod(at("image"), 0o711))
	diskFS(t, at("home"))
	makeTree(t, at("home"), "user/file=1")
	must(t, os.Chmod(at("home"), os.ModeSetgid|0o751))
	must(t, xattr.Set(at("home"), "user.on", []byte("the mounted root")))
	must(t, os.Mkdir(at("home/nested"), 0o755))
	diskFS(t, at("home/nested"))
	makeTree(t, at("home/nested"), "deep=1")
	mountFS(t, "none", at("scratch"), "tmpfs", 0, "mode=700")
	makeTree(t, at("scratch"), "s=1", "disk/")
	diskFS(t, at("scratch/disk"))
	mountFS(t, "overlay", at("layers"), "overlay", 0, "lowerdir="+outside+"/lower,upperdir="+outside+"/upper,workdir="+outside+"/work")
	squash := filepath.Join(t.TempDir(), "squash")
	run(t, "mksquashfs", filepath.Join(outside, "squash"), squash, "-quiet", "-no-progress")
	loopMount(t, squash, at("image"))
	bind(t, at("srv/real"), at("bound"))
	bind(t, at("here"), at("here"))
	bind(t, filepath.Join(outside, "elsewhere"), at("data"))
	bind(t, filepath.Join(outside, "hosts"), at("etc/hosts"))

	res := walkAll(t, dir, Options{})
	diff(t, "paths", res.order, []string{
		"/", "/bound", "/data", "/data/deep", "/data/deep/e", "/etc", "/etc/hosts", "/here", "/here/file",
		"/home", "/home/lost+found", "/home/nested", "/home/nested/deep", "/home/nested/lost+found", "/home/user", "/home/user/file",
		"/image", "/layers", "/scratch", "/srv", "/srv/real", "/srv/real/sub", "/srv/real/sub/file", "/z",
	})
	diff(t, "mounts", res.mountLines()[1:], []string{
		"/bound ext4: left out, shows what is in the tree at /srv/real already",
		"/data ext4: crossed, local disk file system (ext4)",
		"/etc/hosts ext4: crossed, local disk file system (ext4)",
		"/here ext4: crossed, local disk file system (ext4)",
		"/home ext4: crossed, local disk file system (ext4)",
		"/home/nested ext4: crossed, local disk file system (ext4)",
		"/image squashfs: left out, read-only image (squashfs)",
		"/layers overlay: left out, layered file system (overlay) made of directories elsewhere",
		"/scratch tmpfs: left out, file system in memory (tmpfs)",
		"/scratch/disk ext4: left out, below /scratch (tmpfs), which is left out",
	})
	var lost []string
	for _, p := range res.Unreadable {
		lost = append(lost, p.Path+": "+p.Err.Error())
	}
	diff(t, "unreadable", lost, []string{
		"/layers: mount left out, layered file system (overlay) made of directories elsewhere: its content is nowhere in the tree; --cross /layers takes it",
		"/scratch/disk: mount left out, below /scratch (tmpfs), which is left out: its content is nowhere in the tree; --cross /scratch takes it",
	})
	var warnings []string
	for _, w := range res.Warnings {
		warnings = append(warnings, fmt.Sprintf("%s: %s (%d)", w.Path, w.Text, w.Count))
	}
	diff(t, "warnings", warnings, []string{
		"/scratch: mount left out, file system in memory (tmpfs): what is in it is not in the tree; --cross /scratch takes it (1)",
		"/bound: " + underText + " (3)",
	})
	if e := res.entries["/home"]; e.Mode != unix.S_IFDIR|0o2751 || len(e.Xattrs) != 1 {
		t.Errorf("crossed mount point: mode %o, xattrs %v: not those of the mounted root", e.Mode, e.Xattrs)
	}
	if e := res.entries["/image"]; e.Mode != unix.S_IFDIR|0o711 {
		t.Errorf("mount point left out: mode %o: not that of the directory underneath", e.Mode)
	}
	wantRead(t, res.Tree, map[string]string{"/etc/hosts": "bound", "/home/nested/deep": "1", "/data/deep/e": "1", "/here/file": "1"})
	if e := res.entries["/etc/hosts"]; e.Size != 5 {
		t.Errorf("/etc/hosts: size %d", e.Size)
	}

	t.Run("cross", func(t *testing.T) {
		res := walkAll(t, dir, Options{Cross: []string{"/scratch", at("image"), "layers", "/bound"}})
		diff(t, "crossed", append(append(append(res.below("/scratch"), res.below("/image")...), res.below("/layers")...), res.below("/bound")...),
			[]string{"/scratch/disk", "/scratch/disk/lost+found", "/scratch/s", "/image/s", "/layers/l", "/bound/sub", "/bound/sub/file"})
		if e := res.entries["/scratch"]; e.Mode != unix.S_IFDIR|0o700 {
			t.Errorf("mode %o", e.Mode)
		}
		_, err := walkErr(t, dir, Options{Cross: []string{"/scratch/disk"}})
		if left := new(LeftOutError); !errors.As(err, &left) || !strings.Contains(left.Reason, "/scratch") {
			t.Errorf("below a mount that is left out: %v", err)
		}
	})
	t.Run("one file system", func(t *testing.T) {
		res := walkAll(t, dir, Options{OneFileSystem: true, Cross: []string{"/home"}})
		diff(t, "paths", res.order, []string{
			"/", "/bound", "/data", "/etc", "/etc/hosts", "/here", "/home", "/home/lost+found", "/home/nested", "/home/user", "/home/user/file",
			"/image", "/layers", "/scratch", "/srv", "/srv/real", "/srv/real/sub", "/srv/real/sub/file", "/z",
		})
	})
	t.Run("source inside", func(t *testing.T) {
		res := walkAll(t, at("home"), Options{})
		diff(t, "paths", res.order, []string{"/", "/lost+found", "/nested", "/nested/deep", "/nested/lost+found", "/user", "/user/file"})
		res = walkAll(t, at("srv/real/sub"), Options{})
		diff(t, "paths", res.order, []string{"/", "/file"})
		res = walkAll(t, at("layers"), Options{})
		diff(t, "paths", res.order, []string{"/", "/l"})
	})
	t.Run("excluded", func(t *testing.T) {
		res := walkAll(t, dir, Options{Exclude: []string{"/home", "/data/"}, Include: []string{"/home/nested/deep"}})
		diff(t, "paths", res.below("/home"), []string{"/home/nested", "/home/nested/deep"})
		for _, m := range res.Mounts {
			if m.Path == "/data" && (m.Action != LeftOut || m.Reason != "left out by exclude /data/") {
				t.Errorf("/data: %s, %s", m.Action, m.Reason)
			}
		}
	})
}

// TestDefaultsAndMounts has mounts where contents are left out by default.
func TestDefaultsAndMounts(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "tmp/underneath=1", "mnt/disk/", "mnt/other/x=1", "run/", "dev/underneath=1", "proc/", "sys/")
	at := func(p string) string { return filepath.Join(dir, p) }
	diskFS(t, at("tmp"))
	must(t, os.Chmod(at("tmp"), 0o777|os.ModeSticky))
	makeTree(t, at("tmp"), "t=1")
	diskFS(t, at("mnt/disk"))
	makeTree(t, at("mnt/disk"), "d=1")
	mountFS(t, "none", at("run"), "tmpfs", 0, "")
	makeTree(t, at("run"), "r=1")
	mountFS(t, "none", at("dev"), "devtmpfs", 0, "")
	mountFS(t, "proc", at("proc"), "proc", 0, "")
	bind(t, "/sys", at("sys"))
	devices := []string{"/dev/console", "/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"}

	res := walkAll(t, dir, Options{})
	diff(t, "paths", res.order, append(append([]string{"/", "/dev"}, devices...), "/mnt", "/proc", "/run", "/sys", "/tmp"))
	if e := res.entries["/tmp"]; e.Mode != unix.S_IFDIR|unix.S_ISVTX|0o777 {
		t.Errorf("/tmp: mode %o: not what the system runs with", e.Mode)
	}
	res = walkAll(t, dir, Options{NoDefaultExcludes: true})
	diff(t, "paths", res.order, append(append([]string{"/", "/dev"}, devices...),
		"/mnt", "/mnt/disk", "/mnt/disk/d", "/mnt/disk/lost+found", "/mnt/other", "/mnt/other/x", "/proc", "/run", "/sys", "/tmp", "/tmp/lost+found", "/tmp/t"))
	res = walkAll(t, dir, Options{Cross: []string{"/run", "/mnt/disk"}, Exclude: []string{"tty", "lost+found"}, Include: []string{"/tmp/t"}})
	diff(t, "paths", res.order, []string{"/", "/dev", "/dev/console", "/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero",
		"/mnt", "/mnt/disk", "/mnt/disk/d", "/proc", "/run", "/run/r", "/sys", "/tmp", "/tmp/t"})
	for p, want := range map[string]Entry{
		"/dev/null":    {Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 3},
		"/dev/zero":    {Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 5},
		"/dev/full":    {Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 7},
		"/dev/random":  {Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 8},
		"/dev/urandom": {Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 9},
		"/dev/console": {Mode: unix.S_IFCHR | 0o600, Major: 5, Minor: 1},
	} {
		e := res.entries[p]
		if e.Mode != want.Mode || e.Major != want.Major || e.Minor != want.Minor || e.Nlink != 1 {
			t.Errorf("%s: %+v", p, e)
		}
	}
}

// TestNeighbours has mounts one after the other whose files have the same names, and one that is deeper than directories stay open.
func TestNeighbours(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "a/", "b/", "c/deep/", "c/z", "z")
	for _, p := range []string{"a", "b", "c/deep"} {
		at := filepath.Join(dir, p)
		mountFS(t, "none", at, "tmpfs", 0, "")
		makeTree(t, at, "file")
		must(t, xattr.Set(filepath.Join(at, "file"), "trusted.where", []byte(p)))
	}
	makeTree(t, filepath.Join(dir, "c/deep"), strings.Repeat("d/", maxOpenDirs+2)+"bottom")
	res := walkAll(t, dir, Options{Cross: []string{"a", "b", "c/deep"}})
	for _, p := range []string{"a", "b", "c/deep"} {
		if e := res.entries["/"+p+"/file"]; len(e.Xattrs) != 1 || string(e.Xattrs[0].Value) != p {
			t.Errorf("%s: %q", e.Path, e.Xattrs)
		}
	}
	if res.entries["/c/z"] == nil || res.entries["/z"] == nil || len(res.Unreadable) > 0 {
		t.Errorf("after the deep mount: %q, unreadable %v", res.order[len(res.order)-2:], res.Unreadable)
	}
}

// TestDeletedBind binds a directory that has no name in the tree any more.
func TestDeletedBind(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "a/file=1", "b/")
	bind(t, filepath.Join(dir, "a"), filepath.Join(dir, "b"))
	must(t, os.Rename(filepath.Join(dir, "a/file"), filepath.Join(dir, "file")))
	must(t, os.Remove(filepath.Join(dir, "a")))
	res := walkAll(t, dir, Options{})
	diff(t, "mounts", res.mountLines()[1:], []string{"/b ext4: crossed, local disk file system (ext4)"})
}

// TestLeaveOut recognises the output directory where it is bound to another name.
func TestLeaveOut(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "a/out/image.part.000=1", "b/", "c")
	bind(t, filepath.Join(dir, "a"), filepath.Join(dir, "b"))
	res := walkAll(t, dir, Options{LeaveOut: []string{filepath.Join(dir, "b/out")}, Cross: []string{"/b"}, Include: []string{"/a/out/**"}})
	diff(t, "paths", res.order, []string{"/", "/a", "/a/out", "/b", "/b/out", "/c"})
	diff(t, "excluded", leftLines(res.Excluded), []string{"/a/out: output directory", "/b/out: output directory"})
	if _, err := walkErr(t, dir, Options{LeaveOut: []string{dir}}); err == nil {
		t.Error("the source itself is the output directory, and that is no error")
	}
	if _, err := walkErr(t, dir, Options{LeaveOut: []string{dir + "/nowhere"}}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("missing directory: %v", err)
	}
}

// TestLeaveOutSeen has the output directory under a second path, by each way that there is to have one: nothing that lies in it is in the tree.
func TestLeaveOutSeen(t *testing.T) {
	needRoot(t)
	const part = "image.part.000"
	for _, test := range []struct {
		name string
		make func(t *testing.T, dir string) (out string) // out is made, in or beside what shows it
		opt  Options
		want string // directories of the tree that are the output, empty
	}{
		{"a symbolic link", func(t *testing.T, dir string) string {
			makeTree(t, dir, "real/out/", "link -> real")
			return dir + "/link/out"
		}, Options{}, "/real/out"},
		{"a bind", func(t *testing.T, dir string) string {
			makeTree(t, dir, "a/out/", "b/")
			bind(t, dir+"/a", dir+"/b")
			return dir + "/b/out"
		}, Options{Cross: []string{"/b"}}, "/a/out /b/out"},
		{"a bind of itself", func(t *testing.T, dir string) string {
			makeTree(t, dir, "a/out/", "b/")
			bind(t, dir+"/a/out", dir+"/b")
			return dir + "/a/out"
		}, Options{Cross: []string{"/b"}}, "/a/out /b"},
		{"a file system that is mounted twice", func(t *testing.T, dir string) string {
			makeTree(t, dir, "a/", "b/")
			diskFS(t, dir+"/a")
			mountFS(t, strings.TrimSpace(run(t, "findmnt", "-no", "SOURCE", "-M", dir+"/a")), dir+"/b", "ext4", 0, "")
			makeTree(t, dir, "a/out/")
			return dir + "/a/out"
		}, Options{Cross: []string{"/b"}}, "/a/out /b/out"},
		{"an overlay whose upper layer is in the tree", func(t *testing.T, dir string) string {
			makeTree(t, dir, "up/", "work/", "low/", "merged/")
			mountFS(t, "x", dir+"/merged", "overlay", 0, "lowerdir="+dir+"/low,upperdir="+dir+"/up,workdir="+dir+"/work")
			makeTree(t, dir, "merged/out/")
			return dir + "/merged/out"
		}, Options{Exclude: []string{"/work"}, Cross: []string{"/merged"}}, "/merged/out /up/out"},
		{"an overlay over the output directory", func(t *testing.T, dir string) string {
			makeTree(t, dir, "a/out/", "b/", "merged/")
			mountFS(t, "x", dir+"/merged", "overlay", 0, "lowerdir="+dir+"/a:"+dir+"/b")
			return dir + "/a/out"
		}, Options{Cross: []string{"/merged"}}, "/a/out /merged/out"},
		{"a subvolume", func(t *testing.T, dir string) string {
			top := t.TempDir()
			loopMount(t, loopImage(t, 128<<20, "mkfs.btrfs", "-q"), top)
			run(t, "btrfs", "subvolume", "create", top+"/@")
			run(t, "btrfs", "subvolume", "create", top+"/@/out")
			makeTree(t, top, "@/o/", "@/top/")
			device := strings.TrimSpace(run(t, "findmnt", "-no", "SOURCE", "-M", top))
			mountFS(t, device, dir, "btrfs", 0, "subvol=@")
			mountFS(t, device, dir+"/o", "btrfs", 0, "subvol=@/out")
			mountFS(t, device, dir+"/top", "btrfs", 0, "")
			return dir + "/out"
		}, Options{Cross: []string{"/o", "/top"}}, "/o /out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			out := test.make(t, dir)
			must(t, os.WriteFile(filepath.Join(out, part), []byte("1"), 0o600))
			test.opt.LeaveOut = []string{out}
			res := walk(t, dir, test.opt)
			for _, p := range res.order {
				if strings.HasSuffix(p, part) {
					t.Errorf("%s is in the tree", p)
				}
			}
			var empty []string
			for _, l := range res.Excluded {
				if l.Rule == OutputRule {
					empty = append(empty, l.Path)
				}
			}
			diff(t, "left out as the output", empty, strings.Fields(test.want))
		})
	}
}

// TestSwapFile swaps to a file in the tree.
func TestSwapFile(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "var/a", "var/z")
	swap := filepath.Join(dir, "var/swap file")
	must(t, os.WriteFile(swap, make([]byte, 1<<20), 0o600))
	run(t, "mkswap", swap)
	run(t, "swapon", swap)
	t.Cleanup(func() { run(t, "swapoff", swap) })
	res := walkAll(t, dir, Options{})
	diff(t, "paths", res.order, []string{"/", "/var", "/var/a", "/var/z"})
	diff(t, "excluded", leftLines(res.Excluded), []string{"/var/swap file: active swap file"})
	res = walkAll(t, dir, Options{Include: []string{"swap*"}})
	diff(t, "paths", res.order, []string{"/", "/var", "/var/a", "/var/swap file", "/var/z"})
}
