package chunk

import (
	"context"
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
// read but where it is not sure that they are what they were; a part that is all zero
// must be made. It returns the parts that are not to be had: missing, damaged, or where
// this place cannot take them from. done is as for Write.
func (w *Writer) Keep(ctx context.Context, parts []int, done func(part int)) (lost []int, err error) {
	t := work.Teller{Fn: done}
	took := make([]bool, len(parts))
	err = work.Each(ctx, w.crew(keepers), numbers(len(parts)), func(ctx context.Context, k int) error {
		i := parts[k]
		if w.opt.Base == nil || i >= len(w.opt.Base.manifest.Parts) {
			return nil
		}
		var err error
		if took[k], err = w.take(ctx, i, readIfUnsure); took[k] && err == nil {
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

// Links says whether Keep copies nothing.
func (w *Writer) Links() bool {
	s, ok := w.stage.(*dir.Stage)
	return !ok || w.opt.Base == nil || w.opt.Base.disk == nil || s.Links(w.opt.Base.disk.dir)
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
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts[i] = partState{whole: true, taken: true, sum: f.Digest.Hex}
	w.stats.Bytes += copied
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
