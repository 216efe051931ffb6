package walker

import (
	"errors"
	"fmt"
	"io/fs"
)

// ErrNotRegular is returned by [Tree.Open] for a path that is no longer a regular file.
var ErrNotRegular = errors.New("not a regular file")

var (
	errReplaced      = errors.New("replaced by another file at every look")
	errLongPath      = errors.New("its path is longer than 8,000 bytes: what lies in it is left out")
	errMoved         = errors.New("moved away during the walk; the rest of it was not seen")
	errSourceLeftOut = errors.New("it is the output directory")
)

// MountTableError says that the kernel's mount table cannot be read, so that no mount can be judged.
type MountTableError struct {
	Err error
}

func (e *MountTableError) Error() string {
	if errors.Is(e.Err, fs.ErrNotExist) {
		return fmt.Sprintf("read mount table: %v (is proc mounted at /proc?)", e.Err)
	}
	return fmt.Sprintf("read mount table: %v", e.Err)
}

func (e *MountTableError) Unwrap() error { return e.Err }

// MissingError says that a mount with content of its own is not in the tree although nobody named it.
type MissingError struct {
	text string
}

func (e *MissingError) Error() string { return e.text }

// NamespaceError says that SOURCE lies in another mount namespace, such as /proc/PID/root: which mounts there are of proc, of the kernel or
// of a server cannot be seen from here.
type NamespaceError struct {
	Path string // as the caller wrote it
}

func (e *NamespaceError) Error() string {
	return fmt.Sprintf("walk %s: it lies in another mount namespace, whose mount table this process does not see", e.Path)
}

// RefusedError says that SOURCE lies on, or Options.Cross names, a mount that is never walked.
type RefusedError struct {
	Op     string // "walk" for SOURCE, "cross" for a mount below it
	Path   string // as the caller wrote it
	Reason string // a clause: "proc file system"
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s %s: refused: %s", e.Op, e.Path, e.Reason)
}

// LeftOutError says that Options.Cross names a mount that cannot be reached: it is hidden, excluded, or below one that is left out.
type LeftOutError struct {
	Path   string // as the caller wrote it
	Reason string
}

func (e *LeftOutError) Error() string {
	return fmt.Sprintf("cross %s: %s", e.Path, e.Reason)
}

// NotMountError says that a path in Options.Cross or Options.KeepPrivileges is no mount point below SOURCE.
type NotMountError struct {
	Op   string // "cross" or "keep privileges"
	Path string // as the caller wrote it
}

func (e *NotMountError) Error() string {
	return fmt.Sprintf("%s %s: not a mount point below the source", e.Op, e.Path)
}
