package walker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// helperEnv names the helper that a copy of the test binary runs instead of the tests: as another user, in another namespace, or
// with system calls taken away.
const helperEnv = "PUREBUNDLE_WALKER_HELPER"

// namespaceEnv marks the copy that runs the tests in a mount namespace of its own.
const namespaceEnv = "PUREBUNDLE_WALKER_NAMESPACE"

// TestMain runs all tests in a private mount namespace if root may do that, so that no mount outlives them or is seen elsewhere.
func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" {
		if err := helpers()[name](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getuid() == 0 && os.Getenv(namespaceEnv) == "" {
		cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
		cmd.Env = append(os.Environ(), namespaceEnv+"=1")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
		var exit *exec.ExitError
		switch err := cmd.Run(); {
		case errors.As(err, &exit):
			os.Exit(exit.ExitCode())
		case err != nil:
			fmt.Fprintln(os.Stderr, "no mount namespace:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(namespaceEnv) != "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			fmt.Fprintln(os.Stderr, "make mounts private:", err)
			os.Exit(1)
		}
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
