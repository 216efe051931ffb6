package awsapi

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// quantum is the most that is moved at once if there is a limit, in bytes.
const quantum = 32 << 10

// Limit is how many bytes a second move, of all that share it; nil: any number.
type Limit struct{ r *rate.Limiter }

// NewLimit limits to so many bytes a second, in steps of an eighth of a second or
// less, so that a connection never looks stalled. 0 is no limit.
func NewLimit(perSecond int64) *Limit {
	if perSecond <= 0 {
		return nil
	}
	return &Limit{rate.NewLimiter(rate.Limit(perSecond), int(min(max(perSecond/8, 1), quantum)))}
}

// Body returns p as the body of an upload.
func (l *Limit) Body(ctx context.Context, p []byte) *Body {
	return &Body{ctx: ctx, limit: l, P: p, Size: int64(len(p))}
}

// Zeros returns so many zeros as the body of an upload.
func (l *Limit) Zeros(ctx context.Context, size int64) *Body {
	return &Body{ctx: ctx, limit: l, Size: size}
}

// Body is the body of an upload. The SDK reads it again from the start for each try, and
// never after its call is over.
type Body struct {
	P     []byte // nil: zeros
	Size  int64  // bytes
	Tries int    // that have read something

	ctx   context.Context
	limit *Limit
	at    int64
	sent  atomic.Bool // all of it was read, in this try or one before
}

// Sent says whether all of it was read, in this try or one before.
func (b *Body) Sent() bool { return b.sent.Load() }

func (b *Body) Read(p []byte) (int, error) {
	if b.at >= b.Size {
		return 0, io.EOF
	}
	if b.at == 0 {
		b.Tries++
	}
	n := int(min(int64(len(p)), b.Size-b.at))
	if b.limit != nil {
		n = min(n, b.limit.r.Burst())
		if err := b.limit.r.WaitN(b.ctx, n); err != nil {
			return 0, err
		}
	}
	if b.P == nil {
		clear(p[:n])
	} else {
		copy(p[:n], b.P[b.at:])
	}
	if b.at += int64(n); b.at == b.Size {
		b.sent.Store(true)
	}
	return n, nil
}

// Seek implements io.Seeker.
func (b *Body) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += b.at
	case io.SeekEnd:
		off += b.Size
	}
	if off < 0 {
		return 0, errors.New("seek before the start")
	}
	b.at = off
	return off, nil
}

// Reader returns r as the body of a download.
func (l *Limit) Reader(ctx context.Context, r io.Reader) io.Reader {
	if l == nil {
		return r
	}
	return &limited{ctx, l.r, r}
}

// limited is the body of a download.
type limited struct {
	ctx   context.Context
	limit *rate.Limiter
	r     io.Reader
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p[:min(len(p), l.limit.Burst())])
	if werr := l.limit.WaitN(l.ctx, n); werr != nil {
		return n, werr
	}
	return n, err
}
