package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"purebundle/chunk"
	"purebundle/ext2img"
)

// run makes the bundle. Whatever fails, what it made is removed and an older
// bundle of the same prefix is as it was.
func (r *bundleRun) run(ctx context.Context) (err error) {
	made, err := r.make(ctx)
	if err != nil {
		return err
	}
	r.ui.close()
	if err := r.summary(made); err != nil {
		// The bundle is there, whatever became of stdout.
		r.app.errorLine("the bundle is complete, but its summary could not be printed: " + err.Error())
	}
	return r.verdict()
}

// make makes the bundle and nothing else.
func (r *bundleRun) make(ctx context.Context) (made chunk.Stats, err error) {
	out, err := r.create(ctx)
	if err != nil {
		return made, err
	}
	defer func() { err = r.abort(out, err) }()
	if err := r.plan(ctx, r.leaveOut()); err != nil {
		return made, err
	}
	defer r.tree.Close()
	if err := r.write(ctx, out); err != nil {
		return made, err
	}
	if err := out.Commit(ctx, r.manifest()); err != nil {
		return made, err
	}
	return out.Stats(), nil
}

// write makes the parts, in the order that the image asks for.
func (r *bundleRun) write(ctx context.Context, out output) (err error) {
	parts := r.image.Parts()
	if err := out.Preflight(int(r.image.Size()/chunk.Size), r.diskNeed()); err != nil {
		return err
	}
	planned := len(parts.Data) + len(parts.Meta)
	r.ui.allBytes.Store(int64(planned) * chunk.Size)
	r.ui.allParts.Store(int64(planned))
	r.ui.begin(writing)
	r.report, err = r.image.Make(ctx, ext2img.Output{
		Parts: func(ctx context.Context, b ext2img.Batch) error {
			if b.Again {
				r.ui.allBytes.Add(int64(len(b.Parts)) * chunk.Size)
				r.ui.allParts.Add(int64(len(b.Parts)))
			}
			img, made := r.metered(b.Image)
			return out.Write(ctx, img, b.Parts, made)
		},
		Zeros: func(ctx context.Context, parts []int) error { return out.WriteZero(ctx, parts, nil) },
	})
	if err != nil {
		return err
	}
	r.sayChanges()
	r.ui.begin(finishing)
	return nil
}

// diskNeed is an upper bound of what the parts take in DEST, in bytes: no more
// than the blocks in use, and no more than the parts that are not all zero. The
// first is low where much is free within parts, the second where inode tables
// and the journal of a large image are empty.
func (r *bundleRun) diskNeed() int64 {
	stats := r.image.Stats()
	parts := r.image.Parts()
	used := (stats.Blocks - stats.FreeBlocks) * ext2img.BlockSize
	return min(used, int64(len(parts.Data)+len(parts.Meta))*chunk.Size)
}

// sayChanges warns of each file that is not in the image as the walk saw it.
func (r *bundleRun) sayChanges() {
	few := newFew(r)
	for _, c := range r.report.Changes {
		few.warn(c.Path, c.Kind.String()+" ("+c.Detail+")")
	}
	few.end("changes")
	for _, w := range r.report.Warnings {
		few.warn(w.Path, w.Text)
	}
	few.end("warnings")
}

// lost counts what belongs in the image and is not in it as it was.
func (r *bundleRun) lost() (n int) {
	for _, c := range r.report.Changes {
		if c.Kind.Lost() {
			n++
		}
	}
	return n + len(r.tree.Unreadable)
}

// verdict is nil for a bundle that has everything, else status 3.
func (r *bundleRun) verdict() error {
	lost := r.lost()
	switch {
	case lost > 0:
		err := &incompleteError{fmt.Sprintf("bundle %s: done, but %s could not be read as it was",
			r.cfg.source, plural(int64(lost), "entry", "entries"))}
		hint := chunk.ManifestName(r.cfg.prefix) + ` lists them under "unreadable" and "changes"`
		if os.Geteuid() != 0 {
			hint = "run it as root (sudo) to read all of SOURCE; " + hint
		}
		return withHint(err, "%s", hint)
	case r.cfg.strict && len(r.report.Changes) > 0:
		return &incompleteError{fmt.Sprintf("bundle %s: done, but %s changed while it ran (--strict)",
			r.cfg.source, plural(int64(len(r.report.Changes)), "file"))}
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
