package walker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// What an ordinary user can do to the walk that root makes of his directories.

// startAs starts a helper as the ordinary user and ends it with the test.
func startAs(t *testing.T, helper string, env ...string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(append(os.Environ(), helperEnv+"="+helper), env...)
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: imgtest.User, Gid: imgtest.User}, Pdeathsig: unix.SIGKILL}
	out, err := cmd.StdoutPipe()
	must(t, err)
	startChild(t, cmd)
	if _, err := out.Read(make([]byte, 1)); err != nil { // it is at work
		t.Fatalf("helper %s: %v", helper, err)
	}
}

// swapHelper exchanges "theirs" and "mine" in the directory in sourceEnv until it is killed.
func swapHelper() error {
	dir, err := unix.Open(os.Getenv(sourceEnv), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if err := unix.Renameat2(dir, "theirs", dir, "mine", unix.RENAME_EXCHANGE); err != nil {
			return err
		}
		if i == 0 {
			fmt.Println("ready")
		}
	}
}

// swapTree has "theirs", root's, and "mine", the user's, in a directory of the user.
func swapTree(t *testing.T, names ...string) string {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), names...)
	imgtest.OpenWay(t, dir)
	must(t, os.Chown(dir, imgtest.User, imgtest.User))
	must(t, os.Lchown(filepath.Join(dir, "mine"), imgtest.User, imgtest.User))
	return dir
}

// swapRounds is how often a tree is walked while a user swaps what is in it. Without the checks ten walks were enough.
const swapRounds = 200

func TestSwappedDirectory(t *testing.T) {
	dir := swapTree(t, "theirs/secret=1", "mine/bait=1")
	must(t, os.Chmod(filepath.Join(dir, "theirs"), 0o700))
	must(t, os.Chmod(filepath.Join(dir, "mine"), 0o777))
	must(t, xattr.Set(filepath.Join(dir, "theirs"), "trusted.theirs", []byte("1")))
	startAs(t, "swap", sourceEnv+"="+dir)
	seen := 0
	for range swapRounds {
		res := walk(t, dir, Options{})
		for _, name := range []string{"/mine", "/theirs"} {
			e := res.entries[name]
			if e == nil {
				t.Fatalf("%s is missing: unreadable %v, vanished %v", name, res.Unreadable, res.Vanished)
			}
			in := res.below(name)
			secret := slices.Contains(in, name+"/secret")
			if want := uint32(unix.S_IFDIR | 0o700); secret && (e.UID != 0 || e.Mode != want) {
				t.Fatalf("%s has root's content, the owner %d and the mode %o", name, e.UID, e.Mode)
			}
			if bait := slices.Contains(in, name+"/bait"); bait && e.UID == 0 {
				t.Fatalf("%s has the user's content and root as its owner", name)
			}
			if marked := len(e.Xattrs) > 0; marked != (e.UID == 0) {
				t.Fatalf("%s belongs to %d and has the attributes %v", name, e.UID, e.Xattrs)
			}
			seen += len(in)
		}
		must(t, res.Close())
	}
	if seen < swapRounds {
		t.Errorf("%d entries seen in %d rounds", seen, swapRounds)
	}
}

// TestSwappedFile looks for the capability of root's file on the user's.
func TestSwappedFile(t *testing.T) {
	dir := swapTree(t, "theirs=root's", "mine=the user's")
	must(t, os.Chmod(filepath.Join(dir, "mine"), 0o777))
	must(t, xattr.Set(filepath.Join(dir, "theirs"), "security.capability", capSetuid))
	startAs(t, "swap", sourceEnv+"="+dir)
	seen := 0
	for range 4 * swapRounds { // the gap between two system calls is small
		res := walk(t, dir, Options{})
		for _, p := range []string{"/mine", "/theirs"} {
			e := res.entries[p]
			if e == nil { // another inode at each look: said, at least
				if len(res.Unreadable) == 0 {
					t.Fatalf("%s is missing without a word", p)
				}
				continue
			}
			if able := len(e.Xattrs) > 0; able && e.UID != 0 {
				t.Fatalf("%s belongs to %d and has root's capability", p, e.UID)
			}
			seen++
		}
		must(t, res.Close())
	}
	if seen < 4*swapRounds {
		t.Errorf("%d entries seen in %d rounds", seen, 4*swapRounds)
	}
}

// TestPinned looks at one file and opens another: it is told, whatever is the same of both.
func TestPinned(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "mine", "other")
	tree, err := Walk(t.Context(), dir, Options{}, func(*Entry) error { return nil })
	must(t, err)
	defer tree.Close()
	r := tree.roots[0]
	w := &walker{}
	for name, want := range map[string]error{"mine": nil, "other": errReplaced, "gone": errReplaced} {
		must(t, statx(r.fd, "mine", r.statFlags, &w.st))
		w.entry.set(&w.st)
		fd, err := w.pin(&object{name: name, dir: r.fd, root: r})
		if err != want {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err == nil {
			unix.Close(fd)
		}
	}
}

// capSetuid is security.capability, version 2, with cap_setuid permitted and effective.
var capSetuid = []byte{1, 0, 0, 2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// TestSwappedSymlink looks for the user's target under root's name.
func TestSwappedSymlink(t *testing.T) {
	dir := swapTree(t, "theirs -> good", "mine -> evil")
	startAs(t, "swap", sourceEnv+"="+dir)
	seen := 0
	for range swapRounds {
		res := walk(t, dir, Options{})
		for _, p := range []string{"/mine", "/theirs"} {
			if e := res.entries[p]; e != nil {
				seen++
				if (e.UID == 0) != (e.Target == "good") {
					t.Fatalf("%s belongs to %d and leads to %s", p, e.UID, e.Target)
				}
			}
		}
		must(t, res.Close())
	}
	if seen < swapRounds {
		t.Errorf("%d entries seen in %d rounds", seen, swapRounds)
	}
}

// TestSwappedKinds swaps a directory with a file: what an exclude names in the directory stays out.
func TestSwappedKinds(t *testing.T) {
	dir := swapTree(t, "theirs=x", "mine/left out=1", "mine/kept=1")
	startAs(t, "swap", sourceEnv+"="+dir)
	seen := 0
	for range swapRounds {
		res := walk(t, dir, Options{Exclude: []string{"/mine/left out", "/theirs/left out"}})
		for _, p := range res.order {
			if strings.HasSuffix(p, "out") {
				t.Fatalf("%s is in the tree", p)
			}
		}
		seen += len(res.order)
		must(t, res.Close())
	}
	if seen < swapRounds {
		t.Errorf("%d entries seen in %d rounds", seen, swapRounds)
	}
}

// churned is how many files churnHelper has.
const churned = 40_000

// churnHelper makes files in the directory in sourceEnv, then removes one and makes it again until it is killed.
func churnHelper() error {
	fd, err := unix.Open(os.Getenv(sourceEnv), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	name := func(i int) string { return fmt.Sprintf("some-file-name-%d", i*7919%churned) }
	for i := 0; ; i++ {
		if i >= churned {
			if err := unix.Unlinkat(fd, name(i), 0); err != nil {
				return err
			}
		}
		if err := unix.Mknodat(fd, name(i), unix.S_IFREG|0o644, 0); err != nil {
			return err
		}
		if i == churned {
			fmt.Println("ready")
		}
	}
}

// TestRenamedWhileRead changes a directory of XFS while it is read: getdents gives names twice.
func TestRenamedWhileRead(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	loopMount(t, loopImage(t, 320<<20, "mkfs.xfs", "-q"), dir)
	imgtest.OpenWay(t, dir)
	must(t, os.Chmod(dir, 0o777))
	startAs(t, "churn", sourceEnv+"="+dir)
	for range 10 {
		res, err := walkErr(t, dir, Options{}) // an entry that is reported twice is an error of the test's own
		if err != nil {
			t.Error(err)
			break
		}
		if n := len(res.order); n < churned/2 {
			t.Errorf("%d entries", n)
		}
	}
}

// TestNamesTwice has what getdents may give, by hand.
func TestNamesTwice(t *testing.T) {
	var n names
	for _, s := range []string{"b", "a", "b", "c", "b", "ab"} {
		n.add(s, unix.DT_REG, 1)
	}
	n.add("c", typeMade, 0)
	n.sort()
	var got []string
	for _, e := range n.list {
		got = append(got, string(n.text[e.off:e.end]))
	}
	diff(t, "names", got, []string{"a", "ab", "b", "c", "c"})
}

// TestNumberUsedAgain has two files with one inode number in one walk: they are not links of one file.
func TestNumberUsedAgain(t *testing.T) {
	reg := func(size int64, btime Time) *Entry {
		return &Entry{Path: fmt.Sprintf("/%d-%d", size, btime.Sec), Dev: 1, Ino: 2, Size: size, Btime: btime, Nlink: 2}
	}
	for _, test := range []struct {
		name string
		a, b *Entry
		one  bool
	}{
		{"links of one file", reg(5, Time{Sec: 1}), reg(5, Time{Sec: 1}), true},
		{"a file that grew", reg(5, Time{Sec: 1}), reg(6, Time{Sec: 1}), true},
		{"born later", reg(5, Time{Sec: 1}), reg(5, Time{Sec: 2}), false},
		{"no birth time", reg(5, Time{}), reg(5, Time{}), true},
		{"no birth time, another size", reg(5, Time{}), reg(6, Time{}), false},
	} {
		l := make(linkMap)
		if got := l.link(test.a); got != "" {
			t.Errorf("%s: the first is a link to %s", test.name, got)
		}
		want := ""
		if test.one {
			want = test.a.Path
		}
		if got := l.link(test.b); got != want {
			t.Errorf("%s: link %q, want %q", test.name, got, want)
		}
	}
}
