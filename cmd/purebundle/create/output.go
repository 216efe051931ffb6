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
func (r *Run) create(ctx context.Context) (output, error) {
	if !s3.IsURL(r.Opt.Dest) {
		w, err := chunk.Create(r.Opt.Dest, chunk.Options{Prefix: r.Opt.Prefix, Force: r.Opt.Force})
		if err != nil {
			return nil, err // not w: an interface that holds nil is not nil
		}
		return w, nil
	}
	store, err := r.Opt.S3.Open(ctx, r.App, r.Opt.Place)
	if err != nil {
		return nil, err
	}
	w, err := store.Create(ctx, s3.CreateOptions{Prefix: r.Opt.Prefix, Force: r.Opt.Force})
	if err != nil {
		return nil, err
	}
	return w, nil
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
func Abort(out output, err error) error {
	left := out.Abort()
	switch {
	case left == nil:
		return err
	case err == nil:
		return left
	}
	return &cli.LeftError{Err: err, Left: left.Error()}
}

// abort is the same with what removes the rest, where DEST is in S3.
func (r *Run) abort(out output, err error) error {
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
