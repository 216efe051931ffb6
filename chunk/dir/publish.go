package dir

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"purebundle/chunk/work"
)

// syncers is how many files are synced at once. Each sync may wait for the device
// to empty its cache; devices do that for many at the price of one.
const syncers = 16

// manyZeros is how many all-zero files are synced one by one. More of them are
// synced with their whole file system (syncfs(2)), which may have to wait for
// what others wrote there, but not for the device once a file: 10,000 files took
// 1.5 s one by one.
const manyZeros = 100

// LeftoverError says that the new files are in place and whole, but that some of
// those that they replace could not be removed. The next Begin tries again.
type LeftoverError struct{ Err error }

func (e *LeftoverError) Error() string {
	return "bundle complete, but the older one is not all gone: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *LeftoverError) Unwrap() error { return e.Err }

// UncleanError says that a run failed and that what it had made could not be removed.
type UncleanError struct{ Err, Left error }

func (e *UncleanError) Error() string   { return e.Err.Error() + "; then " + e.Left.Error() }
func (e *UncleanError) Unwrap() []error { return []error{e.Err, e.Left} }

// Publish makes the files appear under their names, in this order, the last one
// (Options.Last) when all others are durable. Staged files that are no item are
// removed. ctx is heeded until files begin to get their names.
//
// On an error everything is removed as by Abort, and older files are as they
// were. The one exception is an error that wraps *LeftoverError.
func (s *Stage) Publish(ctx context.Context, items []Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Fail("commit", s.dir.path, Cause("the bundle was aborted"))
	}
	if len(items) == 0 || items[len(items)-1].Name != s.opt.Last {
		return s.giveUp(Fail("commit", s.dir.Join(s.opt.Last), Cause("is not the last file")))
	}
	if err := s.prepare(ctx, items); err != nil {
		return s.giveUp(s.explain(err))
	}
	return s.install(items)
}

// giveUp ends a Publish that failed with err before any file got its name.
func (s *Stage) giveUp(err error) error {
	if derr := s.discard(); derr != nil {
		err = &UncleanError{Err: err, Left: derr}
	}
	return err
}

// key returns what an item is staged by; a small file has no Key.
func (it *Item) key() string {
	if it.Text != nil {
		return "text\x00" + it.Name
	}
	return it.Key
}

// prepare makes all files durable under their temporary names.
func (s *Stage) prepare(ctx context.Context, items []Item) error {
	for _, it := range items {
		if f := s.staged[it.Key]; it.Text == nil && (f == nil || !f.whole) {
			return Fail("commit", s.dir.Join(it.Name), Cause("was never made"))
		}
	}
	if err := s.syncStaged(ctx, items); err != nil {
		return err
	}
	for _, it := range items {
		if it.Text == nil {
			continue
		}
		made, err := s.dir.create(tempName(it.Name), it.Name, it.Text)
		if made.name != "" {
			s.staged[it.key()] = &staged{fileMade: made, whole: true}
		}
		if err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// syncStaged makes the staged files last through a power loss. Their writing to
// the device was begun, or done, by Put: these syncs have little to wait for.
func (s *Stage) syncStaged(ctx context.Context, items []Item) error {
	var all, alone []Item // alone: not all zero
	for _, it := range items {
		if it.Text != nil {
			continue
		}
		if all = append(all, it); s.staged[it.Key].data {
			alone = append(alone, it)
		}
	}
	if len(all)-len(alone) > manyZeros && s.dir.fault == nil {
		if err := unix.Syncfs(s.dir.fd()); err != nil {
			return Fail("sync", s.dir.path, err)
		}
	} else {
		alone = all
	}
	return work.Each(ctx, crew(syncers), alone, func(_ context.Context, it Item) error {
		fd, err := s.dir.reopen(s.staged[it.Key].fileMade, unix.O_RDONLY)
		if err != nil {
			return renamed(err, s.dir.Join(it.Name))
		}
		defer unix.Close(fd)
		return Fail("sync", s.dir.Join(it.Name), fsync(fd))
	})
}

// fsync calls fsync(2), again if a signal came.
func fsync(fd int) error {
	for {
		if err := unix.Fsync(fd); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// install moves the files into place. See journal for the order.
func (s *Stage) install(items []Item) error {
	j := journal{group: s.opt.Group, last: s.opt.Last, fresh: make(map[string]bool, len(items))}
	for _, it := range items {
		j.fresh[it.Name] = true
	}
	var err error
	j.old, err = s.present() // again: hours may have passed
	if err == nil {
		var temp fileMade
		if temp, err = j.write(s.dir, items); temp.name != "" {
			s.staged["journal\x00"] = &staged{fileMade: temp}
		}
	}
	if err == nil {
		err = s.swap(items, &j)
	}
	if err != nil {
		return s.rollBack(&j, s.explain(err))
	}
	serr := s.dropScratch()
	if err := j.finish(s.dir); err != nil {
		s.close()
		return &LeftoverError{Err: err}
	}
	if serr != nil {
		serr = &LeftoverError{Err: serr}
	}
	unwanted := s.unwanted(items)
	if err := removeAll(s.dir, unwanted); err != nil && serr == nil {
		serr = &LeftoverError{Err: err}
	}
	s.close()
	return serr
}

// unwanted lists the temporary names of staged files that are no item.
func (s *Stage) unwanted(items []Item) (temps []string) {
	if len(s.staged) == 0 {
		return nil
	}
	for _, it := range items {
		delete(s.staged, it.key())
	}
	return s.temps()
}

// swap moves the old files away and the new ones in. After it the new ones are
// there to stay.
func (s *Stage) swap(items []Item, j *journal) error {
	if slices.Contains(j.old, j.last) {
		if err := s.dir.rename(j.last, j.backup(j.last)); err != nil {
			return err
		}
		if err := s.dir.sync(); err != nil {
			return err
		}
	}
	for _, name := range j.old {
		if name == j.last {
			continue
		}
		if err := s.dir.rename(name, j.backup(name)); err != nil {
			return err
		}
	}
	if len(j.old) > 0 {
		if err := s.dir.sync(); err != nil {
			return err
		}
	}
	for i, it := range items {
		if i == len(items)-1 {
			if err := s.dir.sync(); err != nil {
				return err
			}
		}
		f := s.staged[it.key()]
		if err := s.dir.appear(f.name, it.Name, f.id); err != nil {
			return err
		}
	}
	return s.dir.sync()
}

// rollBack undoes an install that failed with err.
func (s *Stage) rollBack(j *journal, err error) error {
	var uerr error
	if j.name != "" {
		uerr = j.undo(s.dir)
	}
	if uerr != nil {
		// The journal and the backups stay for the next Begin.
		todo := "the next run on this directory puts back what was there"
		if e, ok := errors.AsType[*Error](err); ok && e.Hint != "" {
			todo = e.Hint + "; " + todo
		}
		err = &Error{Op: "undo", Path: s.dir.path, Err: fmt.Errorf("%w (after: %w)", uerr, err), Hint: todo}
		s.close()
		return err
	}
	return s.giveUp(err)
}
