package cli

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"purebundle/chunk/work"
)

// brokenError says that there was a panic, a fault of the program. What was made is removed by then,
// because clean-up is deferred.
type brokenError struct {
	what  string
	stack []byte
}

func (e *brokenError) Error() string { return "internal error: " + e.what }

// Recovered makes an error of what recover returned.
func Recovered(v any) error {
	if p, ok := v.(*work.Panic); ok {
		return &brokenError{fmt.Sprint(p.Value), p.Stack}
	}
	what, stack, ok := strings.Cut(fmt.Sprint(v), "\n") // walker.Walk adds the stack of its goroutine
	if !ok {
		stack = string(debug.Stack())
	}
	return &brokenError{what, []byte(stack)}
}

// broken returns what of err is a panic, nil if nothing is.
func broken(err error) *brokenError {
	if e, ok := errors.AsType[*brokenError](err); ok {
		return e
	}
	if p, ok := errors.AsType[*work.Panic](err); ok {
		return &brokenError{fmt.Sprint(p.Value), p.Stack}
	}
	return nil
}
