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

// lateLooks is the pauses before one looks again for objects that come about
// though nobody waits for them any more. With lateTime before them, a run that is
// stopped is over within a second.
var lateLooks = []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond}

// Abort stops a Write that is going on and removes all that w put. An older
// bundle stays as it was. After Commit or Abort it does nothing.
func (w *Writer) Abort() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	w.mu.Unlock()
	w.kill(w.over())
	w.busy.Wait() // a moment: what was sent is answered or given up
	return w.discard()
}

// discard removes all that w put, with w.closed set. It has a time of its own:
// the run's has ended already.
func (w *Writer) discard() error {
	w.bufs.Drop()
	ctx, cancel := context.WithTimeout(context.Background(), cleanTime)
	defer cancel()
	if err := w.remove(ctx, w.names()); err != nil {
		return w.leftover(err)
	}
	w.mu.Lock()
	unsure := w.unsure
	w.mu.Unlock()
	if !unsure {
		return nil
	}
	for _, pause := range lateLooks {
		select {
		case <-ctx.Done():
			return w.leftover(ctx.Err())
		case <-time.After(pause):
		}
		late, err := w.left(ctx)
		if err == nil {
			err = w.remove(ctx, late)
		}
		if err != nil {
			return w.leftover(err)
		}
	}
	return nil
}

// remove removes objects, the manifest first.
func (w *Writer) remove(ctx context.Context, names []string) error {
	if manifest := chunk.ManifestName(w.prefix); slices.Contains(names, manifest) {
		if err := w.s.Remove(ctx, []string{manifest}); err != nil {
			return err
		}
	}
	return w.s.Remove(ctx, names)
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

// left is those of them that are there.
func (w *Writer) left(ctx context.Context) ([]string, error) {
	files, err := w.s.list(ctx, w.prefix)
	if err != nil {
		return nil, err
	}
	temps, err := w.s.temps(ctx, w.prefix)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var left []string
	for _, o := range append(files, temps...) {
		if w.begun[o.Name] {
			left = append(left, o.Name)
		}
	}
	return left, nil
}

// leftover says where a cleaning up that failed left things.
func (w *Writer) leftover(err error) error {
	hint := "remove what begins with " + w.s.loc.Path(w.prefix+".part.") + " by hand"
	if w.replaces {
		hint = "the older bundle is whole; remove what begins with " + w.s.loc.Path("."+w.prefix+".part.") + " by hand"
	}
	if e, ok := errors.AsType[*chunk.Error](err); ok {
		err = e.Err
	}
	return &chunk.Error{Op: "clean up", Path: w.s.loc.Path(""), Err: err, Hint: hint}
}
