package dir

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// stranger is an ordinary user, without any capability.
const stranger = "12345"

// asStranger returns a command that runs a shell script as that user, in dir.
func asStranger(t *testing.T, dir, script string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to be another user")
	}
	cmd := exec.Command("setpriv", "--reuid", stranger, "--regid", stranger, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
		"sh", "-ec", "umask 022; "+script)
	cmd.Dir = dir
	return cmd
}

// plant runs a script as the stranger.
func plant(t *testing.T, dir, script string) {
	t.Helper()
	if out, err := asStranger(t, dir, script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// sticky makes a directory like /tmp.
func sticky(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	return dir
}

// bundle makes a group of three files called p.
func bundle(path string, opt Options) error {
	s, err := begin(path, opt)
	if err != nil {
		return err
	}
	return publish(s)
}

func begin(path string, opt Options) (*Stage, error) {
	opt.Group, opt.Last = "p", "p.manifest.json"
	opt.Taken = func(name string) (bool, error) { return strings.HasPrefix(name, "p."), nil }
	return Begin(path, opt)
}

func publish(s *Stage) error {
	for _, name := range []string{"p.part.0", "p.part.1"} {
		it := Item{Key: name, Name: name + "00"}
		if _, err := s.Put(context.Background(), it, []byte(it.Name)); err != nil {
			return errors.Join(err, s.Abort())
		}
	}
	return s.Publish(context.Background(), []Item{{Key: "p.part.0", Name: "p.part.000"}, {Key: "p.part.1", Name: "p.part.100"},
		{Name: "p.sha256", Text: []byte("p.sha256")}, {Name: "p.manifest.json", Text: []byte("p.manifest.json")}})
}

// wantBundle checks that the group is whole and ours.
func wantBundle(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"p.part.000", "p.part.100", "p.sha256", "p.manifest.json"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(text) != name {
			t.Errorf("%s is %q, %v", name, text, err)
		}
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil || st.Uid != euid() || st.Mode != unix.S_IFREG|0o600 {
			t.Errorf("%s has owner %d and mode %o, %v", name, st.Uid, st.Mode, err)
		}
	}
}

// listed returns all that lies below dir, with type, owner, size and content.
func listed(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("sh", "-ec", `cd "$1" && find . ! -name . -printf '%P %y %U %m %l\n' | sort && find . -type f -exec sha256sum {} + | sort`, "sh", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestUntrusted: where others can change what is written, nothing is, and nothing is made.
func TestUntrusted(t *testing.T) {
	top := t.TempDir()
	tmp := filepath.Join(top, "tmp")
	for name, mode := range map[string]os.FileMode{"tmp": 0o777 | os.ModeSticky, "open": 0o777, "group": 0o775, "own": 0o755} {
		if err := errors.Join(os.Mkdir(filepath.Join(top, name), 0o700), os.Chmod(filepath.Join(top, name), mode)); err != nil {
			t.Fatal(err)
		}
	}
	plant(t, tmp, `mkdir his his/deep; ln -s `+top+`/own link; ln -s own/../../own odd`)
	for _, name := range []string{"mine", "his/mine"} {
		if err := os.Mkdir(filepath.Join(tmp, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(top+"/own", tmp+"/good"); err != nil {
		t.Fatal(err)
	}
	before := listed(t, top)
	for _, tt := range []struct{ path, want string }{
		{"tmp/his", top + "/tmp/his belongs to user 12345"},
		{"tmp/his/new", top + "/tmp/his belongs to user 12345"},
		{"tmp/his/mine", top + "/tmp/his belongs to user 12345"},
		{"tmp/his/mine/new", top + "/tmp/his belongs to user 12345"},
		{"tmp/link", "the symbolic link " + top + "/tmp/link belongs to user 12345"},
		{"tmp/link/new", "the symbolic link " + top + "/tmp/link belongs to user 12345"},
		{"tmp/his/../mine", top + "/tmp/his belongs to user 12345"},
		{"open", top + "/open can be written by others (mode 0777)"},
		{"open/new", top + "/open can be written by others (mode 0777)"},
		{"group/new", top + "/group can be written by others (mode 0775)"},
	} {
		for _, base := range []string{top + "/", ""} {
			if base == "" {
				t.Chdir(top)
			}
			var u *UntrustedError
			if err := bundle(base+tt.path, Options{}); !errors.As(err, &u) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %q", tt.path, err, tt.want)
			}
			if _, err := CreateFile(base+tt.path+"/image", FileOptions{}); !strings.HasSuffix(tt.path, "new") && !errors.As(err, &u) {
				t.Errorf("%s: image: %v", tt.path, err)
			}
		}
	}
	if after := listed(t, top); after != before {
		t.Errorf("there was\n%s, now\n%s", before, after)
	}
	// Those are good, also by a link of ours, and what is made is nobody else's.
	for _, path := range []string{"own", "tmp/mine", "tmp/new/deep", "tmp/good/x", "tmp/../own/y"} {
		if err := bundle(filepath.Join(top, "/")+"/"+path, Options{}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		wantBundle(t, filepath.Join(top, path))
	}
	for _, path := range []string{"tmp/new", "tmp/new/deep", "own/x", "own/y"} {
		if st, err := os.Stat(filepath.Join(top, path)); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, %v", path, st.Mode(), err)
		}
	}
	for _, path := range []string{"tmp/his", "open", "group/new"} {
		if err := bundle(filepath.Join(top, path), Options{Trusted: true}); err != nil {
			t.Errorf("%s, trusted: %v", path, err)
		}
		wantBundle(t, filepath.Join(top, path))
	}
}

// TestOwnGroup: a directory that is open to a group of its owner's number only is his.
func TestOwnGroup(t *testing.T) {
	for _, tt := range []struct {
		uid, gid, mode uint32
		want           bool
	}{
		{1000, 1000, 0o775, false}, {1000, 1000, 0o777, true}, {1000, 100, 0o775, true}, {1000, 100, 0o755, false},
		{0, 0, 0o775, true}, {0, 0, 0o1777, true}, {0, 0, 0o755, false},
	} {
		if got := othersWrite(&unix.Stat_t{Uid: tt.uid, Gid: tt.gid, Mode: unix.S_IFDIR | tt.mode}); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// planted is what a stranger can call like files of a run, but for those that appear.
const planted = `mkdir .p.part.0.purebundle-new .p.manifest.json.purebundle-new .p.purebundle-raw .p.purebundle-raw/x
ln -s /etc/passwd .p.part.1.purebundle-new
mkdir .p.part.000.purebundle-old; echo his >.p.part.100.purebundle-old
mkfifo .p.sha256.purebundle-new
echo his >.purebundle-lock; echo his >.purebundle-lock.x
mkdir .image.purebundle-join
printf 'purebundle commit 2\nold q.part.000\nnew q.manifest.json\nend\n' >.q.purebundle-commit
printf 'purebundle commit 1\nq.part.000\nend\n' >.r.purebundle-commit
ln -s /etc/passwd .s.purebundle-commit; mkfifo .t.purebundle-commit
echo bad >.p.purebundle-commit; mkdir ..p.purebundle-commit.purebundle-new
echo evil >.deploy.sh.purebundle-ec2-old; echo evil >.q.part.0.purebundle-ec2-old; echo evil >.q.manifest.xml.purebundle-ec2-old
echo evil >.q.part.000.purebundle-old
`

// TestPlanted: what strangers put into a directory like /tmp is stepped over; nothing
// of theirs is believed, nothing of anybody is replaced or deleted by it.
func TestPlanted(t *testing.T) {
	dir := sticky(t)
	files(t, dir, "deploy.sh", "q.part.000", "q.part.0", "q.sha256", "q.manifest.json")
	plant(t, dir, planted)
	before := listed(t, dir)
	for _, opt := range []Options{{}, {Force: true}, {Force: true}} {
		if err := bundle(dir, opt); err != nil {
			t.Fatal(err)
		}
		wantBundle(t, dir)
		var rest []string
		for line := range strings.Lines(listed(t, dir)) {
			if !strings.HasPrefix(line, "p.") && !strings.Contains(line, " ./p.") {
				rest = append(rest, line)
			}
		}
		if after := strings.Join(rest, ""); after != before {
			t.Fatalf("there was\n%s, now\n%s", before, after)
		}
	}
	f, err := CreateFile(dir+"/image", FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.WriteSparse([]byte("image"), 0), f.Publish(t.Context(), PublishOptions{})); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(dir + "/image"); err != nil || string(text) != "image" {
		t.Errorf("the image is %q, %v", text, err)
	}
}

// TestPlantedLink: a stranger links a file of ours under the name that a temporary file
// has, as he can where fs.protected_hardlinks is off: it is not taken for one that a
// killed run left.
func TestPlantedLink(t *testing.T) {
	dir := sticky(t)
	precious := filepath.Join(dir, "precious")
	if err := errors.Join(os.WriteFile(precious, []byte("precious"), 0o600), os.Link(precious, filepath.Join(dir, fileTemp("image")))); err != nil {
		t.Fatal(err)
	}
	f, err := CreateFile(dir+"/image", FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.WriteSparse([]byte("image"), 0), f.Publish(t.Context(), PublishOptions{})); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"precious": "precious", fileTemp("image"): "precious", "image": "image"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

// TestPlantedKilled: a run that is killed in the middle of its commit, among what
// strangers planted, is finished or undone by the next.
func TestPlantedKilled(t *testing.T) {
	died := errors.New("died")
	for at, more := 1, true; more; at++ {
		dir := sticky(t)
		plant(t, dir, planted)
		if err := bundle(dir, Options{}); err != nil {
			t.Fatal(err)
		}
		before := listed(t, dir)
		n := 0
		err := bundle(dir, Options{Force: true, OnChange: func(string, string) error {
			if n++; n >= at {
				return died // and so does all that would put it right
			}
			return nil
		}})
		more = errors.Is(err, died)
		begun(t, dir)
		wantBundle(t, dir)
		if after := listed(t, dir); after != before {
			t.Fatalf("change %d: there was\n%s, now\n%s", at, before, after)
		}
	}
}

// TestTold: what a stranger has called like a file that is to appear is left, and told.
func TestTold(t *testing.T) {
	for _, script := range []string{"mkdir p.part.000", "echo his >p.part.000", "ln -s /etc/passwd p.sha256", "mkfifo p.manifest.json"} {
		dir := sticky(t)
		plant(t, dir, script)
		before := listed(t, dir)
		for _, force := range []bool{false, true} { // it would not help
			if err := bundle(dir, Options{Force: force}); !errors.Is(err, ErrStranger) {
				t.Errorf("%s: forced %v: %v", script, force, err)
			}
		}
		if after := listed(t, dir); after != before {
			t.Errorf("%s: there was\n%s, now\n%s", script, before, after)
		}
		// Nor when it appears during the run.
		late := sticky(t)
		s, err := begin(late, Options{Force: true})
		if err != nil {
			t.Fatal(err)
		}
		plant(t, late, script)
		before = listed(t, dir)
		if err := publish(s); !errors.Is(err, ErrStranger) {
			t.Errorf("%s: late: %v", script, err)
		}
		if after := listed(t, late); after != before {
			t.Errorf("%s: late: there was\n%s, now\n%s", script, before, after)
		}
	}
}

// TestSwapped: in a directory that was trusted wrongly, a stranger swaps what was made.
// Nothing is written to his file, and it does not become part of a bundle.
func TestSwapped(t *testing.T) {
	for _, name := range []string{".p.part.0.purebundle-new", ".p.part.1.purebundle-new"} {
		dir := sticky(t)
		plant(t, dir, "mkdir his")
		dir += "/his"
		s, err := begin(dir, Options{Trusted: true})
		if err != nil {
			t.Fatal(err)
		}
		a, b := Item{Key: "p.part.0", Name: "p.part.000"}, Item{Key: "p.part.1", Name: "p.part.100"}
		for _, it := range []Item{a, b} {
			if _, err := s.Put(t.Context(), it, []byte("secret")); err != nil {
				t.Fatal(err)
			}
		}
		plant(t, dir, "rm -f "+name+"; echo his >"+name)
		if name == ".p.part.0.purebundle-new" {
			if _, err := s.Put(t.Context(), a, []byte("secret")); !errors.Is(err, ErrSwapped) {
				t.Errorf("made again: %v", err)
			}
			if _, err := s.Open(a); err == nil {
				t.Error("it is read")
			}
			if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != "his\n" {
				t.Errorf("his file is %q, %v", text, err)
			}
		}
		if _, err := s.Open(b); name == ".p.part.1.purebundle-new" && !errors.Is(err, ErrSwapped) {
			t.Errorf("read: %v", err)
		}
		err = s.Publish(t.Context(), []Item{a, b, {Name: "p.manifest.json", Text: []byte("m")}})
		if err == nil {
			t.Error("published")
		}
		if _, err := os.Lstat(dir + "/p.manifest.json"); err == nil {
			t.Error("there is a manifest")
		}
	}
}

// TestSwappedLate: he does so just before the file appears.
func TestSwappedLate(t *testing.T) {
	for _, script := range []string{"rm .p.part.1.purebundle-new; echo his >.p.part.1.purebundle-new", "rm .p.part.1.purebundle-new; ln -s /etc/passwd .p.part.1.purebundle-new"} {
		top := sticky(t)
		plant(t, top, "mkdir his")
		dir := top + "/his"
		swapped := false
		err := bundle(dir, Options{Trusted: true, OnChange: func(op, name string) error {
			if op == "rename" && name == "p.part.100" && !swapped {
				swapped = true
				plant(t, dir, script)
			}
			return nil
		}})
		if !swapped || !errors.Is(err, ErrSwapped) {
			t.Errorf("%s: %v", script, err)
		}
		for line := range strings.Lines(listed(t, dir)) {
			if strings.HasPrefix(line, "p.") {
				t.Errorf("%s: there is %s", script, line)
			}
		}
	}
}

// TestNoPart: what older versions moved away was a manifest or a part; a file of another
// name is nobody's backup, even if it is ours.
func TestNoPart(t *testing.T) {
	dir := t.TempDir()
	all := []string{"deploy.sh", ".deploy.sh.purebundle-ec2-old", ".deploy.part.x.purebundle-ec2-old", ".passwd.purebundle-ec2-old"}
	files(t, dir, all...)
	before := listed(t, dir)
	begun(t, dir)
	if after := listed(t, dir); after != before {
		t.Errorf("there was\n%s, now\n%s", before, after)
	}
}

// TestStrangersLock: a lock that a stranger takes on the directory, which he may read,
// keeps nobody out; one of this user does.
func TestStrangersLock(t *testing.T) {
	for _, tt := range []struct{ name, script string }{
		{"his", `flock -n . sh -c 'echo locked; exec cat'`},
		{"shared", `flock -sn . sh -c 'echo locked; exec cat'`},
		{"of a child whose parent is gone", `exec 9<. ; (flock -n 9; echo locked; exec cat) & exec 9<&-; wait`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			cmd := asStranger(t, dir, tt.script)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer in.Close()
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "locked\n" {
				t.Fatal(line, err)
			}
			s, err := begin(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := begin(dir, Options{}); !errors.Is(err, ErrBusy) {
				t.Errorf("two runs: %v", err)
			}
			if err := publish(s); err != nil {
				t.Fatal(err)
			}
			wantBundle(t, dir)
			wantNames(t, dir, "p.part.000", "p.part.100", "p.sha256", "p.manifest.json")
		})
	}
}

// TestOlderLock: versions that lock the directory itself and this one keep each other out.
func TestOlderLock(t *testing.T) {
	dir := t.TempDir()
	older, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(older.fd(), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := bundle(dir, Options{}); !errors.Is(err, ErrBusy) {
		t.Errorf("an older version is at work: %v", err)
	}
	older.Close()
	s, err := begin(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if older, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	defer older.Close()
	if err := unix.Flock(older.fd(), unix.LOCK_EX|unix.LOCK_NB); err != unix.EWOULDBLOCK {
		t.Errorf("this version is at work: %v", err)
	}
	if err := s.Abort(); err != nil {
		t.Fatal(err)
	}
	wantNames(t, dir)
}

// TestTwoLocks: a stranger who takes the name of the lock and gives it back does not
// let two runs in.
func TestTwoLocks(t *testing.T) {
	dir := sticky(t)
	plant(t, dir, "echo his >.purebundle-lock")
	first, err := begin(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Abort()
	plant(t, dir, "rm .purebundle-lock")
	other, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.lockFile(); !errors.Is(err, ErrBusy) {
		t.Errorf("the other run: %v", err)
	}
}

// TestDeviceOutside: a block device is written to below /dev only, and through no
// symbolic link of a stranger.
func TestDeviceOutside(t *testing.T) {
	dir := sticky(t)
	loop, err := filepath.Glob("/dev/loop[0-9]*")
	if err != nil || len(loop) == 0 {
		t.Skip("there is no loop device")
	}
	plant(t, dir, "ln -s "+loop[0]+" link")
	var u *UntrustedError
	if _, err := OpenDevice(dir + "/link"); !errors.As(err, &u) {
		t.Errorf("his link: %v", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(loop[0], &st); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(dir+"/node", unix.S_IFBLK|0o600, int(st.Rdev)); err != nil {
		t.Skip("no device node can be made here: ", err)
	}
	if _, err := OpenDevice(dir + "/node"); err == nil || !strings.Contains(err.Error(), "outside of /dev") {
		t.Errorf("outside: %v", err)
	}
	if err := os.Symlink(loop[0], dir+"/mine"); err != nil {
		t.Fatal(err)
	}
	if f, err := OpenDevice(dir + "/mine"); errors.As(err, &u) || err != nil && strings.Contains(err.Error(), "outside") {
		t.Errorf("a link of ours: %v", err)
	} else if err == nil {
		f.Close()
	}
}
