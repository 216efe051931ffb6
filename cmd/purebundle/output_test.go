package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// program gives the path of a purebundle to run as a process: the test binary,
// under that name.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "purebundle")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// fillFile makes a file of size bytes that neither compress nor repeat.
func fillFile(t *testing.T, path string, size int) {
	t.Helper()
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(content) // it never fails
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// disturbed is a run that replaces a bundle by a larger one, on a small disk of
// its own, while something happens to that disk.
type disturbed struct {
	image, mnt string // the disk and where it is mounted
	program    string
	tree, dest string
	flags      []string
	older      map[string]string // digest of each file of the older bundle
	code       int
	stderr     string
}

const (
	diskSize  = 160 << 20
	newerSize = 45 << 20
)

func newDisturbed(t *testing.T) *disturbed {
	t.Helper()
	dir := t.TempDir()
	d := &disturbed{image: filepath.Join(dir, "disk"), program: program(t), tree: filepath.Join(dir, "tree")}
	if err := errors.Join(os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, diskSize)); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.image)
	d.mount(t)
	fillFile(t, filepath.Join(dir, "old/data"), 1<<20)
	fillFile(t, filepath.Join(d.tree, "data"), newerSize)
	if code, _, stderr := call("bundle", "-q", filepath.Join(dir, "old"), d.dest); code != cli.StatusDone {
		t.Fatal(stderr)
	}
	if d.older = digests(t, d.dest); len(d.older) < 3 {
		t.Fatalf("the older bundle has %d files", len(d.older))
	}
	return d
}

func (d *disturbed) mount(t *testing.T) {
	t.Helper()
	d.mnt = imgtest.MountRW(t, d.image)
	d.dest = filepath.Join(d.mnt, "out")
}

// digests gives the SHA-256 of each file in dir.
func digests(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sums[e.Name()] = fmt.Sprintf("%x", sha256.Sum256(content))
	}
	return sums
}

// run starts the run, stops it (SIGSTOP) once it has written so many bytes, does
// to the disk what is to be done, and lets it go on to its end. What cannot be
// done at that moment (EBUSY) is tried again a little later.
func (d *disturbed) run(t *testing.T, written int64, do func(*disturbed) error) {
	t.Helper()
	cmd := exec.Command(d.program, append([]string{"bundle", "--progress", "none", "--force", d.tree, d.dest}, d.flags...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := freeBytes(t, d.mnt)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { _ = cmd.Wait(); close(over) }() // the status is in ProcessState
	pause := func() bool {
		select {
		case <-over:
			return false
		case <-time.After(time.Millisecond):
			return true
		}
	}
	for start-freeBytes(t, d.mnt) < written && pause() {
	}
	for busy := true; busy; busy = busy && pause() {
		_ = cmd.Process.Signal(syscall.SIGSTOP) // an error is: over already
		// All its threads have stopped, a system call that was under way is over.
		_ = unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		err := do(d)
		_ = cmd.Process.Signal(syscall.SIGCONT)
		if busy = errors.Is(err, unix.EBUSY); err != nil && !busy {
			t.Error(err)
		}
	}
	<-over
	d.code, d.stderr = cmd.ProcessState.ExitCode(), stderr.String()
}

func freeBytes(t *testing.T, dir string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * st.Frsize
}

// What can happen to a disk, and what the run has to say of it.
var disturbances = []struct {
	name  string
	do    func(*disturbed) error
	undo  func(*testing.T, *disturbed)
	error string // regular expression
	stuck bool   // nothing can be removed then; the next run does
}{
	{name: "full", do: takeAll, undo: func(t *testing.T, d *disturbed) {
		if err := os.Remove(filepath.Join(d.mnt, "ballast")); err != nil {
			t.Error(err)
		}
	}, error: `^purebundle: write .*/out.*: (no space left on device|no room: .*needed, 0 bytes free)\nhint: .*\d [KMG]iB.*\n$`},
	{name: "read-only", do: func(d *disturbed) error {
		return unix.Mount("", d.mnt, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}, undo: func(t *testing.T, d *disturbed) {
		if err := unix.Mount("", d.mnt, "", unix.MS_REMOUNT, ""); err != nil {
			t.Error(err)
		}
	}, error: `^purebundle: .*/out.*: read-only file system.*\nhint: .*read-only.*\n$`, stuck: true},
	{name: "failing", do: failDisk, undo: func(t *testing.T, d *disturbed) {
		imgtest.Unmount(t, d.mnt)
		d.mount(t)
	}, error: `^purebundle: .*/out.*: input/output error.*\nhint: the device fails.*\n$`, stuck: true},
}

// takeAll takes all the room there is.
func takeAll(d *disturbed) error {
	file, err := os.Create(filepath.Join(d.mnt, "ballast"))
	if err != nil {
		return err
	}
	defer file.Close()
	end := int64(0)
	for step := int64(8 << 20); step >= 1024; {
		switch err := unix.Fallocate(int(file.Fd()), 0, end, step); err {
		case nil:
			end += step
		case unix.ENOSPC:
			step /= 2
		default:
			return err
		}
	}
	return nil
}

// failDisk makes every access to the file system fail, as when its device has
// died, and lets it lose what is not on disk (EXT4_IOC_SHUTDOWN).
func failDisk(d *disturbed) error {
	const ioctlShutdown, noLogFlush = 0x8004587d, 2
	dir, err := os.Open(d.mnt)
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.IoctlSetPointerInt(int(dir.Fd()), ioctlShutdown, noLogFlush)
}

// The disk of DEST fills up, becomes read-only or dies, at each stage of a run:
// status 1, a message that says so, and the older bundle is as it was. A run
// that was over by then has replaced it.
func TestOutputFails(t *testing.T) {
	imgtest.RequireRoot(t)
	stages := []int64{0, 5, 15, 25, 35, 45} // MiB written
	if testing.Short() {
		stages = []int64{0, 15, 45}
	}
	for _, c := range disturbances {
		t.Run(c.name, func(t *testing.T) {
			failed := 0
			for _, written := range stages {
				t.Run(fmt.Sprintf("%dMiB", written), func(t *testing.T) {
					d := newDisturbed(t)
					d.run(t, written<<20, c.do)
					c.undo(t, d)
					if d.code == cli.StatusDone {
						if code, _, stderr := call("verify", "-q", d.dest); code != cli.StatusDone {
							t.Errorf("status 0, but %s", stderr)
						}
						return
					}
					failed++
					t.Log(d.stderr)
					if d.code != cli.StatusFailed || !regexp.MustCompile(c.error).MatchString(d.stderr) {
						t.Errorf("status %d, want an error like %s", d.code, c.error)
					}
					d.wantOlder(t, c.stuck)
				})
			}
			if failed < len(stages)/2 {
				t.Errorf("only %d runs of %d failed", failed, len(stages))
			}
		})
	}
}

// wantOlder wants the older bundle as it was, and nothing else; if the run
// could not remove what it made, the next one does.
func (d *disturbed) wantOlder(t *testing.T, stuck bool) {
	t.Helper()
	now := digests(t, d.dest)
	for name, sum := range d.older {
		if now[name] != sum {
			t.Errorf("%s of the older bundle changed", name)
		}
	}
	if stuck {
		if code, _, stderr := call("bundle", "-q", "-p", "other", filepath.Join(d.tree, "../old"), d.dest); code != cli.StatusDone {
			t.Error(stderr)
		}
		now = digests(t, d.dest)
	}
	for name := range now {
		if d.older[name] == "" && !strings.HasPrefix(name, "other.") {
			t.Errorf("left behind: %s", name)
		}
	}
}

// DEST is removed while the run is on.
func TestOutputRemoved(t *testing.T) {
	imgtest.RequireRoot(t)
	for _, written := range []int64{5, 15, 35} { // MiB
		var d *disturbed
		for tries := 0; d == nil || d.code == cli.StatusDone && tries < 10; tries++ { // it was over before
			d = newDisturbed(t)
			d.run(t, written<<20, func(d *disturbed) error { return os.RemoveAll(d.dest) })
		}
		t.Logf("after %d MiB: status %d, %s", written, d.code, d.stderr)
		if d.code != cli.StatusFailed || !strings.Contains(d.stderr, "/out") || !strings.Contains(d.stderr, "hint: ") {
			t.Errorf("after %d MiB: status %d, %s", written, d.code, d.stderr)
		}
		if names, err := os.ReadDir(d.mnt); err != nil || len(names) != 1 || names[0].Name() != "lost+found" {
			t.Errorf("after %d MiB: left behind: %v, %v", written, names, err)
		}
	}
}

// A quota is used up in the middle of the run: btrfs has quotas that bind root.
func TestOutputQuota(t *testing.T) {
	imgtest.RequireRoot(t)
	imgtest.NeedTool(t, "mkfs.btrfs")
	dir := t.TempDir()
	image, mnt := filepath.Join(dir, "disk"), filepath.Join(dir, "mnt")
	fillFile(t, filepath.Join(dir, "tree/data"), newerSize)
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 512<<20), os.Mkdir(mnt, 0o755)); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "mkfs.btrfs", "-q", image)
	imgtest.Run(t, "mount", "-o", "loop", image, mnt)
	t.Cleanup(func() { imgtest.Unmount(t, mnt) })
	imgtest.Run(t, "btrfs", "quota", "enable", mnt)
	imgtest.Run(t, "btrfs", "subvolume", "create", mnt+"/sub")
	imgtest.Run(t, "btrfs", "qgroup", "limit", "20M", mnt+"/sub")

	code, _, stderr := call("bundle", "--progress", "none", filepath.Join(dir, "tree"), mnt+"/sub/out")
	t.Log(stderr)
	if code != cli.StatusFailed || !regexp.MustCompile(`^purebundle: .*/sub/out.*: disk quota exceeded\nhint: .*quota`).MatchString(stderr) {
		t.Errorf("status %d, %s", code, stderr)
	}
	if _, err := os.Stat(mnt + "/sub/out"); err == nil {
		t.Error("DEST is left behind")
	}
}
