package create

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
)

// create opens the output of a run.
func (r *Run) create(ctx context.Context) (*chunk.Writer, error) {
	opt := chunk.Options{Prefix: r.Opt.Prefix, Force: r.Opt.Force}
	if !s3.IsURL(r.Opt.Dest) {
		return chunk.Create(r.Opt.Dest, opt)
	}
	store, err := r.Opt.S3.Open(ctx, r.App, r.Opt.Place)
	if err != nil {
		return nil, err
	}
	return store.Create(ctx, opt)
}

// LeaveOut is what of SOURCE the output itself is.
func (r *Run) LeaveOut() []string {
	if dir := cmp.Or(r.Opt.Work, r.Opt.Dest); dir != "" && !s3.IsURL(dir) {
		return []string{dir}
	}
	return nil
}

// metered returns img, and what to call after each part, such that the bar
// shows what is certain: of a directory the bytes that were read for it, of S3
// the parts that it has acknowledged.
func (r *Run) metered(img io.ReaderAt) (io.ReaderAt, func(part int)) {
	if !s3.IsURL(r.Opt.Dest) {
		return &meteredReader{img, &r.UI.Bytes}, func(int) { r.UI.Parts.Add(1) }
	}
	r.UI.InParts()
	return img, func(int) {
		r.UI.Parts.Add(1)
		r.UI.Bytes.Add(chunk.Size)
	}
}

// Abort removes what a run that failed has made. What cannot be removed is said
// with the error, which else promises that nothing is left.
func Abort(out interface{ Abort() error }, err error) error {
	left := out.Abort()
	switch {
	case left == nil:
		return err
	case err == nil:
		return left
	}
	return &cli.LeftError{Err: err, Left: left.Error()}
}

// abort is the same with what removes the rest, if DEST is in S3.
func (r *Run) abort(out interface{ Abort() error }, err error) error {
	if err != nil && s3.IsURL(r.Opt.Dest) && !r.App.Quiet {
		late := time.AfterFunc(time.Second, func() {
			r.App.Say("removing what is in S3 of it; another signal leaves it there")
		})
		defer late.Stop()
	}
	err = Abort(out, err)
	if _, some := errors.AsType[*cli.LeftError](err); some && s3.IsURL(r.Opt.Dest) {
		if r.Opt.Force { // to delete by name would hit the older bundle
			return cli.WithHint(err, "an older bundle there is whole: do not delete it; the same command removes the rest once it succeeds")
		}
		return cli.WithHint(err, "what is there of it goes with: purebundle delete%s -p %s %s", r.Opt.S3.Again(), r.Opt.Prefix, words.Quote(r.Opt.Dest))
	}
	return err
}
