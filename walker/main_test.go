package walker

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"purebundle/ext2img/imgtest"
)

// helperEnv names the helper that a copy of the test binary runs instead of the tests: as another user, in another namespace, or
// with system calls taken away.
const helperEnv = "PUREBUNDLE_WALKER_HELPER"

// TestMain runs the tests of root in a mount namespace of their own.
func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" {
		if err := helpers()[name](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if status, done := imgtest.OwnMounts(); done {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// needRoot skips a test that mounts or owns files as others. Where CI runs nothing may be skipped.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		skip(t, "needs root")
	}
}

func skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("not to be skipped in CI: " + why)
	}
	t.Skip(why)
}

// runHelper runs a helper in a copy of the test binary and returns its standard output.
func runHelper(t *testing.T, name string, attr *syscall.SysProcAttr, env ...string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(append(os.Environ(), helperEnv+"="+name), env...)
	cmd.SysProcAttr = attr
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("helper %s: %v", name, err)
	}
	return string(out)
}

// startChild starts a process, which must live until the test ends, and ends it then. With Pdeathsig the kernel would end it as soon as the
// thread does that started it, as threads do on which a tree was walked: that thread is kept.
func startChild(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(ended)
		}
	}()
	must(t, <-started)
	t.Cleanup(func() {
		select {
		case <-ended:
			t.Errorf("%s ended before its test: %v", cmd, cmd.ProcessState)
		default:
		}
		_ = cmd.Process.Kill()
		<-ended
	})
}
