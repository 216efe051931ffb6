package work

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

func TestEach(t *testing.T) {
	items := make([]int, 1000)
	for i := range items {
		items[i] = i
	}
	for _, workers := range []int{0, 1, 3, 2000} {
		var sum, now, most atomic.Int64
		err := Each(context.Background(), Crew{Workers: workers}, items, func(_ context.Context, i int) error {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			sum.Add(int64(i))
			return nil
		})
		if err != nil || sum.Load() != 999*1000/2 {
			t.Errorf("%d workers: sum %d, %v", workers, sum.Load(), err)
		}
		if workers > 0 && most.Load() > int64(workers) {
			t.Errorf("%d workers: %d at once", workers, most.Load())
		}
	}
	if err := Each(context.Background(), Crew{}, []int{}, nil); err != nil {
		t.Error(err)
	}
}

// The first error ends it, and is what is returned.
func TestEachFails(t *testing.T) {
	bad := errors.New("bad")
	var after atomic.Int64
	err := Each(context.Background(), Crew{Workers: 2, Grace: time.Minute}, make([]int, 1000), func(ctx context.Context, _ int) error {
		if after.Add(1) == 10 {
			return bad
		}
		return context.Cause(ctx)
	})
	if !errors.Is(err, bad) || after.Load() > 12 {
		t.Errorf("%v after %d items", err, after.Load())
	}
}

// A panic of a worker reaches who waits for it, from however deep, as it was.
func TestEachPanics(t *testing.T) {
	var cleaned bool
	p := Catch(func() {
		defer func() { cleaned = true }()
		wait := Go(func() {
			_ = Each(context.Background(), Crew{Workers: 3, Grace: time.Minute}, make([]int, 100), func(_ context.Context, i int) error {
				breakDown(i)
				return nil
			})
		})
		wait()
		t.Error("Each did not panic")
	})
	if p == nil || p.Value != "it broke" || !cleaned || !bytes.Contains(p.Stack, []byte("breakDown")) {
		t.Errorf("%v, cleaned: %v", p, cleaned)
	}
	if p := Catch(func() {}); p != nil {
		t.Error(p)
	}
}

func breakDown(int) { panic("it broke") }

// A worker that is stuck is left behind.
func TestEachLeavesBehind(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	stop, release := errors.New("stop"), make(chan struct{})
	defer close(release)
	err := Each(ctx, Crew{Workers: 1, Grace: time.Millisecond}, []int{0, 1}, func(context.Context, int) error {
		cancel(stop)
		<-release
		return nil
	})
	if !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestTeller(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	told := 0
	var nobody Teller
	nobody.Tell(ctx, 1)
	some := Teller{Fn: func(part int) { told += part }}
	some.Tell(ctx, 3)
	cancel()
	some.Tell(ctx, 5)
	if told != 3 {
		t.Errorf("told %d", told)
	}
}

func TestBuffers(t *testing.T) {
	const size = 1 << 20
	var b Buffers
	one, err := b.Get(size)
	if err != nil || len(one) != size || uintptr(unsafe.Pointer(&one[0]))%4096 != 0 {
		t.Fatalf("%d bytes, %v", len(one), err)
	}
	one[0] = 1
	b.Put(one)
	again, err := b.Get(size)
	if err != nil || &again[0] != &one[0] {
		t.Errorf("not used again: %v", err)
	}
	other, err := b.Get(size)
	if err != nil || &other[0] == &one[0] {
		t.Errorf("given out twice: %v", err)
	}
	b.Put(again)
	b.Drop()
	other[0] = 1 // out, and good until it comes back
	b.Put(other)
	if _, err := b.Get(1 << 62); err == nil {
		t.Error("a buffer larger than all memory")
	}
}
