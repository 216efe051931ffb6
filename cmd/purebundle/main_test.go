package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// ownMounts marks the test process that runs in a mount namespace of its own.
const ownMounts = "PUREBUNDLE_TEST_OWN_MOUNTS"

// TestMain runs the tests of root in a mount namespace of their own: whatever
// they mount is gone with them, even if they are killed, and nothing that
// appears on the machine meanwhile disturbs them.
func TestMain(m *testing.M) {
	if !isCommand(filepath.Base(os.Args[0])) && os.Geteuid() == 0 && os.Getenv(ownMounts) == "" {
		os.Exit(runInOwnMounts())
	}
	testscript.Main(m, commands())
}

func runInOwnMounts() int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), ownMounts+"=1")
	// Unsharing the namespace also makes its mounts private (package syscall).
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// commands returns what the test binary does if it is called by these names.
func commands() map[string]func() {
	return map[string]func(){"purebundle": main, "uidemo": uiDemo, "denied": denied, "breaks": breaks}
}

// isCommand says whether the test binary is called as one of its commands.
func isCommand(name string) bool { return commands()[name] != nil }
