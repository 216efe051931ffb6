package memory

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"
)

// Error is the cause of a context that Watch cancelled.
type Error struct {
	Used, Limit int64 // bytes
}

func (e *Error) Error() string {
	return fmt.Sprintf("needs more than the %d MiB of memory that it may use", e.Limit>>20)
}

// least is the memory that a run may always use, in bytes: with less, no command
// does anything.
const least = 64 << 20

// SetLimit has the garbage collector keep below what GOMEMLIMIT says, or without
// it below three quarters of what the machine and the control group have left, and
// returns that, in bytes. math.MaxInt64 is no limit: what there is is not known, or
// GOMEMLIMIT is off.
func SetLimit() int64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		if n := available(os.DirFS("/")); n < math.MaxInt64 {
			debug.SetMemoryLimit(max(n/4*3, least))
		}
	}
	return debug.SetMemoryLimit(-1)
}

// tick is how often Watch looks. Reading the counters takes a microsecond.
const tick = 50 * time.Millisecond

// Watch returns a context that ends with an *Error when the program uses a tenth
// more than limit bytes: the collector keeps to the limit as far as that can be, so
// there is no more garbage then. stop ends the watching.
func Watch(parent context.Context, limit int64) (ctx context.Context, stop func()) {
	if limit == math.MaxInt64 {
		return parent, func() {}
	}
	ctx, cancel := context.WithCancelCause(parent)
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	look := func() bool {
		metrics.Read(samples)
		used := int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
		if used <= limit+limit/10 {
			return true
		}
		cancel(&Error{Used: used, Limit: limit})
		return false
	}
	if look() {
		go func() {
			ticker := time.NewTicker(tick)
			defer ticker.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
					if !look() {
						return
					}
				}
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

// OfferFirst has the kernel end this process before any other when memory runs
// out, unless somebody has decided about it (oom_score_adj, proc(5): from -1000 to
// 1000). Programs that it runs inherit that.
func OfferFirst() error {
	const name = "/proc/self/oom_score_adj"
	now, err := os.ReadFile(name)
	if err != nil || strings.TrimSpace(string(now)) != "0" {
		return err
	}
	return os.WriteFile(name, []byte("1000"), 0)
}
