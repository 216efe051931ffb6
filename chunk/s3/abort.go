package s3

import (
	"context"
	"errors"
	"slices"
	"time"

	"purebundle/chunk"
)

// cleanTime is how long cleaning up after a run may take.
const cleanTime = 10 * time.Second

// Abort removes all that w put. An older bundle stays as it was. After Commit or
// Abort it does nothing.
func (w *Writer) Abort() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	w.mu.Unlock()
	return w.discard()
}

// discard removes all that w put, with w.closed set. It has a time of its own:
// the run's has ended already.
func (w *Writer) discard() error {
	w.bufs.drop()
	ctx, cancel := context.WithTimeout(context.Background(), cleanTime)
	defer cancel()
	names := w.names()
	if manifest := chunk.ManifestName(w.prefix); slices.Contains(names, manifest) {
		if err := w.s.Remove(ctx, []string{manifest}); err != nil {
			return w.leftover(err)
		}
	}
	if err := w.s.Remove(ctx, names); err != nil {
		return w.leftover(err)
	}
	// A put that was cut off may have arrived whole all the same, and come about
	// since.
	var all []Object
	for _, list := range []func(context.Context, string) ([]Object, error){w.s.list, w.s.temps} {
		objects, err := list(ctx, w.prefix)
		if err != nil {
			return w.leftover(err)
		}
		all = append(all, objects...)
	}
	var again []string
	w.mu.Lock()
	for _, o := range all {
		if w.begun[o.Name] {
			again = append(again, o.Name)
		}
	}
	w.mu.Unlock()
	return w.leftover(w.s.Remove(ctx, again))
}

// names is the objects that this run has made or may have made.
func (w *Writer) names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := make([]string, 0, len(w.begun))
	for name := range w.begun {
		names = append(names, name)
	}
	return sorted(names)
}

// leftover says where a cleaning up that failed left things.
func (w *Writer) leftover(err error) error {
	if err == nil {
		return nil
	}
	hint := "remove what begins with " + w.s.loc.Path(w.prefix+".part.") + " by hand"
	if w.replaces {
		hint = "the older bundle is whole; remove what begins with " + w.s.loc.Path("."+w.prefix+".part.") + " by hand"
	}
	return &chunk.Error{Op: "clean up", Path: w.s.loc.Path(""), Err: root(err), Hint: hint}
}

// root is an error without its path.
func root(err error) error {
	if e, ok := errors.AsType[*chunk.Error](err); ok {
		return e.Err
	}
	return err
}
