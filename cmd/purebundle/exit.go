package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"purebundle/walker/pattern"
)

// The exit statuses, as --help and the manual say them.
const (
	statusDone       = 0 // done
	statusFailed     = 1 // failed, nothing left behind
	statusUsage      = 2 // the command line makes no sense
	statusIncomplete = 3 // done, but something is not in the image as it was
)

// usageError is a mistake on the command line: exit status 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef makes a usageError.
func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// incompleteError says that the bundle is whole but does not hold all that it
// should: exit status 3. What is missing has been listed by then.
type incompleteError struct{ text string }

func (e *incompleteError) Error() string { return e.text }

// hintedError carries the one sentence of advice that follows an error.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// withHint adds advice to err; nil stays nil.
func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintedError{err, fmt.Sprintf(format, args...)}
}

// status gives the exit status for what a command returned.
func status(err error) int {
	var usage *usageError
	var bad *pattern.Error
	var incomplete *incompleteError
	switch {
	case err == nil:
		return statusDone
	case errors.As(err, &usage), errors.As(err, &bad):
		return statusUsage
	case errors.As(err, &incomplete):
		return statusIncomplete
	default:
		return statusFailed
	}
}

// report prints the error that ends the run, in the form that progress has.
// A reader of our output that went away (cat BUNDLE PATH | head) needs no words.
func (a *app) report(err error) {
	var network *net.OpError
	if errors.Is(err, syscall.EPIPE) && !errors.As(err, &network) {
		return
	}
	if err != nil && a.jsonErrors {
		writeJSONLine(a.stderr, jsonLine{Event: "error", Text: printable(err.Error()), Hint: printable(hintFor(err))})
		return
	}
	printError(a.stderr, err, a.verbose)
}

// printError writes the line "purebundle: op path: cause" and, where there is
// advice, the line "hint: ...". With verbose it adds each error that err wraps.
func printError(w io.Writer, err error, verbose bool) {
	if err == nil {
		return
	}
	fmt.Fprintf(w, "purebundle: %s\n", printable(err.Error()))
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", printable(hint))
	}
	if verbose {
		last := err.Error()
		for _, e := range chain(err) {
			if text := e.Error(); text != last {
				fmt.Fprintf(w, "  because (%T): %s\n", e, printable(text))
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

// printable makes text safe on a terminal: names of files may hold anything, so
// control characters and bytes that are not UTF-8 appear as \xNN. Newlines
// become "; ", so that an error stays on its line.
func printable(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '\n':
			b.WriteString("; ")
		case r == '\uFFFD' && text[i] != 0xEF:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
