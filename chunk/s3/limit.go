package s3

import (
	"context"
	"io"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// quantum is the most that is moved at once if there is a limit, in bytes.
const quantum = 32 << 10

// newLimit limits to so many bytes a second, in steps of an eighth of a second or
// less, so that a connection never looks stalled.
func newLimit(perSecond int64) *rate.Limiter {
	if perSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), int(min(max(perSecond/8, 1), quantum)))
}

// body is the body of an upload: p, or so many zeros if that is nil. The SDK
// reads it again from the start for each try, and never after its call is over.
type body struct {
	ctx   context.Context
	limit *rate.Limiter
	p     []byte
	size  int64
	at    int64
	sent  atomic.Bool // all of it was read, in this try or one before
	tries int         // that have read something
}

func (b *body) Read(p []byte) (int, error) {
	if b.at >= b.size {
		return 0, io.EOF
	}
	if b.at == 0 {
		b.tries++
	}
	n := int(min(int64(len(p)), b.size-b.at))
	if b.limit != nil {
		n = min(n, b.limit.Burst())
		if err := b.limit.WaitN(b.ctx, n); err != nil {
			return 0, err
		}
	}
	if b.p == nil {
		clear(p[:n])
	} else {
		copy(p[:n], b.p[b.at:])
	}
	if b.at += int64(n); b.at == b.size {
		b.sent.Store(true)
	}
	return n, nil
}

func (b *body) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += b.at
	case io.SeekEnd:
		off += b.size
	}
	if off < 0 {
		return 0, plain("seek before the start")
	}
	b.at = off
	return off, nil
}

// limited is the body of a download.
type limited struct {
	ctx   context.Context
	limit *rate.Limiter
	r     io.Reader
}

func (l *limited) Read(p []byte) (int, error) {
	if l.limit == nil {
		return l.r.Read(p)
	}
	n, err := l.r.Read(p[:min(len(p), l.limit.Burst())])
	if werr := l.limit.WaitN(l.ctx, n); werr != nil {
		return n, werr
	}
	return n, err
}
