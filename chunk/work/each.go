package work

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Crew says who works.
type Crew struct {
	Workers int           // goroutines; 0: one a processor
	Grace   time.Duration // how long a cancelled Each waits for them: one that is stuck in a read of a dead disk is left behind
}

// Each calls do for all items, in order as far as that goes, until one fails or
// ctx is done. It returns the first error; after one, a call may still be running
// for a while, with its ctx cancelled.
func Each[T any](ctx context.Context, c Crew, items []T, do func(context.Context, T) error) error {
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var panicked atomic.Pointer[Panic]
	var wg sync.WaitGroup
	for range min(c.Workers, len(items)) {
		wg.Go(func() {
			p := Catch(func() {
				for ctx.Err() == nil {
					i := int(next.Add(1)) - 1
					if i >= len(items) {
						return
					}
					if err := do(ctx, items[i]); err != nil {
						cancel(err)
					}
				}
			})
			if p != nil {
				panicked.CompareAndSwap(nil, p)
				cancel(p)
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-ctx.Done():
		select {
		case <-finished:
		case <-time.After(c.Grace):
		}
	}
	if p := panicked.Load(); p != nil {
		panic(p)
	}
	return context.Cause(ctx)
}

// Teller calls a progress function, one call at a time. Its zero value tells nobody.
type Teller struct {
	Fn func(part int)
	mu sync.Mutex
}

// Tell calls it, unless ctx is done.
func (t *Teller) Tell(ctx context.Context, part int) {
	if t.Fn == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Err() == nil {
		t.Fn(part)
	}
}
