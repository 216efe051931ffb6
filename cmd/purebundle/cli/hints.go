package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/memory"
	"purebundle/cmd/purebundle/words"
	"purebundle/walker"
	"purebundle/walker/pattern"
)

// HintFor gives the advice that goes with an error, or "". What the command
// attached goes first, then what the libraries' typed errors know, then what
// the cause alone suggests.
func HintFor(err error) string {
	var full *memory.Error
	if errors.As(err, &full) {
		return "GOMEMLIMIT=8GiB in the environment allows that much; where a directory has millions of names, leaving it out (-e) helps as well"
	}
	if broken(err) != nil {
		return "this is a fault of purebundle: please report it, with what -v adds to this"
	}
	var hinted *hintedError
	if errors.As(err, &hinted) {
		return hinted.hint
	}
	if hint := trustHint(err); hint != "" {
		return hint
	}
	var space *chunk.SpaceError
	if errors.As(err, &space) {
		return fmt.Sprintf("free %s there, or give a DEST on another file system; --dry-run shows what takes the room",
			words.Size(space.Need-space.Have))
	}
	var chunkError *chunk.Error
	if errors.As(err, &chunkError) && chunkError.Hint != "" {
		return chunkError.Hint
	}
	switch {
	case errors.Is(err, chunk.ErrExists):
		return "--force replaces it, once the new one is complete"
	case errors.Is(err, chunk.ErrBusy):
		return "wait until the other run is over, or give another DEST"
	}
	if hint := walkHint(err); hint != "" {
		return hint
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return "free some room there, or give a DEST on another file system"
	case errors.Is(err, syscall.EDQUOT):
		return "the quota of this user is used up there; give another DEST"
	case errors.Is(err, syscall.EMFILE):
		return "this process may not open more files: ulimit -n 65536 lets it"
	case errors.Is(err, syscall.ENFILE):
		return "the machine has too many files open: sysctl fs.file-max sets how many it may have"
	case errors.Is(err, syscall.ENOTDIR):
		return "that path is a file, or leads through one: give a directory"
	case errors.Is(err, syscall.EROFS):
		return "that file system is read-only; give another DEST"
	case (errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)) && os.Geteuid() == 0:
		return "root itself may not: NFS, FUSE, a container or a security module keeps it from that (dmesg), or an immutable flag (lsattr)"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "run it as root (sudo)"
	}
	return ""
}

// walkHint gives the advice for what the walk refuses, or "".
func walkHint(err error) string {
	var table *walker.MountTableError
	var refused *walker.RefusedError
	var namespace *walker.NamespaceError
	var noMount *walker.NotMountError
	var bad *pattern.Error
	switch {
	case errors.As(err, &table) && errors.Is(err, fs.ErrNotExist):
		return "mount proc first: mount -t proc proc /proc"
	case errors.As(err, &namespace):
		return "run it in that namespace: nsenter --mount --target PID purebundle bundle / DEST"
	case errors.As(err, &refused):
		return "proc, sysfs and other kernel file systems are never part of an image; leave the --cross away, or give another SOURCE"
	case errors.As(err, &noMount):
		return "\"purebundle mounts\" lists the mounts that --cross and --keep-privileges can name"
	case errors.As(err, &bad):
		return "* ? [a-z] match within a name, ** across names; put a backslash before a character that is meant as it is"
	}
	return ""
}
