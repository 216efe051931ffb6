package main

import (
	"context"
	"sync"
)

// parallel calls fn for each number from first to last-1, workers at a time, in
// ascending order of their beginning. After an error no more are begun; the first
// one is returned once all that were begun are over.
func parallel(ctx context.Context, first, last, workers int, fn func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := first
	for range max(1, min(workers, last-first)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= last {
					return
				}
				if err := fn(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
