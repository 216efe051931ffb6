package imgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// ownMounts marks the process that runs the tests in a mount namespace of its own.
const ownMounts = "PUREBUNDLE_TEST_OWN_MOUNTS"

// OwnMounts is for TestMain. As root it runs the program once more, in a mount namespace
// of its own, and returns its exit status: whatever the tests mount is gone with them, even
// if they are killed; nothing that appears on the machine meanwhile disturbs them; and no
// other process has a copy of their mounts, which would keep them busy. done is false in
// that second process, and if the user is not root: then the tests are to be run.
func OwnMounts() (status int, done bool) {
	if os.Geteuid() != 0 || os.Getenv(ownMounts) != "" {
		return 0, false
	}
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
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
		return exit.ExitCode(), true
	case errors.Is(err, syscall.EINVAL):
		fmt.Fprintln(os.Stderr, "no mount namespace for the tests:", err, "(a chroot must be a mount point: mount --bind DIR DIR before it)")
		return 1, true
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}
