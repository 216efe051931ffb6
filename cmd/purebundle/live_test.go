package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// TestLiveServer bundles a Debian under load three times: bind9 in a chroot,
// with a bind of /proc there, a web server, mail, a jail, a database, logs and
// configuration that are replaced as fast as it goes, on three disks.
func TestLiveServer(t *testing.T) {
	imgtest.RequireRoot(t)
	if testing.Short() {
		t.Skip("its load is other programs, which the race detector does not see")
	}
	s := newLiveServer(t)
	self, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(filepath.Join(s.work, "purebundle"), self, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.disturb(t)
	for n := range 3 {
		t.Run(fmt.Sprint("bundle ", n+1), func(t *testing.T) { s.bundle(t) })
	}
}

// bundle bundles the server's root on it, and judges status, words and image.
func (s *liveServer) bundle(t *testing.T) {
	dest := filepath.Join(s.work, "bundle")
	defer os.RemoveAll(dest)
	code, output := s.run(t, "/mnt/backup/purebundle", "bundle", "--progress", "plain", "/", "/mnt/backup/bundle")
	s.calm.Lock() // what is being judged needs no load
	defer s.calm.Unlock()
	b, err := chunk.Load(dest, "")
	if err != nil {
		t.Fatalf("status %d: %v\n%s", code, err, output)
	}
	defer b.Close()
	m := b.Manifest()
	lost := lostIn(m)
	if want := map[bool]int{false: cli.StatusDone, true: cli.StatusIncomplete}[len(lost) > 0]; code != want {
		t.Errorf("status %d, want %d\n%s", code, want, output)
	}
	for path := range lost {
		if !strings.Contains(output, path) {
			t.Errorf("%s is lost, and the output does not say so", path)
		}
	}
	const database = "/var/lib/app/app.db"
	if !strings.Contains(output, database+": this SQLite database changed") {
		t.Errorf("nothing says that %s changed:\n%s", database, output)
	}
	for _, want := range []string{"/proc", "/sys", "/var/named/chroot/proc", "/srv/jail/proc"} {
		if a := actionOf(m, want); a != "refused" {
			t.Errorf("%s: %q, want refused", want, a)
		}
	}
	for _, want := range []string{"/", "/boot", "/home"} {
		if a := actionOf(m, want); a != "crossed" {
			t.Errorf("%s: %q, want crossed", want, a)
		}
	}

	image := filepath.Join(t.TempDir(), "image")
	if code, _, stderr := call("unbundle", "-q", dest, image); code != cli.StatusDone {
		t.Fatal(stderr)
	}
	imgtest.Fsck(t, image)
	mnt := imgtest.Mount(t, image)
	for _, path := range []string{"/proc", "/sys", "/run", "/var/named/chroot/proc", "/srv/jail/proc", "/srv/jail/usr"} {
		wantEmpty(t, mnt, path)
	}
	s.judgeMoving(t, m, lost, mnt)
	imgtest.Compare(t, s.dir, mnt, imgtest.CompareOptions{Scope: still(m)})
}

// lostIn lists what the manifest calls lost.
func lostIn(m *chunk.Manifest) map[string]bool {
	lost := make(map[string]bool)
	for _, p := range m.Unreadable {
		lost[string(p.Path)] = true
	}
	for _, c := range m.Changes {
		if c.Kind == "unstable" || c.Kind == "unreadable" || c.Kind == "unfit" {
			lost[string(c.Path)] = true
		}
	}
	return lost
}

func actionOf(m *chunk.Manifest, path string) string {
	for _, mount := range m.Mounts {
		if string(mount.Path) == path {
			return mount.Action
		}
	}
	return ""
}

// judgeMoving judges each file of the image that the server changes.
func (s *liveServer) judgeMoving(t *testing.T, m *chunk.Manifest, lost map[string]bool, mnt string) {
	t.Helper()
	for _, path := range append(append(replaced(), rewritten()...), "/var/lib/app/app.db", "/var/log/nginx/access.log", "/var/mail/root") {
		if _, err := os.Lstat(mnt + path); err != nil && !lost[path] {
			t.Errorf("%s is there all the time: %v", path, err)
		}
	}
	judged := 0
	err := filepath.WalkDir(mnt, func(name string, d fs.DirEntry, err error) error {
		path := strings.TrimPrefix(name, mnt)
		if err != nil || !d.Type().IsRegular() || lost[path] {
			return err
		}
		if !moving(path) {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		known, err := judgeLive(path, b, s.dir+path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if known {
			judged++
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, c := range m.Changes {
		t.Logf("%s %s: %s", c.Path, c.Kind, c.Detail)
	}
	if judged < 9 {
		t.Errorf("%d files judged", judged)
	}
	t.Logf("%d files judged, %d changes, %d lost", judged, len(m.Changes), len(lost))
}

// moving says whether a path is, or lies in, what changes while the server runs.
func moving(path string) bool {
	for _, p := range []string{
		"/etc/app", "/home/app", "/boot/app", "/var/lib/app", "/var/lib/postfix", "/var/log", "/var/mail",
		"/var/named/chroot/var", "/var/named/chroot/run", "/var/spool/postfix",
	} {
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

// still gives what of the server can be compared after the bundle: what does
// not change, and what the manifest does not say is left out.
func still(m *chunk.Manifest) func(string) imgtest.Scope {
	scope := scopeOf(m)
	return func(path string) imgtest.Scope {
		if moving(path) {
			return imgtest.Ignore
		}
		return scope(path)
	}
}
