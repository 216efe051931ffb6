package work

import (
	"fmt"
	"runtime/debug"
)

// Panic is a panic of a goroutine, carried to the one that waits for it. There it
// panics again, runs the clean-up that is deferred, and can be recovered: in the
// goroutine itself it would end the program on the spot.
type Panic struct {
	Value any
	Stack []byte // of the goroutine that panicked
}

// Error returns what the panic was about, without the stack.
func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Catch calls f and returns its panic, nil if there was none.
func Catch(f func()) (p *Panic) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case *Panic: // of a goroutine that f waited for
			p = v
		default:
			p = &Panic{Value: v, Stack: debug.Stack()}
		}
	}()
	f()
	return nil
}

// Go calls f in a goroutine. The function that it returns waits for the end of f,
// any number of times, and panics if f did.
func Go(f func()) (wait func()) {
	var p *Panic
	done := make(chan struct{})
	go func() {
		defer close(done)
		p = Catch(f)
	}()
	return func() {
		if <-done; p != nil {
			panic(p)
		}
	}
}
