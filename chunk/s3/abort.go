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
// stopped is over within a second, unless S3 is slow: then each pause is as long as
// the look before it took.
var lateLooks = []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond}

// Abort stops what is being made and removes all that was put, but with Set.Resume
// and Set.GoOn nothing. An older bundle stays as it was. After Publish or Abort it
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
	if st.stays() {
		return nil
	}
	return st.discard()
}

// discard removes all that was put, with st.closed set. It has a time of its own:
// the run's has ended already.
func (st *stage) discard() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanTime)
	defer cancel()
	st.mu.Lock()
	begun, unsure := len(st.begun) > 0, st.unsure
	st.mu.Unlock()
	if !begun {
		return nil
	}
	look := func() (took time.Duration, err error) {
		began := time.Now()
		err = st.removeOurs(ctx)
		return time.Since(began), err
	}
	took, err := look()
	if err != nil || !unsure {
		return st.leftover(err)
	}
	for _, pause := range lateLooks {
		select {
		case <-ctx.Done():
			return st.leftover(ctx.Err())
		case <-time.After(max(pause, took)):
		}
		if took, err = look(); err != nil {
			return st.leftover(err)
		}
	}
	return nil
}

// removeOurs removes what is there of this run, the manifest first.
func (st *stage) removeOurs(ctx context.Context) error {
	objects, err := st.all(ctx)
	if err != nil {
		return err
	}
	ours, err := st.ours(ctx, objects)
	if err != nil {
		return err
	}
	if at := slices.IndexFunc(ours, func(o Object) bool { return o.Name == st.set.Last }); at >= 0 {
		if err := st.s.removeAs(ctx, ours[at:at+1]); err != nil {
			return err
		}
		ours = slices.Delete(ours, at, at+1)
	}
	return st.s.removeAs(ctx, ours)
}

// all lists what is there under the names of the group, temporary ones too.
func (st *stage) all(ctx context.Context) ([]Object, error) {
	files, err := st.s.list(ctx, st.set.Prefix)
	if err != nil {
		return nil, err
	}
	temps, err := st.s.temps(ctx, st.set)
	return append(files, temps...), err
}

// leftover returns the error of a cleaning up that failed with err: it says what is
// still there.
func (st *stage) leftover(err error) error {
	if err == nil {
		return nil
	}
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
