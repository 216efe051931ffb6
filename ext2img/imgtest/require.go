package imgtest

import (
	"os"
	"os/exec"
	"testing"
)

// RequireRoot skips the test for ordinary users; if CI=true it fails.
func RequireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "needs root")
	}
}

// NeedTool skips the test if a program is not installed; if CI=true it
// fails.
func NeedTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		Missing(t, "needs "+name)
	}
}

// Missing skips the test with a reason, or fails it if CI=true, since
// nothing may be skipped there.
func Missing(t testing.TB, reason string) {
	t.Helper()
	if ci := os.Getenv("CI"); ci == "true" || ci == "1" {
		t.Fatal(reason + " (nothing is skipped where CI is set)")
	}
	t.Skip(reason)
}

// Run runs a program in the C locale, and fails the test with its output if
// it does not exit 0. It returns standard output and standard error together.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	NeedTool(t, name)
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}
