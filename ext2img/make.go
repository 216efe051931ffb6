package ext2img

import (
	"context"
	"errors"
	"io"
	"slices"
)

// Batch is a list of parts to make now.
type Batch struct {
	Parts []int       // ascending
	Image io.ReaderAt // reads these parts, from several goroutines if one likes; other parts are errors
	Again bool        // they were made before: a file that lies in several of them changed meanwhile
}

// Output makes the parts of an image where they are to go. When a function
// returns, it has read all that it will read of the image.
type Output struct {
	Parts func(ctx context.Context, b Batch) error
	Zeros func(ctx context.Context, parts []int) error // parts that are all zero; called beside Parts
	// Keep takes parts as the base has them, and returns those that cannot be taken, which
	// are made then; nil takes none. A file system calls it once, before Parts.
	Keep func(ctx context.Context, parts []int) (lost []int, err error)
}

// Make makes all parts: those with file data; again those whose files changed
// while they were read; then, when it is known what became of each file, the
// metadata; and the zero parts. With a base, parts that are the same are kept first,
// unless a file in them turns out to have changed. A part may be made more than once, the last time
// counts. It reports what was not as the walk saw it. Make works once.
func (p *Plan) Make(ctx context.Context, out Output) (Report, error) {
	if p.made {
		return Report{}, errors.New("make image: made already")
	}
	p.made = true
	m := newImage(p)
	before := p.Parts()

	// The zeros need no data: they are made beside it.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	zeros := make(chan error, 1)
	go func() {
		err := out.Zeros(ctx, before.Zero)
		if err != nil {
			cancel(err)
		}
		zeros <- err
	}()
	lost, err := m.keepParts(ctx, out, before.Kept)
	if err == nil {
		err = m.makeData(ctx, out, merge(before.Data, lost))
	}
	if err != nil {
		cancel(err)
	}
	if zeroErr := <-zeros; err == nil || errors.Is(err, context.Canceled) && zeroErr != nil {
		err = zeroErr
	}
	if err != nil {
		return Report{}, err
	}
	report := m.seal()
	after := p.Parts() // a file that outgrew its place may have taken a part more
	if err := out.Parts(ctx, Batch{Parts: after.Meta, Image: batchReader{m, after.Meta}}); err != nil {
		return report, err
	}
	rest := slices.DeleteFunc(after.Zero, func(i int) bool {
		_, done := slices.BinarySearch(before.Zero, i)
		return done
	})
	if len(rest) == 0 {
		return report, nil
	}
	return report, out.Zeros(ctx, rest)
}

// keepParts takes what parts it can from the base and returns those that must be made.
func (m *Image) keepParts(ctx context.Context, out Output, parts []int) (lost []int, err error) {
	if len(parts) == 0 {
		return nil, nil
	}
	if lost = parts; out.Keep != nil && !m.base.Reread {
		if lost, err = out.Keep(ctx, parts); err != nil {
			return nil, err
		}
	}
	m.notKept(lost)
	return lost, nil
}

// notKept notes that parts are made.
func (m *Image) notKept(parts []int) {
	for _, i := range parts {
		delete(m.keeps, int64(i))
	}
}

// merge returns the numbers of both lists, ascending.
func merge(a, b []int) []int {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// makeData makes the data parts, and again those whose files changed.
func (m *Image) makeData(ctx context.Context, out Output, parts []int) error {
	b := Batch{Parts: parts}
	for len(b.Parts) > 0 {
		b.Image = batchReader{m, b.Parts}
		if err := out.Parts(ctx, b); err != nil {
			return err
		}
		b.Parts, b.Again = m.redo(), true
		m.notKept(b.Parts)
	}
	return nil
}
