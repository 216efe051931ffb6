package main

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// interruptible runs a program, sends it a signal after delay (none if that
// is negative), and gives how it ended. It is to be gone soon.
func interruptible(t *testing.T, sig syscall.Signal, delay time.Duration, args ...string) (code int, stderr string, took time.Duration) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // else a second more where races are looked for
	var errs bytes.Buffer
	cmd.Stderr = &errs
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if delay >= 0 {
		time.Sleep(delay)
		_ = cmd.Process.Signal(sig) // an error is: over already
		start = time.Now()
	}
	_ = cmd.Wait() // the status is in ProcessState
	took = time.Since(start)
	if delay >= 0 && took > goneWithin {
		t.Errorf("%v after %v: gone after %v", sig, delay, took)
	}
	return cmd.ProcessState.ExitCode(), errs.String(), took
}

// goneWithin is how soon a run must be over after a signal. It takes some tenths of a
// second; the rest is for machines on which other tests write as much as the disk takes.
const goneWithin = 20 * time.Second

// SIGINT, SIGTERM and SIGHUP at random moments of a run, from before it has
// begun to after its end: a run that did not finish leaves nothing, and an older
// bundle as it was.
func TestInterruptedAnywhere(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	tree, dest, image := filepath.Join(dir, "tree"), filepath.Join(dir, "out"), filepath.Join(dir, "image")
	fillFile(t, filepath.Join(tree, "data"), 30<<20)
	for i := range 2000 {
		makeFiles(t, tree, map[string]string{fmt.Sprintf("many/%d/%d", i%50, i): "content"})
	}
	purebundle := program(t)
	bundleArgs := []string{purebundle, "bundle", "--progress", "none", "--force", tree, dest}
	unbundleArgs := []string{purebundle, "unbundle", "--progress", "none", dest, image}
	interruptible(t, 0, -1, bundleArgs...)
	_, stderr, length := interruptible(t, 0, -1, bundleArgs...)
	older := identities(t, dest)
	if len(older) < 5 {
		t.Fatal(stderr)
	}

	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	random := rand.New(rand.NewPCG(3, 5))
	ended, unbundled := map[string]int{}, map[string]int{}
	few := func() bool { return ended["interrupted"] < rounds/4 || unbundled["interrupted"] < rounds/20 }
	for i := 0; i < rounds || few() && i < 4*rounds; i++ {
		sig := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}[i%3]
		delay := time.Duration(random.Int64N(int64(length) * 13 / 10))
		what := fmt.Sprintf("bundle, %s after %v", unix.SignalName(sig), delay)
		code, stderr, took := interruptible(t, sig, delay, bundleArgs...)
		ended[wantInterrupted(t, what, sig, code, stderr)]++
		switch now := identities(t, dest); {
		case code != cli.StatusDone && !maps.Equal(now, older):
			t.Fatalf("%s: status %d, and DEST is not as it was: %d files, not %d", what, code, len(now), len(older))
		case code == cli.StatusDone:
			if code, _, stderr := call("verify", "-q", dest); code != cli.StatusDone {
				t.Fatalf("%s: status 0, but %s", what, stderr)
			}
			older = now
			length = min(length, delay+took) // the machine had more to do when that was measured
		}

		// Now without an older bundle, and the other way round.
		what = fmt.Sprintf("unbundle, %s after %v", unix.SignalName(sig), delay/2)
		code, stderr, _ = interruptible(t, sig, delay/2, unbundleArgs...)
		unbundled[wantInterrupted(t, what, sig, code, stderr)]++
		if _, err := os.Stat(image); (err == nil) != (code == cli.StatusDone) {
			t.Errorf("%s: status %d, image: %v", what, code, err)
		}
		_ = os.Remove(image)
		wantNames(t, what, dir, "out", "tree")
	}
	t.Logf("runs of about %v: %v, unbundle: %v", length.Round(time.Millisecond), ended, unbundled)
	if few() {
		t.Error("too few were interrupted")
	}

	// DEST that the run made goes with it.
	fresh := filepath.Join(dir, "deep/er/out")
	bundleArgs[len(bundleArgs)-1] = fresh
	for i := range rounds / 4 {
		delay := time.Duration(random.Int64N(int64(length) / 2))
		code, stderr, _ := interruptible(t, syscall.SIGTERM, delay, bundleArgs...)
		wantInterrupted(t, fmt.Sprintf("new DEST, round %d, %v", i, delay), syscall.SIGTERM, code, stderr)
		if code == cli.StatusDone {
			_ = os.RemoveAll(filepath.Join(dir, "deep"))
		}
		if _, err := os.Stat(fresh); err == nil {
			t.Fatalf("after %v: status %d, and DEST is left", delay, code)
		}
	}
}

// A signal that comes when the work is done, but the process is not gone yet, does not
// change the status: the last word is out when it is sent here.
func TestSignalAtTheEnd(t *testing.T) {
	killed, runs := 0, 100
	if testing.Short() {
		runs = 10 // each takes the race detector a second to start
	}
	for range runs {
		cmd := exec.Command(program(t), "--version")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1<<10)); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM) // an error is: over already
		_ = cmd.Wait()                          // the status is in ProcessState
		if cmd.ProcessState.ExitCode() != cli.StatusDone {
			killed++
		}
	}
	if killed > 0 {
		t.Errorf("%d of %d runs that were done have another status", killed, runs)
	}
}

// A run that is killed cannot clean up: what is under the final names is the
// older bundle, whole, or the new one, and the next run removes the rest. If it
// was killed while files got their names, there is no bundle until the next run, and
// verify says so.
func TestKilled(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	tree, dest := filepath.Join(dir, "tree"), filepath.Join(dir, "out")
	fillFile(t, filepath.Join(tree, "data"), 30<<20)
	args := []string{program(t), "bundle", "--progress", "none", "--force", tree, dest}
	interruptible(t, 0, -1, args...)
	_, _, length := interruptible(t, 0, -1, args...)
	left := 0
	for i := 0; i < 8 || left == 0 && i < 80; i++ {
		delay := length * time.Duration(i%8+1) / 8
		if code, _, took := interruptible(t, syscall.SIGKILL, delay, args...); code == cli.StatusDone {
			length = min(length, delay+took) // the machine had more to do when that was measured
		}
		journal, _ := filepath.Glob(filepath.Join(dest, ".*.purebundle-commit"))
		code, _, stderr := call("verify", "-q", dest)
		told := len(journal) > 0 && strings.Contains(stderr, "stopped while it did")
		if code != cli.StatusDone && !told {
			t.Errorf("killed after %v: %s", delay, stderr)
		}
		if hidden, _ := filepath.Glob(filepath.Join(dest, ".*")); len(hidden) > 0 {
			left++
		}
		if code, stderr, _ := interruptible(t, 0, -1, args...); code != cli.StatusDone {
			t.Errorf("the run after one killed after %v: status %d, %s", delay, code, stderr)
		}
		if hidden, _ := filepath.Glob(filepath.Join(dest, ".*")); len(hidden) > 0 {
			t.Errorf("the run after one killed after %v leaves %q", delay, hidden)
		}
	}
	if left == 0 {
		t.Error("none of the runs that were killed left anything: they were killed too late, or not at all")
	}
}

// wantInterrupted wants a run that either ended well, or says which signal ended
// it, or was not even running its own code yet.
func wantInterrupted(t *testing.T, what string, sig syscall.Signal, code int, stderr string) string {
	t.Helper()
	switch {
	case code == cli.StatusDone:
		return "done"
	case code == -1 && stderr == "":
		return "not begun"
	case code == cli.StatusFailed && strings.HasPrefix(stderr, "purebundle: interrupted ("+unix.SignalName(sig)+")"):
		return "interrupted"
	}
	t.Errorf("%s: status %d, %s", what, code, stderr)
	return "failed"
}

// identities gives what tells whether a file is the one that it was: its inode,
// size and times.
func identities(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, e := range entries {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, e.Name()), &st); err != nil {
			t.Fatal(err)
		}
		ids[e.Name()] = fmt.Sprint(st.Ino, st.Size, st.Mtim)
	}
	return ids
}

// wantNames wants exactly these names in dir.
func wantNames(t *testing.T, what, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("%s: in the directory are %q, want %q", what, got, names)
	}
}
