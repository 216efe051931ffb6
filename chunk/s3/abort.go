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

// Abort stops what is being made and removes all that was put, but with
// Set.Resume nothing. An older bundle stays as it was. After Publish or Abort it
// does nothing.
func (st *stage) Abort() error {
	st.mu.Lock()
	if st.closed {
		st.mu.Unlock()
		return nil
	}
	st.closed = true
	st.mu.Unlock()
	st.kill(st.over())
	st.busy.Wait() // a moment: what was sent is answered or given up
	if st.set.Resume != nil {
		return nil
	}
	return st.discard()
}

// discard removes all that was put, with st.closed set. It has a time of its own:
// the run's has ended already.
func (st *stage) discard() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanTime)
	defer cancel()
	if err := st.remove(ctx, st.names()); err != nil {
		return st.leftover(err)
	}
	st.mu.Lock()
	unsure := st.unsure
	st.mu.Unlock()
	if !unsure {
		return nil
	}
	for _, pause := range lateLooks {
		select {
		case <-ctx.Done():
			return st.leftover(ctx.Err())
		case <-time.After(pause):
		}
		late, err := st.late(ctx)
		if err == nil {
			err = st.remove(ctx, late)
		}
		if err != nil {
			return st.leftover(err)
		}
	}
	return nil
}

// remove removes objects, the manifest first.
func (st *stage) remove(ctx context.Context, names []string) error {
	if slices.Contains(names, st.set.Last) {
		if err := st.s.Remove(ctx, []string{st.set.Last}); err != nil {
			return err
		}
	}
	return st.s.Remove(ctx, names)
}

// names lists the objects that this run has made or may have made.
func (st *stage) names() []string {
	st.mu.Lock()
	defer st.mu.Unlock()
	names := make([]string, 0, len(st.begun))
	for name := range st.begun {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// late lists those of them that are there.
func (st *stage) late(ctx context.Context) ([]string, error) {
	files, err := st.s.list(ctx, st.set.Prefix)
	if err != nil {
		return nil, err
	}
	temps, err := st.s.temps(ctx, st.set)
	if err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	var late []string
	for _, o := range append(files, temps...) {
		if st.begun[o.Name] {
			late = append(late, o.Name)
		}
	}
	return late, nil
}

// leftover returns the error of a cleaning up that failed: it says what is still there.
func (st *stage) leftover(err error) error {
	hint := "remove what begins with " + st.s.loc.Path(st.set.Prefix+".part.") + " by hand"
	if st.replaces {
		hint = "the older bundle is whole; remove what begins with " + st.s.loc.Path("."+st.set.Prefix+".part.") + " by hand"
	}
	if e, ok := errors.AsType[*chunk.Error](err); ok {
		err = e.Err
	}
	return &chunk.Error{Op: "clean up", Path: st.s.loc.Path(""), Err: err, Hint: hint}
}

// Delete removes a bundle, its manifest first, and what runs that were killed
// left of one: parts without a manifest, temporary names.
func (s *Store) Delete(ctx context.Context, prefix string) error {
	set, err := chunk.RawSet(prefix)
	if err != nil {
		return err
	}
	files, err := s.present(ctx, set)
	if err != nil {
		return err
	}
	temps, err := s.temps(ctx, set)
	if err != nil {
		return err
	}
	if len(files)+len(temps) == 0 {
		return &chunk.Error{Op: "delete", Path: s.loc.Path(set.Last), Err: chunk.ErrNoBundle, Hint: "look at the directory and the prefix"}
	}
	if err := s.Remove(ctx, []string{set.Last}); err != nil {
		return err
	}
	return s.Remove(ctx, names(append(files, temps...)))
}
