package cli

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"purebundle/chunk"
)

func TestPrintError(t *testing.T) {
	cause := errors.New("no such device")
	err := WithHint(fmt.Errorf("open /dev/x: %w", cause), "look for it")
	for _, c := range []struct {
		name    string
		verbose bool
		want    string
	}{
		{"short", false, "purebundle: open /dev/x: no such device\nhint: look for it\n"},
		{"verbose", true, "purebundle: open /dev/x: no such device\nhint: look for it\n  because (*errors.errorString): no such device\n"},
	} {
		var out bytes.Buffer
		printError(&out, err, c.verbose)
		if out.String() != c.want {
			t.Errorf("%s: got %q, want %q", c.name, out.String(), c.want)
		}
	}
}

// What a library advises is not overruled by what its cause suggests, nor lost to what
// the command adds.
func TestHintFor(t *testing.T) {
	exists := &chunk.Error{Op: "create", Path: "p.part.0", Err: chunk.ErrExists}
	killed := *exists
	killed.Hint = "a run was killed"
	const force = "--force replaces it, once the new one is complete"
	for _, c := range []struct {
		err  error
		want string
	}{
		{exists, force},
		{&killed, "a run was killed"},
		{fmt.Errorf("x: %w", &killed), "a run was killed"},
		{WithHint(&killed, "this one"), "this one"},
		{AddHint(&killed, "delete %s", "it"), "a run was killed; delete it"},
		{AddHint(&LeftError{Err: &killed, Left: "x"}, "delete it"), "a run was killed; delete it"},
		{AddHint(errors.New("x"), "delete it"), "delete it"},
		{AddHint(nil, "delete it"), ""},
	} {
		if got := HintFor(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// Whatever says that something is left is told so, and a signal does not say the opposite.
func TestLeftBehind(t *testing.T) {
	failed := errors.New("failed")
	unclean := &chunk.UncleanError{Err: failed, Left: errors.New("clean up x: no")}
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""}, {failed, ""},
		{&LeftError{Err: failed, Left: "x stays"}, "x stays"},
		{fmt.Errorf("commit: %w", unclean), "clean up x: no"},
		{WithHint(unclean, "do it"), "clean up x: no"},
	} {
		if got := LeftBehind(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
		want := "interrupted (SIGINT): nothing is left behind"
		if c.want != "" {
			want = "interrupted (SIGINT): " + c.want
		}
		if got := (&interruptedError{cause: &signalError{syscall.SIGINT}, err: c.err}).Error(); got != want {
			t.Errorf("%v: %q, want %q", c.err, got, want)
		}
	}
}
