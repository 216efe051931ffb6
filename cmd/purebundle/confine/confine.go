package confine

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Rest is what remains. With the zero value the process can read what its user
// can, use the files and sockets that are open, and end.
type Rest struct {
	Capabilities []Capability // of those that it has
	// Write are directories below which files may be made, written, renamed and
	// removed, and single files, such as devices, that may be written. They must
	// exist.
	Write []string
	// Link are directories from which files may be linked to those of Write: for that,
	// Landlock wants the files to be as open to writing there.
	Link []string
	// Remove are directories below which empty directories may be removed as well.
	Remove []string
	// Exec lets it run programs and, because nobody knows what those write,
	// write anywhere: Write and Remove say nothing then.
	Exec bool
	// Network lets it connect and listen.
	Network bool
}

// To takes away all but rest. It may be called again, to take away more. What the
// kernel refuses to take is in the error, each refusal by itself (Unwrap() []error);
// the others are taken all the same. A kernel without Landlock gives
// errors.ErrUnsupported for that part.
func To(rest Rest) error {
	return errors.Join(
		named("no core dumps", noCoreDumps()),
		named("no new privileges", noNewPrivileges()),
		named("Landlock", restrict(rest)), // before the capabilities: they find the paths
		named("capabilities", Keep(rest.Capabilities...)))
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// noCoreDumps keeps what was read, keys among it, out of files on the disk.
func noCoreDumps() error {
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

// noNewPrivileges keeps set-user-ID programs and file capabilities from giving any.
func noNewPrivileges() error {
	return onAll(syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0))
}

// onAll returns the error of syscall.AllThreadsSyscall, which makes a system call on
// each thread, and so for each thread to come. If the first is refused, it does not
// ask the others.
func onAll(_, _ uintptr, errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return fmt.Errorf("not on all threads of a program that was built with cgo: %w", errors.ErrUnsupported)
	}
	return errno
}
