package awsapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Pauses before another try: anything up to firstPause, which doubles with each
// try and ends at longestPause ("full jitter": many clients do not come back at
// the same moment). All ten tries pause 33 s on average.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 20 * time.Second
)

// maxStrange is how often a server that has never answered is tried to connect
// to: its name or port is likely wrong.
const maxStrange = 5

// Work that has moved much is not given up after some tries: a minute of SlowDown
// or a line that is down would end an hour's work. Requests of that size count.
const (
	much   = 100 << 20 // bytes
	large  = 512 << 10 // bytes: a block of EBS
	object = 10 << 20  // bytes that one Do counts as: a part
)

// Retryer says which requests are tried again and when; it is the aws.RetryerV2
// of all that Load configures. Unlike the SDK's it has no quota that runs out:
// requests that fail for a long time are each tried all their times.
type Retryer struct {
	opt     Options
	reached atomic.Bool  // the server has answered something
	strange atomic.Int64 // connections that failed before
	moved   atomic.Int64 // bytes of large requests that succeeded
}

// NewRetryer returns a Retryer.
func NewRetryer(opt Options) *Retryer { return &Retryer{opt: opt} }

// MaxAttempts returns 0, no limit: RetryDelay ends the tries, which knows for how
// long.
func (r *Retryer) MaxAttempts() int { return 0 }

// again returns true if a request that failed attempt times, first at since, has
// another try. patient is true if that is for the sake of what has been moved.
func (r *Retryer) again(attempt int, since time.Time) (again, patient bool) {
	if attempt < cmp.Or(r.opt.Attempts, defaultAttempts) {
		return true, false
	}
	patient = r.moved.Load() >= much && !since.IsZero() && time.Since(since) < r.patience()
	return patient, patient
}

func (r *Retryer) patience() time.Duration { return cmp.Or(r.opt.Patience, defaultPatience) }

// IsErrorRetryable says whether a request that failed so may succeed later.
func (r *Retryer) IsErrorRetryable(err error) bool {
	if status(err) != 0 {
		r.reached.Store(true)
	} else if dialed(err) && !r.reached.Load() && r.strange.Add(1) >= maxStrange {
		return false
	}
	return Temporary(err)
}

// RetryDelay returns the pause after try number attempt, from 1, and tells Notify; or
// err if that was the last.
func (r *Retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	what, since := "request", time.Time{}
	if a, ok := errors.AsType[*attemptError](err); ok {
		what, since = a.what(), a.since
	}
	again, patient := r.again(attempt, since)
	if !again {
		return 0, err
	}
	d := pause(attempt, err)
	if r.opt.Notify != nil {
		text := fmt.Sprintf("%s: %s: again in %s", what, short(err), d.Round(100*time.Millisecond))
		if patient {
			text += fmt.Sprintf(", for %s at most", (r.patience() - time.Since(since)).Round(time.Second))
		}
		r.opt.Notify(text)
	}
	return d, nil
}

// GetRetryToken gives leave at once.
func (r *Retryer) GetRetryToken(context.Context, error) (func(error) error, error) {
	return release, nil
}

// GetInitialToken gives leave at once.
func (r *Retryer) GetInitialToken() func(error) error { return release }

// GetAttemptToken gives leave at once.
func (r *Retryer) GetAttemptToken(context.Context) (func(error) error, error) { return release, nil }

func release(error) error { return nil }

// Do calls try until it succeeds or fails for good, as requests are retried by
// the SDK. It is for what can fail after the SDK has returned, such as the body of
// a download. op and subject are for Notify. A try makes its requests with
// aws.NopRetryer.
func (r *Retryer) Do(ctx context.Context, op, subject string, try func(context.Context) error) error {
	var since time.Time
	for attempt := 1; ; attempt++ {
		err := try(ctx)
		if err == nil {
			r.reached.Store(true)
			r.moved.Add(object)
			return nil
		}
		if since.IsZero() {
			since = time.Now()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !r.IsErrorRetryable(err) {
			return err
		}
		d, last := r.RetryDelay(attempt, &attemptError{op, subject, since, err})
		if last != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(d):
		}
	}
}

// pause returns how long to wait after try number attempt. A server that says how
// long (RFC 9110, Retry-After, seconds) is heeded within reason.
func pause(attempt int, err error) time.Duration {
	most := longestPause
	if attempt < 8 {
		most = min(most, firstPause<<(attempt-1))
	}
	d := rand.N(most)
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.Response != nil {
		if s, err := strconv.Atoi(r.Response.Header.Get("Retry-After")); err == nil && s > 0 {
			d = max(d, min(time.Duration(s)*time.Second, longestPause))
		}
	}
	return d
}

// subjectKey is the key of a context for what a request is about.
type subjectKey struct{}

// WithSubject names what the requests of a context are about, for Notify.
func WithSubject(ctx context.Context, subject string) context.Context {
	return context.WithValue(ctx, subjectKey{}, subject)
}

// attemptError says which request failed.
type attemptError struct {
	op, subject string
	since       time.Time // when the request first failed
	err         error
}

func (e *attemptError) Error() string { return e.what() + ": " + e.err.Error() }
func (e *attemptError) Unwrap() error { return e.err }

func (e *attemptError) what() string {
	if e.subject == "" {
		return e.op
	}
	return e.op + " " + e.subject
}

// sinceKey is the key of a context for when a request first failed.
type sinceKey struct{}

// watch makes each try of a request say which one it is of and since when that fails,
// because the Retryer is told the error only; and it counts what succeeds.
func (r *Retryer) watch(stack *middleware.Stack) error {
	err := stack.Initialize.Add(middleware.InitializeMiddlewareFunc("FirstFailure",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(context.WithValue(ctx, sinceKey{}, new(time.Time)), in)
		}), middleware.Before)
	if err != nil {
		return err
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("NameAttempts",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			out, meta, err := next.HandleFinalize(ctx, in)
			if err != nil {
				since := ctx.Value(sinceKey{}).(*time.Time)
				if since.IsZero() {
					*since = time.Now()
				}
				subject, _ := ctx.Value(subjectKey{}).(string)
				err = &attemptError{awsmiddleware.GetOperationName(ctx), subject, *since, err}
			} else if request, ok := in.Request.(*smithyhttp.Request); ok && request.ContentLength >= large {
				r.moved.Add(request.ContentLength)
			}
			return out, meta, err
		}), "Retry", middleware.After)
}

// CountTries counts how often a request is sent.
func CountTries(tries *atomic.Int64) func(*middleware.Stack) error {
	count := middleware.FinalizeMiddlewareFunc("CountTries",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			tries.Add(1)
			return next.HandleFinalize(ctx, in)
		})
	return func(stack *middleware.Stack) error { return stack.Finalize.Insert(count, "Retry", middleware.After) }
}

var _ aws.RetryerV2 = (*Retryer)(nil)

// status returns the HTTP status of the answer, or 0 if none came.
func status(err error) int {
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.Response != nil && r.Response.Response != nil {
		return r.Response.StatusCode
	}
	return 0
}

// answer returns the header of the answer, or nil if none came.
func answer(err error) http.Header {
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.Response != nil && r.Response.Response != nil {
		return r.Response.Header
	}
	return nil
}
