package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/s3"
)

// output is where the parts of a bundle go: a directory (chunk.Writer) or S3
// (s3.Writer). The methods mean what those of chunk.Writer do.
type output interface {
	Preflight(parts int, need int64) error
	Write(ctx context.Context, img io.ReaderAt, parts []int, done func(part int)) error
	WriteZero(ctx context.Context, parts []int, done func(part int)) error
	Commit(ctx context.Context, m *chunk.Manifest) error
	Abort() error
	Stats() chunk.Stats
}

// create opens the output of a run.
func (r *bundleRun) create(ctx context.Context) (output, error) {
	if !s3.IsURL(r.cfg.dest) {
		w, err := chunk.Create(r.cfg.dest, chunk.Options{Prefix: r.cfg.prefix, Force: r.cfg.force})
		if err != nil {
			return nil, err // not w: an interface that holds nil is not nil
		}
		return w, nil
	}
	store, err := r.cfg.s3.open(ctx, r.app, r.cfg.place)
	if err != nil {
		return nil, err
	}
	w, err := store.Create(ctx, s3.CreateOptions{Prefix: r.cfg.prefix, Force: r.cfg.force})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// leaveOut is what of SOURCE the output itself is.
func (r *bundleRun) leaveOut() []string {
	if dir := cmp.Or(r.cfg.work, r.cfg.dest); dir != "" && !s3.IsURL(dir) {
		return []string{dir}
	}
	return nil
}

// metered returns img, and what to call after each part, such that the bar
// shows what is certain: of a directory the bytes that were read for it, of S3
// the parts that it has acknowledged.
func (r *bundleRun) metered(img io.ReaderAt) (io.ReaderAt, func(part int)) {
	if !s3.IsURL(r.cfg.dest) {
		return &meteredReader{img, &r.ui.bytes}, func(int) { r.ui.parts.Add(1) }
	}
	r.ui.inParts()
	return img, func(int) {
		r.ui.parts.Add(1)
		r.ui.bytes.Add(chunk.Size)
	}
}

// abort removes what a run that failed has made. What cannot be removed is said
// with the error, which else promises that nothing is left.
func abort(out output, err error) error {
	left := out.Abort()
	switch {
	case left == nil:
		return err
	case err == nil:
		return left
	}
	return &leftError{err: err, left: left.Error()}
}

// abort is the same with what removes the rest, where DEST is in S3.
func (r *bundleRun) abort(out output, err error) error {
	if err != nil && s3.IsURL(r.cfg.dest) && !r.app.quiet {
		late := time.AfterFunc(time.Second, func() {
			r.app.say("removing what is in S3 of it; another signal leaves it there")
		})
		defer late.Stop()
	}
	err = abort(out, err)
	if _, some := errors.AsType[*leftError](err); some && s3.IsURL(r.cfg.dest) {
		if r.cfg.force { // to delete by name would hit the older bundle
			return withHint(err, "an older bundle there is whole: do not delete it; the same command removes the rest once it succeeds")
		}
		return withHint(err, "what is there of it goes with: purebundle delete%s -p %s %s", r.cfg.s3.again(), r.cfg.prefix, shellQuote(r.cfg.dest))
	}
	return err
}

// leftError is a run that failed and could not, or was not to, remove all that it
// made.
type leftError struct {
	err  error
	left string // what is left, as a clause
}

func (e *leftError) Error() string { return e.err.Error() + "; " + e.left }
func (e *leftError) Unwrap() error { return e.err }
