package s3

import (
	"context"
	"fmt"

	"purebundle/chunk"
	"purebundle/chunk/work"
)

// Commit makes the bundle appear: all parts must be made. It fills in what of m
// follows from them. ctx is heeded until an older bundle begins to be replaced.
//
// On an error all that w put is removed as by Abort, and an older bundle is as it
// was. The exceptions are a *chunk.LeftoverError, after which the new bundle is
// whole, and a replacement that breaks off in the middle, which says so.
func (w *Writer) Commit(ctx context.Context, m *chunk.Manifest) error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return &chunk.Error{Op: "commit", Path: w.s.loc.Path(w.prefix), Err: plain("the bundle was aborted")}
	}
	w.closed = true
	w.mu.Unlock()
	defer w.bufs.Drop()

	surplus, err := w.ready(ctx, m)
	if err == nil && w.replaces {
		return w.replace(context.WithoutCancel(ctx), m, surplus)
	}
	if err == nil {
		err = w.publish(ctx, m)
	}
	if err != nil {
		if cerr := w.discard(); cerr != nil {
			err = fmt.Errorf("%w; then %w", err, cerr)
		}
	}
	return err
}

// ready completes the manifest and looks whether all parts are as this run left
// them. surplus is the files of the older bundle that the new one does not have.
func (w *Writer) ready(ctx context.Context, m *chunk.Manifest) (surplus []string, err error) {
	digests := make([]string, len(w.parts))
	for i, p := range w.parts {
		if p.at == "" {
			return nil, &chunk.Error{Op: "commit", Path: w.s.loc.Path(chunk.PartName(w.prefix, i, len(w.parts))), Err: plain("was never made")}
		}
		digests[i] = p.sum
	}
	if err := m.Describe(w.prefix, digests); err != nil {
		return nil, &chunk.Error{Op: "commit", Path: w.s.loc.Path(chunk.ManifestName(w.prefix)), Err: err}
	}
	files, err := w.s.present(ctx, w.prefix)
	if err != nil {
		return nil, err
	}
	temps, err := w.s.temps(ctx, w.prefix)
	if err != nil {
		return nil, err
	}
	there := make(map[string]Object, len(files)+len(temps))
	for _, o := range append(files, temps...) {
		there[o.Name] = o
	}
	for _, p := range w.parts {
		o, ok := there[p.at]
		if !ok || o.Size != chunk.Size || o.ETag != p.etag && o.ETag != "" && p.etag != "" {
			return nil, w.disturbed(p.at)
		}
	}
	if !w.replaces {
		for _, o := range files {
			if !w.begun[o.Name] {
				return nil, w.disturbed(o.Name)
			}
		}
		return nil, nil
	}
	wanted := map[string]bool{chunk.ManifestName(w.prefix): true, chunk.SumsName(w.prefix): true}
	for _, p := range m.Parts {
		wanted[p.Name] = true
	}
	for _, o := range files {
		if !wanted[o.Name] {
			surplus = append(surplus, o.Name)
		}
	}
	return surplus, nil
}

func (w *Writer) disturbed(name string) error {
	return &chunk.Error{Op: "commit", Path: w.s.loc.Path(name), Err: chunk.ErrBusy,
		Hint: "it is not what this run left there: let one run write a bundle of that name at a time"}
}

// publish puts digests and manifest where nothing was before.
func (w *Writer) publish(ctx context.Context, m *chunk.Manifest) error {
	text, sums, err := m.Texts()
	if err != nil {
		return err
	}
	if err := w.publishFile(ctx, chunk.SumsName(w.prefix), sums); err != nil {
		return err
	}
	return w.publishFile(ctx, chunk.ManifestName(w.prefix), text)
}

func (w *Writer) publishFile(ctx context.Context, name string, text []byte) error {
	w.begin(name)
	_, unsure, err := w.s.put(ctx, name, text, int64(len(text)), digest(text))
	w.doubt(unsure)
	return err
}

// replace puts the new bundle in the place of the older one. ctx never ends: half
// way there is neither.
func (w *Writer) replace(ctx context.Context, m *chunk.Manifest, surplus []string) error {
	text, sums, err := m.Texts()
	if err == nil {
		err = w.s.Remove(ctx, []string{chunk.ManifestName(w.prefix)})
	}
	if err != nil {
		if cerr := w.discard(); cerr != nil {
			err = fmt.Errorf("%w; then %w", err, cerr)
		}
		return err
	}
	var moves []int
	for i, p := range w.parts {
		if p.at != m.Parts[i].Name {
			moves = append(moves, i)
		}
	}
	err = work.Each(ctx, crew(smallWorkers), moves, func(ctx context.Context, i int) error {
		// Another run may have put its own there since ready looked.
		_, err := w.s.copy(ctx, w.parts[i].at, w.parts[i].etag, m.Parts[i].Name)
		return err
	})
	if err == nil {
		err = w.s.Put(ctx, chunk.SumsName(w.prefix), sums)
	}
	if err == nil {
		err = w.s.Remove(ctx, surplus)
	}
	if err == nil {
		err = w.s.Put(ctx, chunk.ManifestName(w.prefix), text)
	}
	if err != nil {
		return &chunk.Error{Op: "replace", Path: w.s.loc.Path(w.prefix), Err: fmt.Errorf("broken off half way: %w", err),
			Hint: "the older bundle is gone and the new one is not complete: make it again"}
	}
	temps, err := w.s.temps(ctx, w.prefix) // those of runs that were killed too
	if err == nil {
		err = w.s.Remove(ctx, names(temps))
	}
	if err != nil {
		return &chunk.LeftoverError{Err: err}
	}
	return nil
}

func names(objects []Object) []string {
	out := make([]string, len(objects))
	for i, o := range objects {
		out[i] = o.Name
	}
	return out
}
