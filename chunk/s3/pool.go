package s3

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
)

// grace is how long a cancelled run waits for its workers: for the answers to what
// they have sent. One that is stuck in a read of a slow or dead disk is left behind.
const grace = lateTime + 200*time.Millisecond

// each calls work for all items on so many goroutines, in order as far as that
// goes, until one fails or ctx is done. It returns the first error; after one,
// work may still be running for a while, with its ctx cancelled.
func each[T any](ctx context.Context, items []T, workers int, work func(context.Context, T) error) error {
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

// buffers hands out buffers of chunk.Size bytes and takes them back. They are
// mapped, not allocated: the garbage collector lets the heap double before it
// collects, and would let as much garbage gather again as the buffers are large.
type buffers struct {
	mu      sync.Mutex
	free    [][]byte
	dropped bool
}

func (b *buffers) get() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		buf := b.free[n-1]
		b.free = b.free[:n-1]
		return buf, nil
	}
	buf, err := unix.Mmap(-1, 0, chunk.Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, &chunk.Error{Op: "map", Path: "a buffer of 10 MiB", Err: err, Hint: "too little memory: use fewer workers"}
	}
	return buf, nil
}

func (b *buffers) put(buf []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dropped {
		_ = unix.Munmap(buf)
		return
	}
	b.free = append(b.free, buf)
}

// drop gives the memory back, now or, of buffers that are out, when they come
// back.
func (b *buffers) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropped = true
	for _, buf := range b.free {
		_ = unix.Munmap(buf)
	}
	b.free = nil
}
