package walker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/filter"
	"purebundle/walker/mounttable"
)

// storyTree makes the machine on which bundles filled with proc: named's init script had bound /proc into the chroot where the exclude
// list did not know it.
func storyTree(t *testing.T) string {
	needRoot(t)
	dir := makeTree(t, t.TempDir(),
		"etc/hostname=story", "etc/version=hidden content", "home/user/file=x", "srv/sys/hidden=x",
		"var/named/chroot/proc/", "var/named/chroot/etc/named.conf=zone", "opt/odd/", "opt/under/", "opt/over/")
	mountFS(t, "proc", filepath.Join(dir, "opt/under"), "proc", 0, "")
	mountFS(t, "none", filepath.Join(dir, "opt/under"), "tmpfs", 0, "")
	mountFS(t, "none", filepath.Join(dir, "opt/over"), "tmpfs", 0, "")
	mountFS(t, "proc", filepath.Join(dir, "opt/over"), "proc", 0, "")
	mountFS(t, "/dev/sda1", filepath.Join(dir, "opt/odd"), "proc", 0, "")
	bind(t, "/proc", filepath.Join(dir, "var/named/chroot/proc"))
	bind(t, "/sys", filepath.Join(dir, "srv/sys"))
	bind(t, "/proc/version", filepath.Join(dir, "etc/version"))
	makeTree(t, filepath.Join(dir, "opt/under"), "file=on the tmpfs")
	return dir
}

func TestStory(t *testing.T) {
	dir := storyTree(t)
	res := walkAll(t, dir, Options{})
	want := []string{
		"/", "/etc", "/etc/hostname", "/etc/version", "/home", "/home/user", "/home/user/file", "/opt", "/opt/odd", "/opt/over",
		"/opt/under", "/srv", "/srv/sys", "/var", "/var/named", "/var/named/chroot", "/var/named/chroot/etc",
		"/var/named/chroot/etc/named.conf", "/var/named/chroot/proc",
	}
	diff(t, "paths", res.order, want)
	for _, p := range []string{"/opt/odd", "/opt/over", "/opt/under", "/srv/sys", "/var/named/chroot/proc"} {
		if e := res.entries[p]; e.Mode&unix.S_IFMT != unix.S_IFDIR {
			t.Errorf("%s: mode %o, want a directory", p, e.Mode)
		}
	}
	if e := res.entries["/etc/version"]; e.Mode&unix.S_IFMT != unix.S_IFREG || e.Size != 0 {
		t.Errorf("/etc/version: mode %o size %d, want an empty file", e.Mode, e.Size)
	}
	sys := "/srv/sys sysfs: refused, sysfs file system"
	if name := strings.Fields(imgtest.Run(t, "findmnt", "-n", "-o", "SOURCE", "--mountpoint", "/sys")); name[len(name)-1] != "sysfs" {
		sys += " under the source name " + name[len(name)-1] // as somebody typed it
	}
	diff(t, "mounts", res.mountLines()[1:], []string{
		"/etc/version proc: refused, bind of /version of the proc file system",
		"/opt/odd proc: refused, proc file system under the source name /dev/sda1",
		"/opt/over tmpfs: left out, tmpfs hidden by the proc on /opt/over",
		"/opt/over proc: refused, proc file system",
		"/opt/under proc: refused, proc file system, hidden by the tmpfs on /opt/under",
		"/opt/under tmpfs: refused, tmpfs mounted over proc file system",
		sys,
		"/var/named/chroot/proc proc: refused, proc file system",
	})
}

func TestStoryNoDefaults(t *testing.T) {
	dir := storyTree(t)
	res := walkAll(t, dir, Options{NoDefaultExcludes: true, Filter: filter.Choice{Classes: filter.None}, Include: []string{"/**"}})
	for _, p := range []string{"/opt/odd", "/opt/over", "/opt/under", "/srv/sys", "/var/named/chroot/proc"} {
		if got := res.below(p); len(got) > 0 {
			t.Errorf("below %s: %q", p, got[:1])
		}
	}
}

func TestStoryCross(t *testing.T) {
	dir := storyTree(t)
	for _, p := range []string{"etc/version", "opt/odd", "opt/over", "opt/under", "srv/sys", "var/named/chroot/proc"} {
		for _, cross := range []string{"/" + p, p, filepath.Join(dir, p)} {
			_, err := walkErr(t, dir, Options{Cross: []string{cross}})
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Path != cross || refused.Reason == "" {
				t.Errorf("cross %s: %v, want it refused by name and reason", cross, err)
			}
		}
	}
	for _, p := range []string{"/etc", "/nowhere", "/home/user/file"} {
		_, err := walkErr(t, dir, Options{Cross: []string{p}})
		var not *NotMountError
		if !errors.As(err, &not) || not.Path != p {
			t.Errorf("cross %s: %v, want that it is no mount", p, err)
		}
	}
}

func TestSourceRefused(t *testing.T) {
	dir := storyTree(t)
	for _, p := range []string{"/proc", "/sys", "/proc/self/task", filepath.Join(dir, "opt/odd"), filepath.Join(dir, "var/named/chroot/proc/1")} {
		_, err := walkErr(t, p, Options{})
		if refused := new(RefusedError); !errors.As(err, &refused) {
			t.Errorf("%s: %v, want it refused", p, err)
		}
		if _, err := Mounts(p, Options{}); err == nil {
			t.Errorf("%s: Mounts takes it", p)
		}
	}
}

// TestStoryOpen tries to read through the mounts where the walk did not go.
func TestStoryOpen(t *testing.T) {
	dir := storyTree(t)
	for _, g := range guards() {
		res := walk(t, dir, Options{mode: g.mode})
		for _, p := range []string{"/opt/odd/version", "/srv/sys/kernel/uevent_seqnum", "/var/named/chroot/proc/version", "/opt/over/version"} {
			f, err := openFile(res.Tree, p)
			if err == nil {
				t.Errorf("%s guard: opened %s", g.name, p)
				f.Close()
			}
		}
		f, err := openFile(res.Tree, "/etc/version")
		switch {
		case g.mode == cloneMode: // what lies under the mount is the disk's
			must(t, err)
			f.Close()
		case err == nil:
			t.Errorf("%s guard: opened /etc/version", g.name)
			f.Close()
		}
	}
}

// TestLastGuard goes round the mount table: with the mount ID of proc taken for one that is crossed, the file system itself is refused.
func TestLastGuard(t *testing.T) {
	needRoot(t)
	top, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(top)
	for _, p := range []string{"proc", "sys", "proc/version"} {
		fd, err := unix.Openat(top, p, unix.O_PATH|unix.O_CLOEXEC, 0)
		must(t, err)
		r := &root{fd: fd, mode: plainMode}
		r.mntID, err = mounttable.ID(fd)
		must(t, err)
		if got, err := r.open(top, p, fileFlags); err != errRefusedFS {
			t.Errorf("%s: %d, %v, want the file system refused", p, got, err)
		}
		if _, err := r.openSelf(new(unix.Stat_t)); err != errRefusedFS {
			t.Errorf("%s: %v, want the file system refused", p, err)
		}
		unix.Close(fd)
	}
}

// TestAppearing mounts while the walk is under way.
func TestAppearing(t *testing.T) {
	needRoot(t)
	for _, g := range guards() {
		t.Run(g.name, func(t *testing.T) {
			dir := makeTree(t, t.TempDir(), "a=1", "b/underneath=1", "c/", "d/", "e=content", "f/deep/dir/")
			res := &result{entries: make(map[string]*Entry)}
			tree, err := Walk(t.Context(), dir, Options{mode: g.mode}, func(e *Entry) error {
				if e.Path == "/a" {
					mountFS(t, "none", filepath.Join(dir, "b"), "tmpfs", 0, "")
					makeTree(t, filepath.Join(dir, "b"), "secret=1")
					mountFS(t, "proc", filepath.Join(dir, "c"), "proc", 0, "")
					deadFUSE(t, filepath.Join(dir, "d"))
					bind(t, "/proc/version", filepath.Join(dir, "e"))
					bind(t, "/proc", filepath.Join(dir, "f/deep/dir"))
				}
				return res.add(e)
			})
			must(t, err)
			defer tree.Close()
			want := []string{"/", "/a", "/b", "/c", "/d", "/e", "/f", "/f/deep", "/f/deep/dir"}
			if g.mode == cloneMode {
				want = slices.Insert(want, 3, "/b/underneath")
			}
			diff(t, "paths", res.order, want)
			if g.mode != cloneMode {
				if len(tree.Warnings) != 1 || tree.Warnings[0].Count != 5 || tree.Warnings[0].Path != "/b" {
					t.Errorf("warnings: %+v", tree.Warnings)
				}
				if _, err := openFile(tree, "/e"); !errors.Is(err, errOtherMount) {
					t.Errorf("open: %v", err)
				}
			} else if len(tree.Warnings) != 0 {
				t.Errorf("warnings: %+v", tree.Warnings)
			}
		})
	}
}

// deadFUSE mounts a FUSE file system whose server never answers.
func deadFUSE(t testing.TB, dir string) {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		skip(t, "needs /dev/fuse: "+err.Error())
	}
	mountFS(t, "dead", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd))
	t.Cleanup(func() { unix.Close(fd) }) // before the unmount: whoever waits for an answer gets an error
}

func TestDeadFUSE(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "a=1", "mnt2/fuse/underneath=1", "z=1")
	must(t, os.Chmod(filepath.Join(dir, "mnt2/fuse"), 0o750))
	deadFUSE(t, filepath.Join(dir, "mnt2/fuse"))
	for _, g := range guards() {
		t.Run(g.name, func(t *testing.T) {
			done := make(chan *result)
			go func() {
				defer close(done)
				res, err := walkErr(t, dir, Options{mode: g.mode})
				if err != nil {
					t.Error(err)
				}
				done <- res
			}()
			select {
			case res := <-done:
				diff(t, "paths", res.order, []string{"/", "/a", "/mnt2", "/mnt2/fuse", "/z"})
				diff(t, "mounts", res.mountLines()[1:], []string{"/mnt2/fuse fuse: left out, network or FUSE file system (fuse)"})
				want := uint32(unix.S_IFDIR | 0o755)
				if g.mode == cloneMode {
					want = unix.S_IFDIR | 0o750
				}
				if e := res.entries["/mnt2/fuse"]; e.Mode != want {
					t.Errorf("mode %o, want %o", e.Mode, want)
				}
				warnings := []string{"mount left out, network or FUSE file system (fuse): what is in it is not in the tree; --cross /mnt2/fuse takes it", coveredText}
				if g.mode == cloneMode {
					warnings[1] = underText
				}
				var got []string
				for _, w := range res.Warnings {
					got = append(got, w.Text)
				}
				diff(t, "warnings", got, warnings)
			case <-time.After(time.Minute):
				t.Fatal("the walk waits for the FUSE server")
			}
		})
	}
}

// TestNoMountTable hides proc.
func TestNoMountTable(t *testing.T) {
	needRoot(t)
	out := runHelper(t, "no-proc", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS})
	if !strings.Contains(out, "MountTableError: read mount table: ") || !strings.Contains(out, "is proc mounted at /proc?") {
		t.Errorf("got %q", out)
	}
}

func noProcHelper() error {
	if err := unix.Mount("none", "/proc", "tmpfs", 0, ""); err != nil {
		return err
	}
	_, err := Mounts("/", Options{})
	if e := new(MountTableError); errors.As(err, &e) && errors.Is(err, fs.ErrNotExist) {
		fmt.Println("MountTableError:", err)
	}
	return nil
}

// TestMountReplaced finds another mount than the one in the table.
func TestMountReplaced(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	mountFS(t, "none", dir, "tmpfs", 0, "")
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	must(t, err)
	id, err := mounttable.ID(fd)
	unix.Close(fd)
	must(t, err)
	m := &mount{Mount: Mount{ID: int(id), Path: "/"}, point: dir}
	mountFS(t, "proc", dir, "proc", 0, "")
	if r, err := openRoot(m, bestMode); !errors.Is(err, errOtherMount) {
		t.Errorf("got %+v, %v", r, err)
	}
}
