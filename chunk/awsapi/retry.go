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

// Retryer says which requests are tried again and when; it is the aws.RetryerV2
// of all that Load configures. Unlike the SDK's it has no quota that runs out:
// requests that fail for a long time are each tried all their times.
type Retryer struct {
	opt     Options
	reached atomic.Bool  // the server has answered something
	strange atomic.Int64 // connections that failed before
}

// NewRetryer returns a Retryer.
func NewRetryer(opt Options) *Retryer { return &Retryer{opt: opt} }

// MaxAttempts is how many tries a request has.
func (r *Retryer) MaxAttempts() int { return cmp.Or(r.opt.Attempts, defaultAttempts) }

// IsErrorRetryable says whether a request that failed so may succeed later.
func (r *Retryer) IsErrorRetryable(err error) bool {
	if status(err) != 0 {
		r.reached.Store(true)
	} else if dialed(err) && !r.reached.Load() && r.strange.Add(1) >= maxStrange {
		return false
	}
	return Temporary(err)
}

// RetryDelay is the pause after try number attempt, from 1. It tells Notify.
func (r *Retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	d := pause(attempt, err)
	if r.opt.Notify != nil {
		what := "request"
		if a, ok := errors.AsType[*attemptError](err); ok {
			what = a.what()
		}
		r.opt.Notify(fmt.Sprintf("%s: %s: again in %s", what, short(err), d.Round(100*time.Millisecond)))
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
	for attempt := 1; ; attempt++ {
		err := try(ctx)
		if err == nil {
			r.reached.Store(true)
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if attempt >= r.MaxAttempts() || !r.IsErrorRetryable(err) {
			return err
		}
		d, _ := r.RetryDelay(attempt, &attemptError{op, subject, err})
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(d):
		}
	}
}

// pause is how long to wait after try number attempt. A server that says how
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

// nameAttempts makes each try of a request say which one it is of: the Retryer is
// told the error only.
func nameAttempts(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("NameAttempts",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			out, meta, err := next.HandleFinalize(ctx, in)
			if err != nil {
				subject, _ := ctx.Value(subjectKey{}).(string)
				err = &attemptError{awsmiddleware.GetOperationName(ctx), subject, err}
			}
			return out, meta, err
		}), "Retry", middleware.After)
}

var _ aws.RetryerV2 = (*Retryer)(nil)

// status is the HTTP status of the answer, or 0 if there was none.
func status(err error) int {
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.Response != nil && r.Response.Response != nil {
		return r.Response.StatusCode
	}
	return 0
}

// answer is the header of the answer; nil if there was none.
func answer(err error) http.Header {
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.Response != nil && r.Response.Response != nil {
		return r.Response.Header
	}
	return nil
}
