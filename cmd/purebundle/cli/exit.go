package cli

import (
	"errors"
	"fmt"
	"io"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/words"
	"purebundle/walker/pattern"
)

// The exit statuses, as --help and the manual say them.
const (
	StatusDone       = 0 // done
	StatusFailed     = 1 // failed, nothing left behind
	StatusUsage      = 2 // the command line makes no sense
	StatusIncomplete = 3 // done, but something is not in the image as it was, or would not start
)

// UsageError says that the command line makes no sense: exit status 2.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a usageError.
func Usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// IncompleteError says that the bundle is whole but does not hold all that it
// should: exit status 3. What is missing has been listed by then.
type IncompleteError struct{ Text string }

func (e *IncompleteError) Error() string { return e.Text }

// hintedError carries the one sentence of advice that follows an error.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// WithHint gives err advice in the place of what it has; nil stays nil.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintedError{err, fmt.Sprintf(format, args...)}
}

// AddHint gives err advice that follows what it has.
func AddHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	hint := fmt.Sprintf(format, args...)
	if had := HintFor(err); had != "" {
		hint = had + "; " + hint
	}
	return &hintedError{err, hint}
}

// LeftBehind returns what an error says is left of a run that failed, as a clause; ""
// if nothing is.
func LeftBehind(err error) string {
	if e, ok := errors.AsType[*LeftError](err); ok {
		return e.Left
	}
	if e, ok := errors.AsType[*chunk.UncleanError](err); ok {
		return e.Left.Error()
	}
	return ""
}

// Status gives the exit status for what a command returned.
func Status(err error) int {
	var usage *UsageError
	var bad *pattern.Error
	var incomplete *IncompleteError
	switch {
	case err == nil:
		return StatusDone
	case errors.As(err, &usage), errors.As(err, &bad):
		return StatusUsage
	case errors.As(err, &incomplete):
		return StatusIncomplete
	default:
		return StatusFailed
	}
}

// printError writes the line "purebundle: op path: cause" and, if there is advice,
// the line "hint: ...". With verbose it adds each error that err wraps.
func printError(w io.Writer, err error, verbose bool) {
	if err == nil {
		return
	}
	fmt.Fprintf(w, "purebundle: %s\n", words.Printable(err.Error()))
	if hint := HintFor(err); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", words.Printable(hint))
	}
	if verbose {
		last := err.Error()
		for _, e := range chain(err) {
			if text := e.Error(); text != last {
				fmt.Fprintf(w, "  because (%T): %s\n", e, words.Printable(text))
				last = text
			}
		}
	}
}

// chain lists what err wraps, outermost first, joined errors in order.
func chain(err error) []error {
	var out []error
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			out = append(append(out, inner), chain(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			out = append(append(out, inner), chain(inner)...)
		}
	}
	return out
}

// LeftError says that a run failed and could not, or was not to, remove all that it
// made.
type LeftError struct {
	Err  error
	Left string // what is left, as a clause
}

func (e *LeftError) Error() string { return e.Err.Error() + "; " + e.Left }
func (e *LeftError) Unwrap() error { return e.Err }
