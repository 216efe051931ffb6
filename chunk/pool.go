package chunk

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// grace is how long a cancelled run waits for its workers. One that is stuck
// in a read of a slow or dead disk is left behind.
const grace = 300 * time.Millisecond

// each calls work for all items on so many goroutines (0: one a processor), in
// order as far as that goes, until one fails or ctx is done. It returns the
// first error; after one, work may still be running for a while, with its ctx
// cancelled.
func each[T any](ctx context.Context, items []T, workers int, work func(context.Context, T) error) error {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, len(items)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(items) {
					return
				}
				if err := work(ctx, items[i]); err != nil {
					cancel(err)
				}
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
		case <-time.After(grace):
		}
	}
	return context.Cause(ctx)
}

// teller calls a progress function, one call at a time.
type teller struct {
	mu sync.Mutex
	fn func(part int)
}

func (t *teller) tell(ctx context.Context, part int) {
	if t.fn == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Err() == nil {
		t.fn(part)
	}
}

// buffers hands out buffers of Size bytes and takes them back.
type buffers struct {
	mu   sync.Mutex
	free [][]byte
}

func (b *buffers) get() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		buf := b.free[n-1]
		b.free = b.free[:n-1]
		return buf
	}
	return make([]byte, Size)
}

func (b *buffers) put(buf []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, buf)
}

// drop lets the garbage collector have the buffers.
func (b *buffers) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = nil
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// numbers is 0 … n-1.
func numbers(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}
