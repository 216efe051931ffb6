package dir

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Error is every error with a path of the packages below chunk, but for *SpaceError.
type Error struct {
	Op   string // what was being done, such as "write"
	Path string
	Err  error
	Hint string // one line: what to do about it; may be empty
}

func (e *Error) Error() string { return e.Op + " " + e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Cause is an error without a path; as a string it can be a constant.
type Cause string

func (c Cause) Error() string { return string(c) }

// kindError is an error of a kind, in words of its own.
type kindError struct {
	kind Cause
	text string
}

func (e *kindError) Error() string { return e.text }

// Unwrap returns the kind.
func (e *kindError) Unwrap() error { return e.kind }

// Causes that a caller may tell apart with errors.Is.
const (
	// ErrExists: what is to be made is there already and may not be replaced.
	ErrExists Cause = "exists already"
	// ErrBusy: another run works on the same output.
	ErrBusy Cause = "another run is writing there"
	// ErrStranger: what is to be replaced was never made by this program.
	ErrStranger Cause = "is no part of a bundle, but named like one"
	// ErrSwapped: a file that was made is not the one that has its name now.
	ErrSwapped Cause = "is another file than the one that was made there"
)

// Fail makes an *Error of the cause in err, with the hint that goes with it.
// An err that is one already passes unchanged: it knows more.
func Fail(op, path string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	var pe *fs.PathError
	var se *os.SyscallError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &se):
		err = se.Err
	case errors.As(err, &le):
		err = le.Err
	}
	return &Error{Op: op, Path: path, Err: err, Hint: hint(err)}
}

// hint returns what to do about an error of the kernel that means the same wherever
// it turns up; "" if that depends on what was being done.
func hint(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ""
	}
	switch errno {
	case syscall.EROFS:
		return "the file system is mounted read-only: choose another directory, or remount it; if it became so during the run, the kernel's log (dmesg) says why"
	case syscall.EACCES:
		return "no permission: run as its owner or as root, or choose a directory of your own"
	case syscall.EPERM:
		return "no permission: it may be immutable or append-only (lsattr -d), which binds root, too; else run as its owner or as root"
	case syscall.ENOSPC:
		return "the file system is full: make room or choose another directory"
	case syscall.EDQUOT:
		return "the quota is used up: make room or choose another directory"
	case syscall.EIO:
		return "the device fails: the kernel's log (dmesg) says more"
	case syscall.EFBIG:
		return "the file system or the limit of this session (ulimit -f) does not allow a file this large"
	case syscall.EMFILE, syscall.ENFILE:
		return "too many open files: raise the limit (ulimit -n)"
	case syscall.ENAMETOOLONG:
		return "use a shorter name"
	case syscall.ESTALE:
		return "the file server lost the directory: mount it again"
	}
	return ""
}

// renamed returns err with the path that a user knows instead of a temporary one.
func renamed(err error, path string) error {
	var e *Error
	if errors.As(err, &e) {
		return &Error{Op: e.Op, Path: path, Err: e.Err, Hint: e.Hint}
	}
	return err
}
