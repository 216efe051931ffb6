package chunk

import (
	"context"

	"purebundle/chunk/work"
)

// CopyOptions of Copy; the zero value is what most want.
type CopyOptions struct {
	Done   func(part int) // if not nil, called after each part, made or kept, never twice at once
	Finish func()         // if not nil, called when all parts are made
}

// Copy makes with w what b is, and commits it: download and upload. Parts are
// checked when they are read; of those that are all zero by their digest, and of
// those that the place of w has already, nothing is read.
func Copy(ctx context.Context, b *Bundle, w *Writer, opt CopyOptions) error {
	m := *b.Manifest()
	data, zero := m.Split()
	if err := w.Preflight(len(m.Parts), int64(len(data))*Size); err != nil {
		return err
	}
	t := &work.Teller{Fn: opt.Done}
	tell := func(part int) { t.Tell(ctx, part) }
	var err error
	for _, list := range []*[]int{&data, &zero} {
		if *list, err = w.missing(ctx, b, &m, *list, tell); err != nil {
			return err
		}
	}
	if err := w.Write(ctx, b, data, tell); err != nil {
		return err
	}
	if err := w.WriteZero(ctx, zero, tell); err != nil {
		return err
	}
	if opt.Finish != nil {
		opt.Finish()
	}
	return w.Commit(ctx, &m)
}

// keepers is how many parts are looked for at once.
const keepers = 16

// missing lists those of the parts that the place of w does not have.
func (w *Writer) missing(ctx context.Context, b *Bundle, m *Manifest, parts []int, tell func(part int)) ([]int, error) {
	if _, ok := w.stage.(Keeper); !ok || w.opt.Resume == nil {
		return parts, nil
	}
	kept := make([]bool, len(m.Parts))
	err := work.Each(ctx, w.crew(keepers), parts, func(ctx context.Context, i int) (err error) {
		md5 := func(ctx context.Context) (string, error) { return b.md5(ctx, i) }
		if kept[i], err = w.keep(ctx, i, m.Parts[i].SHA256, md5); kept[i] && err == nil {
			tell(i)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var missing []int
	for _, i := range parts {
		if !kept[i] {
			missing = append(missing, i)
		}
	}
	return missing, nil
}
