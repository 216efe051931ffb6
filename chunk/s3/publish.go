package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"purebundle/chunk"
	"purebundle/chunk/work"
)

// Publish makes the objects appear under their names. ctx is heeded until an older
// bundle begins to be replaced.
//
// On an error all that was put is removed as by Abort, and an older bundle is as it
// was. The exceptions are a *chunk.LeftoverError, after which the new bundle is
// whole, and a replacement that breaks off in the middle, which says so.
func (st *stage) Publish(ctx context.Context, items []chunk.Item) error {
	st.mu.Lock()
	if st.closed {
		st.mu.Unlock()
		return &chunk.Error{Op: "commit", Path: st.s.loc.Path(st.set.Prefix), Err: plain("the bundle was aborted")}
	}
	st.closed = true
	st.mu.Unlock()
	if st.goesOn() {
		return st.goOn(ctx, items)
	}
	surplus, err := st.ready(ctx, items)
	if err == nil && st.replaces {
		return st.replace(context.WithoutCancel(ctx), items, surplus)
	}
	if err == nil && st.retired != nil {
		err = st.retired()
	}
	if err == nil {
		err = st.install(ctx, items, surplus)
	}
	if err != nil {
		return st.giveUp(err)
	}
	return st.sweep(ctx)
}

// giveUp ends a Publish that failed with err before anything was replaced.
func (st *stage) giveUp(err error) error {
	if st.sends && st.gone {
		err = &chunk.Error{Op: "replace", Path: st.s.loc.Path(st.set.Prefix), Err: fmt.Errorf("broken off: %w", err),
			Hint: "the older bundle is gone, since the server does not copy: make it again"}
	}
	if st.stays() {
		return err
	}
	if cerr := st.discard(); cerr != nil {
		err = &chunk.UncleanError{Err: err, Left: cerr}
	}
	return err
}

// ready looks whether all items are as this run left them. It returns the objects
// of the older bundle that the new one does not have.
func (st *stage) ready(ctx context.Context, items []chunk.Item) (surplus []string, err error) {
	files, err := st.s.present(ctx, st.set)
	if err != nil {
		return nil, err
	}
	temps, err := st.s.temps(ctx, st.set)
	if err != nil {
		return nil, err
	}
	there := make(map[string]Object, len(files)+len(temps))
	for _, o := range append(files, temps...) {
		there[o.Name] = o
	}
	for _, it := range items {
		made, ok := st.made[it.Key]
		if it.Text != nil {
			continue
		}
		if !ok {
			return nil, &chunk.Error{Op: "commit", Path: st.s.loc.Path(it.Name), Err: plain("was never made")}
		}
		o, ok := there[made.name]
		if !ok || !o.is(made.etag, made.size) {
			return nil, st.s.disturbed("commit", made.name)
		}
	}
	if st.replaces || st.sends {
		return surplusOf(files, items), nil
	}
	for _, o := range files {
		if _, ok := st.begun[o.Name]; !ok {
			return nil, st.s.disturbed("commit", o.Name)
		}
	}
	return nil, nil
}

// surplusOf lists the objects that are no items.
func surplusOf(files []Object, items []chunk.Item) (surplus []string) {
	wanted := make(map[string]bool, len(items))
	for _, it := range items {
		wanted[it.Name] = true
	}
	for _, o := range files {
		if !wanted[o.Name] {
			surplus = append(surplus, o.Name)
		}
	}
	return surplus
}

// is returns true if an object has this ETag, as far as both are known, and size.
func (o Object) is(etag string, size int64) bool {
	return o.Size == size && (o.ETag == etag || o.ETag == "" || etag == "")
}

// whole looks, once the manifest is there, whether all items are as this run left
// them. If another run was at work there the manifest goes again.
func (st *stage) whole(ctx context.Context, items []chunk.Item) error {
	objects, err := st.s.present(ctx, st.set)
	if err != nil {
		return err
	}
	there := make(map[string]Object, len(objects))
	for _, o := range objects {
		there[o.Name] = o
	}
	for _, it := range items {
		m, ok := st.begun[it.Name]
		if !ok {
			m = mark{etag: st.made[it.Key].etag, size: st.made[it.Key].size} // it was kept
		}
		o, ok := there[it.Name]
		if ok && o.is(m.etag, m.size) {
			continue
		}
		// A list may be late.
		if o, err := st.s.Head(ctx, it.Name); err == nil && o.is(m.etag, m.size) {
			continue
		}
		if last := st.begun[st.set.Last]; last.etag != "" {
			err = st.s.removeAs(ctx, []Object{{Name: st.set.Last, ETag: last.etag}})
		}
		return errors.Join(st.s.disturbed("commit", it.Name), err)
	}
	return nil
}

// install copies items into place that have temporary names, and puts the small
// ones. Surplus objects go before the manifest comes.
func (st *stage) install(ctx context.Context, items []chunk.Item, surplus []string) error {
	var moves []chunk.Item
	for _, it := range items {
		if o, ok := st.made[it.Key]; ok && it.Text == nil && o.name != it.Name {
			moves = append(moves, it)
		}
	}
	err := work.Each(ctx, crew(smallWorkers), moves, func(ctx context.Context, it chunk.Item) error {
		st.mu.Lock()
		o := st.made[it.Key]
		st.mu.Unlock()
		// Another run may have put its own there since ready looked.
		_, err := st.copy(ctx, o.name, o.etag, it.Name, o.size)
		return err
	})
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.Text == nil {
			continue
		}
		if it.Name == st.set.Last {
			if err := st.s.Remove(ctx, surplus); err != nil {
				return err
			}
		}
		if _, _, err := st.put(ctx, it.Name, it.Text, int64(len(it.Text)), digest(it.Text)); err != nil {
			return err
		}
	}
	return st.whole(ctx, items)
}

// replace puts the new objects in the place of the older ones. ctx never ends: half
// way there is neither bundle.
func (st *stage) replace(ctx context.Context, items []chunk.Item, surplus []string) error {
	if err := st.s.Remove(ctx, []string{st.set.Last}); err != nil {
		switch _, herr := st.s.Head(ctx, st.set.Last); {
		case herr == nil:
			return st.giveUp(err)
		case !errors.Is(herr, fs.ErrNotExist):
			return st.brokenOff(err)
		} // else it was removed all the same: back is not possible
	}
	if err := st.install(ctx, items, surplus); err != nil {
		return st.brokenOff(err)
	}
	return st.sweep(ctx)
}

// brokenOff returns the error of a replacement that failed with err when the manifest
// of the older bundle was gone, or may have been.
func (st *stage) brokenOff(err error) error {
	return &chunk.Error{Op: "replace", Path: st.s.loc.Path(st.set.Prefix), Err: fmt.Errorf("broken off half way: %w", err),
		Hint: "the older bundle is gone and the new one is not complete: make it again"}
}

// sweep removes what has temporary names once a bundle is complete, that of runs
// that were killed too.
func (st *stage) sweep(ctx context.Context) error {
	if !st.replaces && !st.moved() {
		return nil
	}
	temps, err := st.s.temps(context.WithoutCancel(ctx), st.set)
	if err == nil {
		err = st.s.Remove(context.WithoutCancel(ctx), names(temps))
	}
	if err != nil {
		return &chunk.LeftoverError{Err: err}
	}
	return nil
}

// moved says whether an item had a temporary name.
func (st *stage) moved() bool {
	for name := range st.begun {
		if name[0] == '.' {
			return true
		}
	}
	return false
}

// goOn completes a bundle whose items have got their names at once, of which some were
// there before.
func (st *stage) goOn(ctx context.Context, items []chunk.Item) error {
	files, err := st.s.present(ctx, st.set)
	if err != nil {
		return err
	}
	surplus := surplusOf(files, items)
	if st.same && len(st.begun) == 0 && len(surplus) == 0 {
		done, err := st.asTheyAre(ctx, items)
		if done || err != nil {
			return err
		}
	}
	if st.retired != nil {
		if err := st.retired(); err != nil {
			return err
		}
	}
	if err := st.install(ctx, items, surplus); err != nil {
		return err
	}
	return st.sweep(ctx)
}

// asTheyAre says whether the small objects but the manifest are there as they should be.
func (st *stage) asTheyAre(ctx context.Context, items []chunk.Item) (bool, error) {
	for _, it := range items {
		if it.Text == nil || it.Name == st.set.Last {
			continue
		}
		have, _, err := st.s.get(ctx, it.Name, int64(len(it.Text))+1)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		if err != nil || !bytes.Equal(have, it.Text) {
			return false, nil
		}
	}
	return true, nil
}

func names(objects []Object) []string {
	out := make([]string, len(objects))
	for i, o := range objects {
		out[i] = o.Name
	}
	return out
}
