package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"purebundle/cmd/purebundle/memory"
)

// patience is how long a second signal is ignored after the first: long enough
// to remove what was made, short enough to get out of a read that never ends.
const patience = 2 * time.Second

// signalError says why a context is cancelled: by a signal.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return "interrupted (" + signalName(e.signal) + ")" }

// WithSignals returns a context that SIGINT, SIGTERM and SIGHUP cancel, with a
// *signalError as its cause, and a function that gives the signals back. A SIGHUP
// that was ignored when the program started (nohup) stays ignored. A write to a
// closed pipe is an error, not the end of the program, so that a run whose reader
// has gone still cleans up. Once the context is cancelled, a signal that comes later
// than patience ends the program.
func WithSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	caught := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(caught, s)
		}
	}
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	go func() {
		select {
		case s := <-caught:
			cancel(&signalError{s})
		case <-ctx.Done():
		}
		time.Sleep(patience)
		signal.Stop(caught)
	}()
	return ctx, func() {
		signal.Stop(caught)
		signal.Stop(pipe)
		cancel(nil)
	}
}

// Interrupted puts the signal, or the lack of memory, before whatever error the
// cancelled work gave.
func Interrupted(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	_, signalled := cause.(*signalError)
	_, full := cause.(*memory.Error)
	if !signalled && !full {
		return err
	}
	return &interruptedError{cause: cause, err: err}
}

// interruptedError says that a run was ended from outside; err says what it was at.
type interruptedError struct{ cause, err error }

func (e *interruptedError) Error() string {
	if left := LeftBehind(e.err); left != "" {
		return e.cause.Error() + ": " + left
	}
	return e.cause.Error() + ": nothing is left behind"
}
func (e *interruptedError) Unwrap() []error { return []error{e.cause, e.err} }

func signalName(s os.Signal) string {
	switch s {
	case syscall.SIGINT:
		return "SIGINT"
	case syscall.SIGTERM:
		return "SIGTERM"
	case syscall.SIGHUP:
		return "SIGHUP"
	}
	return fmt.Sprint(s)
}
