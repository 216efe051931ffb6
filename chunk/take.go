package chunk

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/chunk/dir"
	"purebundle/chunk/work"
)

// Taker is a Stage that can make an item of a file of another place, of which nothing
// comes here.
type Taker interface {
	Stage
	// Take says whether it did. If not, nothing is wrong: the item must be put.
	Take(ctx context.Context, it Item, from Place, f File) (taken bool, err error)
}

// Keep makes these parts of those of Options.Base with the same numbers, which are not
// read but where it is not sure that they are what they were, or the base is in another kind of
// place; a part that is all zero must be made. It returns the parts that are not to be had:
// missing, damaged, or where this place cannot take them from. done is as for Write.
func (w *Writer) Keep(ctx context.Context, parts []int, done func(part int)) (lost []int, err error) {
	t := work.Teller{Fn: done}
	took := make([]bool, len(parts))
	workers := keepers
	if w.reads() {
		workers = w.opt.Workers // each has a buffer
	}
	err = work.Each(ctx, w.crew(workers), numbers(len(parts)), func(ctx context.Context, k int) error {
		i := parts[k]
		if w.opt.Base == nil || i >= len(w.opt.Base.manifest.Parts) {
			return nil
		}
		var err error
		if took[k], err = w.keepOne(ctx, i); took[k] && err == nil {
			t.Tell(ctx, i)
		}
		return err
	})
	for k, i := range parts {
		if !took[k] {
			lost = append(lost, i)
		}
	}
	return lost, err
}

// keepOne makes part i that of the base: the place may have it already.
func (w *Writer) keepOne(ctx context.Context, i int) (bool, error) {
	b := w.opt.Base
	f := b.manifest.Parts[i].File()
	if f.Zero() {
		return false, nil
	}
	there, err := w.keep(ctx, i, f.Digest.Hex, func(ctx context.Context) (string, error) { return b.md5(ctx, i) })
	switch {
	case err != nil && ctx.Err() == nil && errors.Is(err, ErrDamaged): // the base, when it was to be compared
		return false, nil
	case err != nil:
		return false, err
	case there:
		w.took(i, f.Digest.Hex, 0)
		return true, nil
	case w.reads():
		return w.fetch(ctx, i, f)
	}
	return w.take(ctx, i, readIfUnsure)
}

// reads says whether Keep reads the parts of the base and writes them: it is in another
// kind of place.
func (w *Writer) reads() bool {
	b := w.opt.Base
	switch w.stage.(type) {
	case *dir.Stage:
		return b != nil && b.disk == nil
	case Taker:
		return b != nil && b.disk != nil
	}
	return b != nil
}

// fetch makes part i by reading that of the base, if it is to be had.
func (w *Writer) fetch(ctx context.Context, i int, f File) (bool, error) {
	buf, err := w.bufs.Get(Size)
	if err != nil {
		return false, err
	}
	defer w.bufs.Put(buf)
	if err := w.opt.Base.place.Read(ctx, f, buf, 0); err != nil {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		return false, nil // whatever is wrong with it: it is not to be had
	}
	it, err := w.begin(i, f.Digest.Hex)
	if err != nil {
		return false, err
	}
	moved, err := w.stage.Put(ctx, it, buf)
	if err != nil {
		return false, err
	}
	w.took(i, f.Digest.Hex, moved)
	return true, nil
}

// took notes that part i is that of the base, with so many bytes written or sent.
func (w *Writer) took(i int, sum string, moved int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts[i] = partState{whole: true, taken: true, sum: sum}
	w.stats.Bytes += moved
}

// Links says whether Keep copies nothing.
func (w *Writer) Links() bool {
	s, ok := w.stage.(*dir.Stage)
	if w.reads() {
		return false
	}
	return !ok || w.opt.Base == nil || s.Links(w.opt.Base.disk.dir)
}

// unsure says what becomes of a part of the base that may not be what it was.
type unsure int

const (
	readIfUnsure unsure = iota
	leaveIfUnsure
)

// takeSame takes part i of the base if it has the digest of the new one.
func (w *Writer) takeSame(ctx context.Context, i int, sum string) (bool, error) {
	b := w.opt.Base
	if b == nil || sum == ZeroSum || i >= len(b.manifest.Parts) || b.manifest.Parts[i].SHA256 != sum {
		return false, nil
	}
	return w.take(ctx, i, leaveIfUnsure)
}

// take makes part i of that of the base, if it is to be had.
func (w *Writer) take(ctx context.Context, i int, how unsure) (bool, error) {
	b := w.opt.Base
	f := b.manifest.Parts[i].File()
	it, err := w.begin(i, f.Digest.Hex)
	if err != nil || f.Zero() {
		return false, err
	}
	taken, copied := false, int64(0)
	switch s := w.stage.(type) {
	case *dir.Stage:
		if b.disk == nil {
			return false, nil
		}
		taken, copied, err = s.Take(it, b.disk.dir, f.Name, f.Size, b.untouched)
		if err == nil && !taken && how == readIfUnsure && b.place.Check(ctx, f) == nil {
			taken, copied, err = s.Take(it, b.disk.dir, f.Name, f.Size, func(unix.Timespec) bool { return true })
		}
	case Taker:
		taken, err = s.Take(ctx, it, b.place, f)
	}
	if err != nil || !taken {
		return false, err
	}
	w.took(i, f.Digest.Hex, copied)
	return true, nil
}

// untouched says whether a part with this modification time is one that the run made, or
// took of a base of its own: nobody wrote to it since the manifest was written.
func (b *Bundle) untouched(mtime unix.Timespec) bool {
	t := time.Unix(mtime.Unix())
	since := b.manifest.Created
	if b.manifest.Base != nil {
		since = b.manifest.Base.Since
	}
	until, err := b.disk.dir.ModTime(ManifestName(b.manifest.Prefix))
	return err == nil && !t.Before(since) && !t.After(until)
}
