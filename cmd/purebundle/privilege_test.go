package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// The system calls that the walk guards itself by, and what a kernel or a
// container that does not have them says.
var deniable = map[string]struct {
	number uint32
	errno  unix.Errno
}{
	"openat2":       {unix.SYS_OPENAT2, unix.ENOSYS},
	"open_tree":     {unix.SYS_OPEN_TREE, unix.EPERM},
	"mount_setattr": {unix.SYS_MOUNT_SETATTR, unix.ENOSYS},
	"unshare":       {unix.SYS_UNSHARE, unix.EPERM},
}

// denied runs as the test binary under that name: "denied CALL... -- PROGRAM ARG..."
// runs a program for which these system calls fail (seccomp(2)).
func denied() {
	calls, command := os.Args[1:], []string{}
	if i := slices.Index(calls, "--"); i >= 0 {
		calls, command = calls[:i], calls[i+1:]
	}
	// The filter reads the number of the call, the first word of seccomp_data.
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}}
	for _, name := range calls {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: deniable[name].number},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(deniable[name].errno)})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		panic(errno)
	}
	path, err := exec.LookPath(command[0])
	if err == nil {
		err = unix.Exec(path, command, os.Environ())
	}
	panic(err)
}

// place is a tree with the mounts that must never be bundled, and the program.
type place struct {
	dir     string // holds all of it
	tree    string // SOURCE; DEST is /out in it
	program string // static, in the tree as well
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{dir: t.TempDir()}
	p.tree = filepath.Join(p.dir, "tree")
	makeFiles(t, p.tree, map[string]string{
		"bin/": "", "proc/": "", "out/": "", "volatile/": "", "var/named/chroot/proc/": "", "srv/sys/": "", "srv/version": "",
		"etc/hostname": "here", "etc/empty": "", "home/me/.bash_history": "secret",
	})
	fillFile(t, filepath.Join(p.tree, "data"), 12<<20)
	if err := os.Link(filepath.Join(p.tree, "etc/hostname"), filepath.Join(p.tree, "etc/again")); err != nil {
		t.Fatal(err)
	}
	// The test binary may need the libraries of this machine.
	p.program = filepath.Join(p.tree, "bin/purebundle")
	build := exec.Command("go", "build", "-o", p.program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	imgtest.NeedTool(t, "go")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// For an ordinary user, to whom the tree belongs.
	for d := p.dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	imgtest.Run(t, "chown", "-R", "65534:65534", p.tree)
	// What a mount point is like below its mount, only a clone of the tree shows:
	// elsewhere it is like the root of the mount, with a warning.
	for name, mode := range map[string]os.FileMode{
		"proc": 0o555, "var/named/chroot/proc": 0o555, "srv/sys": 0o555, "srv/version": 0o444, "volatile": 0o777 | os.ModeSticky,
	} {
		name = filepath.Join(p.tree, name)
		if err := errors.Join(os.Chown(name, 0, 0), os.Chmod(name, mode)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// stealthyMounts are bound in the tree by a shell, with / or the tree as $R.
const stealthyMounts = `mount --bind /proc $R/var/named/chroot/proc && mount --bind /sys $R/srv/sys &&
mount --bind /proc/version $R/srv/version && mount -t tmpfs volatile $R/volatile && echo lost > $R/volatile/file`

// bundleLine returns the command line of a run whose bytes depend on the tree alone.
func bundleLine(program, source, dest string) []string {
	return []string{program, "bundle", "--progress", "plain", "--force", "--trust-dest", "--time", "@1000000000", "--label", "same",
		"--uuid", "1b4e28ba-2fa1-11d2-883f-0016d3cca427", source, dest}
}

// As whom, where and under which kernel it runs makes no difference to the
// image or to what is refused.
func TestPrivileges(t *testing.T) {
	imgtest.RequireRoot(t)
	if testing.Short() {
		t.Skip("the program that it starts is built without the race detector")
	}
	p := newPlace(t)
	out := filepath.Join(p.tree, "out")
	imgtest.Run(t, "sh", "-c", "R="+p.tree+"; "+stealthyMounts)
	for _, m := range []string{"var/named/chroot/proc", "srv/sys", "srv/version", "volatile"} {
		t.Cleanup(func() { _ = unix.Unmount(filepath.Join(p.tree, m), unix.MNT_DETACH) })
	}
	denier := filepath.Join(p.dir, "denied")
	imgtest.Run(t, "cp", "-L", program(t), denier) // go test keeps its own from others
	line := bundleLine(p.program, p.tree, out)
	deny := func(calls ...string) []string { return slices.Concat([]string{denier}, calls, []string{"--"}, line) }

	imgtest.Run(t, line[0], line[1:]...)
	want := imageOf(t, out)
	wantRefused(t, out)
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1 << 16}}
	namespace := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, UidMappings: ids, GidMappings: ids}
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	for _, c := range []struct {
		name string
		as   *syscall.SysProcAttr
		line []string
	}{
		{"again", nil, line},
		{"without openat2", nil, deny("openat2")},
		{"without open_tree", nil, deny("open_tree")},
		{"without either", nil, deny("open_tree", "openat2")},
		{"without any guard", nil, deny("open_tree", "openat2", "mount_setattr", "unshare")},
		{"ordinary user", nobody, line},
		{"ordinary user without openat2", nobody, deny("openat2")},
		{"user namespace", namespace, line},
	} {
		t.Run(c.name, func(t *testing.T) {
			imgtest.Run(t, "sh", "-c", "rm -f "+out+"/* && chown 65534:65534 "+out)
			cmd := exec.Command(c.line[0], c.line[1:]...)
			cmd.SysProcAttr = c.as
			if output, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			want.compare(t, imageOf(t, out))
			wantRefused(t, out)
		})
	}
	t.Run("container", func(t *testing.T) { testContainer(t, p, want) })
}

// testContainer runs it in a container: mounts, processes and a root of its own,
// and that root is an overlay.
func testContainer(t *testing.T, p *place, want madeImage) {
	for _, dir := range []string{"layer", "root"} {
		if err := os.Mkdir(filepath.Join(p.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	imgtest.Run(t, "rm", "-rf", filepath.Join(p.tree, "out"))
	if err := os.Mkdir(filepath.Join(p.tree, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "chown", "65534:65534", filepath.Join(p.tree, "out"))
	script := `set -e; cd ` + p.dir + `
mount -t tmpfs layer layer && mkdir layer/upper layer/work && chown 65534:65534 layer/upper
umount tree/var/named/chroot/proc tree/srv/sys tree/srv/version tree/volatile
mount -t overlay -o lowerdir=tree,upperdir=layer/upper,workdir=layer/work container root
mount -t proc proc root/proc; R=root; ` + stealthyMounts + `
chroot root /` + strings.Join(bundleLine("bin/purebundle", "/", "/out"), " ") + `
cp -r root/out out`
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "sh", "-c", script)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	want.compare(t, imageOf(t, filepath.Join(p.dir, "out")))
	wantRefused(t, filepath.Join(p.dir, "out"))
}

// madeImage is what two images are compared by: their digests, and for people
// their names.
type madeImage struct{ sums, names string }

func imageOf(t *testing.T, out string) madeImage {
	t.Helper()
	sums, err := os.ReadFile(filepath.Join(out, "image.sha256"))
	if err != nil {
		t.Fatal(err)
	}
	_, names, _ := call("ls", "-lR", out)
	return madeImage{string(sums), names}
}

func (want madeImage) compare(t *testing.T, got madeImage) {
	t.Helper()
	if got.sums != want.sums {
		t.Errorf("the image differs:\n%s%swant\n%s%s", got.sums, got.names, want.sums, want.names)
	}
}

// wantRefused wants the three binds refused and the tmpfs left out, each named.
func wantRefused(t *testing.T, out string) {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(out, "image.manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(manifest)), " ")
	for path, action := range map[string]string{
		"/var/named/chroot/proc": "refused", "/srv/sys": "refused", "/srv/version": "refused", "/volatile": "left out",
	} {
		_, rest, _ := strings.Cut(flat, fmt.Sprintf(`"path": %q, "fstype"`, path))
		if entry, _, _ := strings.Cut(rest, "}"); !strings.Contains(entry, fmt.Sprintf(`"action": %q`, action)) {
			t.Errorf("%s is not %s: %s", path, action, entry)
		}
	}
}
