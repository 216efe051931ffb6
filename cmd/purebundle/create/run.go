package create

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"purebundle/chunk"
	"purebundle/chunk/work"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img"
)

// run makes the bundle. Whatever fails, what it made is removed and an older
// bundle of the same prefix is as it was.
func (r *Run) run(ctx context.Context) (err error) {
	made, err := r.Make(ctx)
	if err != nil {
		return err
	}
	r.UI.Close()
	if err := r.summary(made); err != nil {
		// The bundle is there, whatever became of stdout.
		r.App.ErrorLine("the bundle is complete, but its summary could not be printed: " + err.Error())
	}
	r.SayHidden(r.target().lists(`"warnings"`))
	return r.Verdict()
}

// Make makes the bundle and nothing else.
func (r *Run) Make(ctx context.Context) (made chunk.Stats, err error) {
	defer func() { _ = r.journal.Close() }() // every line of it was written at once
	out, err := r.target().open(ctx)
	if err != nil {
		return made, err
	}
	defer func() { err = r.abort(out, err) }()
	r.Hold(out.Held())
	making, stop := r.whileStartable(ctx)
	defer stop()
	if err = r.Plan(making); err == nil {
		defer r.Tree.Close()
	}
	if err != nil || !r.target().traceless() {
		err = r.judged(ctx, err)
	}
	if err != nil {
		return made, err
	}
	defer r.Measure(making)()
	if err := r.judged(ctx, r.Write(making, out)); err != nil {
		return made, err
	}
	r.Tree.Close() // all is read: disks that were unmounted meanwhile are free again
	m := r.Manifest()
	m.Base = r.base.manifest(out.Stats().Taken)
	if err := out.Commit(ctx, m); err != nil {
		return made, err
	}
	return out.Stats(), nil
}

// Hold tells the run by which path it has DEST open, so that the walk leaves that very
// directory out, whatever has its name by then; "" if it has none.
func (r *Run) Hold(path string) { r.held = path }

// Write makes the parts, in the order that the image asks for.
func (r *Run) Write(ctx context.Context, out Output) (err error) {
	parts := r.Image.Parts()
	need := r.target().need(r.Image)
	planned := len(parts.Data) + len(parts.Meta)
	k, _ := out.(keeper)
	copies := k != nil && !k.Links()
	if copies {
		need += int64(len(parts.Kept)) * chunk.Size
		planned += len(parts.Kept)
	}
	if err := out.Preflight(int(r.Image.Size()/chunk.Size), need); err != nil {
		return err
	}
	r.UI.AllBytes.Store(int64(planned) * chunk.Size)
	r.UI.AllParts.Store(int64(planned))
	r.UI.Begin(progress.Writing)
	if err := r.Opt.Disk.sync(); err != nil {
		return err
	}
	r.Report, err = r.Image.Make(ctx, ext2img.Output{
		Parts: func(ctx context.Context, b ext2img.Batch) error {
			if b.Again {
				r.UI.AllBytes.Add(int64(len(b.Parts)) * chunk.Size)
				r.UI.AllParts.Add(int64(len(b.Parts)))
			}
			img, made := r.target().metered(b.Image, r.UI)
			return out.Write(ctx, img, b.Parts, made)
		},
		Keep: func(ctx context.Context, parts []int) ([]int, error) {
			if k == nil || !r.base.used {
				return parts, nil
			}
			lost, err := k.Keep(ctx, parts, func(int) {
				r.UI.Kept.Add(1)
				if copies {
					r.UI.Parts.Add(1)
					r.UI.Bytes.Add(chunk.Size)
				}
			})
			if !copies {
				r.UI.AllBytes.Add(int64(len(lost)) * chunk.Size)
				r.UI.AllParts.Add(int64(len(lost)))
			}
			return lost, err
		},
		Zeros: func(ctx context.Context, parts []int) (err error) {
			// Make calls this in a goroutine of its own.
			if p := work.Catch(func() { err = out.WriteZero(ctx, parts, nil) }); p != nil {
				return p
			}
			return err
		},
	})
	if err != nil {
		return err
	}
	r.counts.DataBytes = r.Image.Stats().DataBytes // what is in it, not what was to be
	r.Report.Warnings = append(r.Report.Warnings, r.databases()...)
	r.sayChanges()
	r.UI.Begin(progress.Finishing)
	return nil
}

// keeper is an Output that can take parts of a base.
type keeper interface {
	Links() bool
	Keep(ctx context.Context, parts []int, done func(part int)) (lost []int, err error)
}

// sayChanges warns of each file that is not in the image as the walk saw it, or was gone when the walk came to it.
func (r *Run) sayChanges() {
	few := newFew(r)
	for _, c := range r.Changes() {
		few.warn(string(c.Path), c.Kind+" ("+c.Detail+")")
	}
	omitted := r.Tree.Omitted.Vanished
	for _, more := range r.Report.More {
		omitted += more
	}
	few.end("changes", omitted)
	for _, w := range r.Report.Warnings {
		few.warn(w.Path, w.Text)
	}
	few.end("warnings", r.Report.MoreWarnings)
}

// Verdict returns nil for a bundle that has everything, else an error with status 3.
func (r *Run) Verdict() error {
	lost := r.Lost()
	switch {
	case lost > 0:
		err := &cli.IncompleteError{Text: fmt.Sprintf("bundle %s: done, but %s", r.Opt.Source, r.LostLine())}
		hint := r.target().lists(`"unreadable" and "changes"`)
		if os.Geteuid() != 0 {
			hint = "run it as root (sudo) to read all of SOURCE; " + hint
		}
		return cli.WithHint(err, "%s", hint)
	case r.Opt.Strict && len(r.Report.Changes) > 0:
		return &cli.IncompleteError{Text: fmt.Sprintf("bundle %s: done, but %s changed while it ran (--strict)",
			r.Opt.Source, words.Plural(int64(len(r.Report.Changes)), "file"))}
	}
	return nil
}

// meteredReader counts the bytes that pass.
type meteredReader struct {
	io.ReaderAt
	bytes *atomic.Int64
}

func (m *meteredReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.ReaderAt.ReadAt(p, off)
	m.bytes.Add(int64(n))
	return n, err
}
