package walker

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// installFilter makes a seccomp filter hold for all threads.
func installFilter(prog []unix.SockFilter) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return errno
	}
	return nil
}

// TestDenied takes system calls away: the result must stay the same.
func TestDenied(t *testing.T) {
	dir := storyTree(t)
	makeTree(t, dir, "link -> etc", "deep/a/b/c=1")
	must(t, xattr.LSet(filepath.Join(dir, "link"), "trusted.x", []byte("1")))
	must(t, xattr.LSet(filepath.Join(dir, "deep"), "user.x", []byte("1")))
	want := parts(t, runHelper(t, "walk", nil, sourceEnv+"="+dir))
	for deny, guard := range map[string]mode{
		"mount_setattr": cloneMode, "unshare": cloneMode, "openat2": cloneMode, "open_tree": openat2Mode, "open_tree openat2": plainMode,
		"open_tree openat2 unshare mount_setattr": plainMode,
	} {
		t.Run(deny, func(t *testing.T) {
			got := parts(t, runHelper(t, "walk", nil, sourceEnv+"="+dir, denyEnv+"="+deny))
			if g := got["guard"][0]; g != fmt.Sprint(int(guard)) {
				t.Errorf("guard %s, want %d", g, guard)
			}
			diff(t, "entries", got["entry"], want["entry"])
			diff(t, "mounts", got["mount"], want["mount"])
			diff(t, "unreadable", got["unreadable"], nil)
			var warnings []string
			if guard == cloneMode { // else what is under a mount cannot be seen
				warnings = []string{"/etc/version " + underText + " 2"}
			}
			diff(t, "warnings", got["warning"], warnings)
		})
	}
}

// TestOrdinaryUser walks what belongs to somebody else.
func TestOrdinaryUser(t *testing.T) {
	dir := storyTree(t)
	imgtest.OpenWay(t, dir)
	makeTree(t, dir, "mine/file=1", "theirs/file=1", "noexec/file=1", "secret=1", "link -> etc")
	for _, p := range []string{"mine", "mine/file"} {
		must(t, os.Chown(filepath.Join(dir, p), imgtest.User, imgtest.User))
	}
	must(t, xattr.LSet(filepath.Join(dir, "mine/file"), "user.x", []byte("1")))
	must(t, os.Chmod(filepath.Join(dir, "theirs"), 0o700))
	must(t, os.Chmod(filepath.Join(dir, "noexec"), 0o744))
	must(t, os.Chmod(filepath.Join(dir, "secret"), 0o600))
	out := runHelper(t, "walk", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: imgtest.User, Gid: imgtest.User}}, sourceEnv+"="+dir)
	got := parts(t, out)
	want := walk(t, dir, Options{})
	var lines []string
	for _, l := range want.lines() {
		if l = fmt.Sprintf("%q", l); !strings.Contains(l, "Path:/theirs/") && !strings.Contains(l, "Path:/noexec/") {
			lines = append(lines, l)
		}
	}
	diff(t, "entries", withoutAtime(got["entry"]), withoutAtime(lines))
	diff(t, "mounts", got["mount"], want.mountLines()[1:])
	diff(t, "unreadable", got["unreadable"], []string{"/noexec/file permission denied", "/theirs permission denied"})
	if !slices.Contains(got["closed"], "open /secret: permission denied") {
		t.Errorf("files that cannot be opened: %q", got["closed"])
	}
}

// withoutAtime takes access times out of lines: who does not own a directory moves its time by reading it.
func withoutAtime(lines []string) []string {
	atime := regexp.MustCompile(`Atime:{[^}]*}`)
	var out []string
	for _, l := range lines {
		out = append(out, atime.ReplaceAllString(l, ""))
	}
	return out
}

// TestUserNamespace walks as root in a user namespace of its own, where mounts that it inherits cannot be taken apart.
func TestUserNamespace(t *testing.T) {
	dir := storyTree(t)
	imgtest.OpenWay(t, dir)
	want := parts(t, runHelper(t, "walk", nil, sourceEnv+"="+dir))
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1 << 16}}
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, UidMappings: ids, GidMappings: ids}
	got := parts(t, runHelper(t, "walk", attr, sourceEnv+"="+dir))
	diff(t, "entries", got["entry"], want["entry"])
	diff(t, "mounts", got["mount"], want["mount"])
	if g := got["guard"][0]; g != fmt.Sprint(int(openat2Mode)) {
		t.Errorf("guard %s, want openat2: mounts of another namespace must not be uncovered by a clone", g)
	}
	// Below a directory without mounts the clone is granted.
	plain := makeTree(t, dir, "plain/a/b=1")
	got = parts(t, runHelper(t, "walk", attr, sourceEnv+"="+plain+"/plain"))
	if g := got["guard"][0]; g != fmt.Sprint(int(cloneMode)) {
		t.Errorf("guard %s", g)
	}
}

// TestMountOutOfReach has mounts that an ordinary user cannot get to.
func TestMountOutOfReach(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "closed/mnt/", "z")
	outside := makeTree(t, t.TempDir(), "a/file=1", "b/file=1", "a/sub/")
	imgtest.OpenWay(t, dir)
	mnt := filepath.Join(dir, "closed/mnt")
	mountFS(t, filepath.Join(outside, "a"), mnt, "", unix.MS_BIND, "")
	mountFS(t, filepath.Join(outside, "b"), filepath.Join(mnt, "sub"), "", unix.MS_BIND, "")
	must(t, os.Chmod(filepath.Join(dir, "closed"), 0o700))
	got := parts(t, runHelper(t, "walk", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: imgtest.User, Gid: imgtest.User}}, sourceEnv+"="+dir))
	diff(t, "unreadable", got["unreadable"], []string{"/closed/mnt open " + mnt + ": permission denied", "/closed permission denied"})
	diff(t, "mounts", got["mount"], []string{
		"/closed/mnt ext4: left out, cannot be opened: open " + mnt + ": permission denied",
		"/closed/mnt/sub ext4: left out, below /closed/mnt (ext4), which is left out",
	})
	if n := len(got["entry"]); n != 3 {
		t.Errorf("%d entries", n)
	}
}
