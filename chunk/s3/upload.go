package s3

import (
	"context"
	"errors"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/work"
)

// grace is how long a cancelled run waits for its workers: for the answers to what
// they have sent.
const grace = lateTime + 200*time.Millisecond

// crew returns a crew of so many goroutines, each with a request in flight.
func crew(workers int) work.Crew { return work.Crew{Workers: workers, Grace: grace} }

// Create begins a bundle, made with as many requests at once as the Store allows.
func (s *Store) Create(ctx context.Context, opt chunk.Options) (*chunk.Writer, error) {
	if opt.Workers == 0 {
		opt.Workers = s.opt.Workers
	}
	opt.Zeros, opt.Grace = smallWorkers, grace
	return chunk.Make(ctx, s, opt)
}

// UploadOptions of Upload; the zero value is what most want.
type UploadOptions struct {
	Force bool           // replace another bundle of that prefix
	Base  *chunk.Bundle  // an older one in S3, whose parts are copied there if they are the same; nil: none
	Done  func(part int) // if not nil, called after each part, sent or kept, never twice at once
}

// Upload copies a bundle to S3, but for parts that are there already with the
// same digest, as S3 has kept it. Another bundle of that prefix is refused with
// chunk.ErrExists, unless opt.Force is set; then it ends, manifest first, before
// the first of its parts is replaced. If Upload fails or ctx is done, the parts
// that were sent stay: the next one goes on from there.
func (s *Store) Upload(ctx context.Context, b *chunk.Bundle, opt UploadOptions) (chunk.Stats, error) {
	w, err := s.Create(ctx, chunk.Options{Prefix: b.Manifest().Prefix, Force: opt.Force, Resume: b.Manifest(), Base: opt.Base})
	if err != nil {
		return chunk.Stats{}, err
	}
	if err := chunk.Copy(ctx, b, w, chunk.CopyOptions{Done: opt.Done}); err != nil {
		return w.Stats(), errors.Join(err, w.Abort())
	}
	return w.Stats(), nil
}
