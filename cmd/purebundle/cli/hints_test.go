package cli

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/memory"
	"purebundle/walker"
	"purebundle/walker/pattern"
)

// Each cause that is known has its advice, however deep it is, and no other's.
func TestHintOfCause(t *testing.T) {
	may := "sudo"
	if os.Geteuid() == 0 { // to whom that is no help
		may = "lsattr"
	}
	for _, c := range []struct {
		err  error
		want string // a part of the hint; "": no hint
	}{
		{&memory.Error{}, "GOMEMLIMIT"},
		{&chunk.SpaceError{Need: 5 << 20, Have: 2 << 20}, "free 3 MiB there"},
		{chunk.ErrExists, "--force replaces it"},
		{chunk.ErrBusy, "wait until the other run is over"},
		{syscall.ENOSPC, "free some room"},
		{syscall.EDQUOT, "quota"},
		{syscall.EMFILE, "ulimit -n"},
		{syscall.ENFILE, "fs.file-max"},
		{syscall.EROFS, "read-only"},
		{syscall.EACCES, may},
		{syscall.EPERM, may},
		{&walker.MountTableError{Err: fs.ErrNotExist}, "mount -t proc"},
		{&walker.MountTableError{Err: syscall.EIO}, ""},
		{&walker.NamespaceError{}, "nsenter"},
		{&walker.RefusedError{}, "never part of an image"},
		{&walker.NotMountError{}, "purebundle mounts"},
		{&pattern.Error{}, "within a name"},
		{syscall.EIO, ""},
	} {
		got := HintFor(fmt.Errorf("read x: %w", c.err))
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%T %v: %q, want %q", c.err, c.err, got, c.want)
		}
	}
	if HintFor(nil) != "" {
		t.Error("no error has a hint")
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, StatusDone},
		{syscall.EIO, StatusFailed},
		{Usagef("x"), StatusUsage},
		{WithHint(Usagef("x"), "y"), StatusUsage},
		{&pattern.Error{}, StatusUsage},
		{fmt.Errorf("x: %w", &IncompleteError{"1 entry"}), StatusIncomplete},
	} {
		if got := Status(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}
