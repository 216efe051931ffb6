package walker

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"
)

// walkWith runs walkHelper by runHelper, as root with these capabilities only, as setpriv(1) writes them.
func walkWith(t *testing.T, dir, capabilities string) map[string][]string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command("setpriv", "--inh-caps=-all", "--bounding-set="+capabilities, self)
	cmd.Env = append(os.Environ(), helperEnv+"=walk", sourceEnv+"="+dir)
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	out, err := cmd.Output()
	must(t, err)
	return parts(t, string(out))
}

// othersTree has files and directories that only capabilities let root read, with access times that a read would change.
func othersTree(t *testing.T) string {
	t.Helper()
	needRoot(t)
	dir := storyTree(t)
	makeTree(t, dir, "his/file=1", "his/deep/file=1", "trusted=1")
	must(t, xattr.LSet(filepath.Join(dir, "trusted"), "trusted.x", []byte("1")))
	must(t, xattr.LSet(filepath.Join(dir, "his/file"), "user.x", []byte("1")))
	for _, p := range []string{"his/deep/file", "his/deep", "his/file", "his"} {
		p = filepath.Join(dir, p)
		must(t, os.Chown(p, 65534, 65534))
		info, err := os.Stat(p)
		must(t, err)
		mode := os.FileMode(0o600)
		if info.IsDir() {
			mode = 0o700
		}
		must(t, os.Chmod(p, mode))
		old := []unix.Timespec{{Sec: 1}, {Nsec: unix.UTIME_OMIT}}
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, p, old, 0))
	}
	return dir
}

// The walk has all it needs with CAP_DAC_READ_SEARCH and CAP_SYS_ADMIN, and changes no access time.
func TestLessPower(t *testing.T) {
	dir := othersTree(t)
	want := parts(t, runHelper(t, "walk", nil, sourceEnv+"="+dir))
	for range 2 { // the second sees what the first has changed
		got := walkWith(t, dir, "-all,+dac_read_search,+sys_admin")
		for _, kind := range []string{"guard", "entry", "mount", "unreadable", "closed", "warning"} {
			diff(t, kind, got[kind], want[kind])
		}
	}
}

// Without CAP_SYS_ADMIN the walk says that trusted.* is missing; without CAP_DAC_READ_SEARCH, what it cannot read.
func TestTrustedUnseen(t *testing.T) {
	dir := othersTree(t)
	got := walkWith(t, dir, "-all,+dac_read_search")
	denied := func(line string) bool {
		return strings.Contains(line, "denied") || strings.Contains(line, "not permitted")
	}
	if !slices.Contains(got["warning"], "/ "+unseenTrusted+" 1") || slices.ContainsFunc(got["closed"], denied) || len(got["unreadable"]) > 0 {
		t.Errorf("warnings %q, closed %q, unreadable %q", got["warning"], got["closed"], got["unreadable"])
	}
	got = walkWith(t, dir, "-all,+sys_admin")
	if !slices.Equal(got["warning"], []string{"/etc/version " + underText + " 2"}) || !slices.Contains(got["unreadable"], "/his permission denied") {
		t.Errorf("warnings %q, unreadable %q", got["warning"], got["unreadable"])
	}
}

// Opened is called before anything is read, with what the guards need, and its error ends the walk.
func TestOpened(t *testing.T) {
	needRoot(t)
	dir := storyTree(t)
	for _, g := range guards() {
		t.Run(g.name, func(t *testing.T) {
			asked, entries := 0, 0
			opt := Options{mode: g.mode, Opened: func(tree *Tree) error {
				asked++
				if got, want := tree.TouchesTimes(), g.mode != cloneMode; got != want || entries > 0 || len(tree.Mounts) == 0 {
					t.Errorf("TouchesTimes is %v after %d entries", got, entries)
				}
				return nil
			}}
			tree, err := Walk(t.Context(), dir, opt, func(*Entry) error { entries++; return nil })
			must(t, err)
			tree.Close()
			if asked != 1 || entries == 0 {
				t.Errorf("asked %d times, %d entries", asked, entries)
			}
			no := errors.New("no")
			opt.Opened = func(*Tree) error { return no }
			if _, err := Walk(t.Context(), dir, opt, func(*Entry) error { t.Error("walked"); return nil }); !errors.Is(err, no) {
				t.Error(err)
			}
		})
	}
}
