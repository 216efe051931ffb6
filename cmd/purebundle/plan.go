package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/ext2img"
	"purebundle/walker"
)

// minFree is the least room that --free as a percentage leaves, in bytes.
const minFree = 16 << 20

// bundleRun is one run of "bundle": what it was told, and what it found.
type bundleRun struct {
	app *app
	cfg *bundleConfig
	ui  *ui

	began  time.Time
	params ext2img.Params
	tree   *walker.Tree
	counts chunk.Counts
	image  *ext2img.Plan
	report ext2img.Report
	sizes  *directorySizes // with --dry-run
	swap   *substitute     // a file that is another one in the image; nil: none

	tooSmall func(*ext2img.TooSmallError) error // says that --size is; nil: in the words of "bundle"
}

// plan walks SOURCE and lays the image out. It reads metadata only and writes
// nothing. Paths in leaveOut keep their directory but not its contents.
func (r *bundleRun) plan(ctx context.Context, leaveOut []string) error {
	r.began = time.Now()
	r.params = r.imageParams()
	r.cfg.walk.LeaveOut = leaveOut
	r.ui.begin(scanning)
	builder := ext2img.NewBuilder(r.params)
	tree, err := walker.Walk(ctx, r.cfg.source, r.cfg.walk, func(e *walker.Entry) error {
		r.met(e)
		return r.swap.add(builder, e)
	})
	if err == nil {
		err = r.swap.finish(builder)
	}
	if err != nil {
		return err
	}
	r.tree = tree
	r.sayLeftOut()
	r.image, err = builder.Layout(r.swap.opener(opener(tree)))
	var small *ext2img.TooSmallError
	switch {
	case errors.As(err, &small) && r.tooSmall != nil:
		return r.tooSmall(small)
	case errors.As(err, &small):
		return withHint(fmt.Errorf("bundle %s: --size %s is too small: the content needs %s", r.cfg.source, &r.cfg.size, formatSize(small.Need)),
			"--size %d is the least that works; --size auto picks one with room", small.Need)
	case err != nil:
		return fmt.Errorf("lay out %s: %w", r.cfg.source, err)
	}
	r.counts.DataBytes = r.image.Stats().DataBytes
	return nil
}

// opener opens files of the walked tree in the words that ext2img understands.
func opener(tree *walker.Tree) ext2img.Opener {
	return func(path string, st *unix.Stat_t) (int, error) {
		fd, err := tree.Open(path, st)
		if errors.Is(err, walker.ErrNotRegular) {
			err = fmt.Errorf("%w: %w", ext2img.ErrReplaced, err)
		}
		return fd, err
	}
}

// met counts one entry of the walk, for the manifest and for the bar.
func (r *bundleRun) met(e *walker.Entry) {
	tally(&r.counts, e)
	r.ui.entries.Add(1)
	if e.Link == "" && e.Mode&unix.S_IFMT == unix.S_IFREG {
		r.ui.found.Add(e.Size)
	}
	if e.Mode&unix.S_IFMT == unix.S_IFDIR {
		dir := e.Path
		r.ui.dir.Store(&dir)
	}
	if r.sizes != nil {
		r.sizes.add(e)
	}
}

// imageParams says what file system is wanted: label and UUID are those given,
// else those of the ext file system whose root SOURCE is, else none and fresh.
func (r *bundleRun) imageParams() ext2img.Params {
	c := r.cfg
	p := ext2img.Params{
		Size: int64(c.size), Free: c.free.bytes, FreePercent: c.free.percent,
		Label: c.label.label, UUID: c.uuid.uuid,
		Now: c.clock.now(), Latest: c.clock.limit(), PartSize: chunk.Size,
	}
	if c.free.percent > 0 {
		p.Free = minFree
	}
	id, found := identity{}, false
	if !c.label.set || !c.uuid.set {
		id, found = sourceIdentity(c.source)
	}
	if !c.label.set {
		p.Label = id.label
	}
	switch {
	case c.uuid.set:
	case found:
		p.UUID = id.uuid
	default:
		p.UUID = freshUUID()
	}
	return p
}

// sayMounts prints each mount decision.
func (r *bundleRun) sayMounts(mounts []walker.Mount) {
	for _, m := range mounts {
		r.ui.say(m.Path, mountLine(m))
	}
}

// sayLeftOut prints what the walk left out, with -v, and what it could not
// read and should be known, always.
func (r *bundleRun) sayLeftOut() {
	if r.app.verbose {
		for _, l := range r.tree.Filtered {
			r.ui.say(l.Path, "left out: "+l.Rule)
		}
		for _, l := range r.tree.Excluded {
			r.ui.say(l.Path, "excluded: "+l.Rule)
		}
	}
	few := newFew(r)
	for _, p := range r.tree.Unreadable {
		few.warn(p.Path, "not in the image: "+p.Err.Error())
	}
	few.end("unreadable")
	for _, w := range r.tree.Warnings {
		few.warn(w.Path, countedText(w.Text, w.Count))
	}
	few.end("warnings")
}

// countedText says for how many paths a warning stands.
func countedText(text string, count int) string {
	if count < 2 {
		return text
	}
	return fmt.Sprintf("%s (and %s more)", text, formatCount(int64(count-1)))
}

// maxListed is how many warnings of one kind reach the screen without -v; the
// manifest has them all.
const maxListed = 20

// few prints warnings, up to maxListed of a kind.
type few struct {
	run  *bundleRun
	said int
}

func newFew(r *bundleRun) *few { return &few{run: r} }

func (f *few) warn(path, text string) {
	if f.said++; f.said <= maxListed || f.run.app.verbose {
		f.run.ui.warn(path, text)
	}
}

// end says how many were not printed, and starts the next kind.
func (f *few) end(kind string) {
	if more := f.said - maxListed; more > 0 && !f.run.app.verbose {
		f.run.ui.warn("", fmt.Sprintf("%s more %s; -v lists all, the manifest has them", formatCount(int64(more)), kind))
	}
	f.said = 0
}
