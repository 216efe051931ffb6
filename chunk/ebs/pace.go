package ebs

import (
	"context"
	"math"
	"sync"
	"time"
)

// pace says how many requests for blocks are in flight: twice as many as bandwidth
// times latency, both as they were last measured, so that the line never waits and
// nothing queues up. Throttling halves it.
type pace struct {
	mu       sync.Mutex
	fixed    int // how many there are to be, if that was said; else 0
	limit    int
	inFlight int
	waiting  []chan struct{}

	fastest   time.Duration // request of the last while
	fastestAt time.Time
	began     time.Time // the window that is measured
	done      int       // in it
	cut       time.Time // when the limit was last halved
}

const (
	firstLimit = 8                // requests
	leastLimit = 4                // requests, unless throttled
	minWindow  = 8                // requests that tell a bandwidth
	forget     = 10 * time.Second // after which a latency says nothing any more
	cutPause   = 500 * time.Millisecond
)

func newPace(fixed int) *pace {
	p := &pace{fixed: min(fixed, maxWorkers), limit: firstLimit}
	if p.fixed > 0 {
		p.limit = p.fixed
	}
	return p
}

// acquire waits until one more request may be in flight.
func (p *pace) acquire(ctx context.Context) error {
	p.mu.Lock()
	if p.inFlight < p.limit && len(p.waiting) == 0 {
		p.inFlight++
		p.mu.Unlock()
		return nil
	}
	turn := make(chan struct{}, 1)
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.waiting {
		if w == turn {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return context.Cause(ctx)
		}
	}
	p.inFlight-- // its turn came at the same moment
	p.wake()
	return context.Cause(ctx)
}

// outcome is how a request went.
type outcome int

const (
	failed outcome = iota
	succeeded
	throttled
)

// release ends a request that took so long.
func (p *pace) release(took time.Duration, how outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight--
	now := time.Now()
	switch how {
	case succeeded:
		p.measure(now, took)
	case throttled:
		if now.Sub(p.cut) > cutPause {
			p.cut, p.limit = now, max(1, p.limit/2)
		}
		p.done = 0
	}
	p.wake()
}

// measure takes a request that succeeded into account.
func (p *pace) measure(now time.Time, took time.Duration) {
	if p.fastest == 0 || took < p.fastest || now.Sub(p.fastestAt) > forget {
		p.fastest, p.fastestAt = max(took, time.Microsecond), now
	}
	if p.done == 0 {
		p.began = now
	}
	if p.done++; p.done <= max(minWindow, p.limit) {
		return
	}
	rate := float64(p.done-1) / max(now.Sub(p.began).Seconds(), 1e-6) // requests a second
	p.done = 0
	if p.fixed > 0 {
		p.limit = min(p.fixed, p.limit+1)
		return
	}
	want := int(math.Ceil(2 * rate * p.fastest.Seconds()))
	p.limit = min(max(want, leastLimit), 2*p.limit, maxWorkers)
}

// wake lets those go on that may.
func (p *pace) wake() {
	for p.inFlight < p.limit && len(p.waiting) > 0 {
		p.waiting[0] <- struct{}{}
		p.waiting = p.waiting[1:]
		p.inFlight++
	}
}
