package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/google/uuid"

	"purebundle/chunk"
)

// stage is a group of objects that appear together.
//
// If nothing was there, items whose names are certain get them at once and the
// manifest comes last. If a bundle is being replaced, parts that it has already
// stay as they are and the others get temporary names, so that the older bundle is
// whole until Publish, which removes its manifest, copies the new parts into place
// within S3, and puts the new manifest. A run that dies before Publish leaves the
// older bundle; one that dies within those copies leaves no bundle.
//
// With Set.Resume items get their names at once in any case, and stay; with Set.GoOn
// they stay as well, and get their names at once if there is no manifest. A server that
// cannot copy is sent what replaces an older bundle under its names at once, too: the
// manifest of that goes first.
type stage struct {
	s        *Store
	set      chunk.Set
	replaces bool              // an older bundle is there, and stays until Publish
	sends    bool              // an older bundle is there, and goes first
	gone     bool              // its manifest is removed
	older    map[string]string // digests of its parts, by name
	there    map[string]bool   // names of the group that were there when it began
	cut      map[string]bool   // temporary names of a run that was cut, with Set.GoOn
	same     bool              // the manifest that was there is set.Resume
	zero     zeros
	life     context.Context // until Abort
	kill     context.CancelCauseFunc
	busy     sync.WaitGroup // items that are being made
	run      string         // tells this run from others, see runKey
	retired  func() error   // if not nil, removes the manifest that was there, once

	mu     sync.Mutex
	closed bool
	made   map[string]object // by key
	begun  map[string]mark   // objects that this run has made or may have made
	unsure bool              // one may come about later
	// takeless is true if a copy from another bundle was refused, see Take.
	takeless bool

	zeroBytes int64 // of parts, at most
}

// object is an object of S3 that has the content of an item.
type object struct {
	name string
	etag string
	size int64 // bytes
	kept bool  // it was there before
}

// Begin begins a group of objects. It refuses with chunk.ErrExists if objects of
// the group are there, unless set.Force.
func (s *Store) Begin(ctx context.Context, set chunk.Set) (chunk.Stage, error) {
	files, err := s.present(ctx, set)
	if err != nil {
		return nil, err
	}
	st := &stage{s: s, set: set, made: make(map[string]object), begun: make(map[string]mark), there: make(map[string]bool), run: uuid.NewString()}
	st.life, st.kill = context.WithCancelCause(context.Background())
	for _, o := range files {
		st.there[o.Name] = true
	}
	switch {
	case set.Resume != nil:
		return st, st.resume(ctx)
	case len(files) == 0 || set.GoOn && !st.there[set.Last]:
		return st, nil
	case !set.Force:
		hint := ""
		if !st.there[set.Last] {
			hint = "there is no manifest: a run is at work there, or was killed and left this; resume it, delete it, force it to be replaced, or choose another prefix"
		}
		return nil, &chunk.Error{Op: "create", Path: s.loc.Path(files[0].Name), Err: chunk.ErrExists, Hint: hint}
	}
	st.replaces = true
	if err := st.findCut(ctx); err != nil {
		return nil, err
	}
	if st.older, err = s.olderParts(ctx, set, files); err != nil {
		return nil, err
	}
	if err := st.canCopy(ctx); cannotCopy(err) {
		s.server.noCopies(err, "the older bundle goes before the new one is complete, and parts that are all zero are sent")
		st.replaces, st.sends, st.zero.refuse = false, true, true
		st.retired = st.retire(ctx)
		clear(st.begun)
	} else if err != nil {
		return nil, err
	}
	return st, nil
}

// findCut lists the temporary names that are there, with Set.GoOn.
func (st *stage) findCut(ctx context.Context) error {
	if !st.set.GoOn {
		return nil
	}
	temps, err := st.s.temps(ctx, st.set)
	st.cut = make(map[string]bool, len(temps))
	for _, o := range temps {
		st.cut[o.Name] = true
	}
	return err
}

// stays returns true if what was put stays when the run fails.
func (st *stage) stays() bool { return st.set.Resume != nil || st.set.GoOn }

// goesOn returns true if items get the names at once that objects may have already.
func (st *stage) goesOn() bool {
	return st.set.Resume != nil || st.set.GoOn && !st.there[st.set.Last]
}

// retire returns what removes the manifest that is there, once.
func (st *stage) retire(ctx context.Context) func() error {
	return sync.OnceValue(func() error {
		err := st.s.Remove(ctx, []string{st.set.Last})
		st.mu.Lock()
		defer st.mu.Unlock()
		st.gone = err == nil
		return err
	})
}

// resume looks whether the bundle that is there, if any, is the one to be made.
func (st *stage) resume(ctx context.Context) error {
	// What is there is no bundle until all of it is the new one.
	if !st.there[st.set.Last] {
		return nil
	}
	st.retired = st.retire(ctx)
	have, _, err := st.s.get(ctx, st.set.Last, int64(len(st.set.Resume))+1)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if st.same = string(have) == string(st.set.Resume); !st.same && !st.set.Force {
		return &chunk.Error{Op: "upload", Path: st.s.loc.Path(st.set.Last), Err: chunk.ErrExists,
			Hint: "it is another bundle: choose another directory, or force it to be replaced; its manifest goes first then"}
	}
	return nil
}

// present lists the objects of a group. What is named like them but cannot be one
// is an error.
func (s *Store) present(ctx context.Context, set chunk.Set) ([]Object, error) {
	objects, err := s.list(ctx, set.Prefix)
	if err != nil {
		return nil, err
	}
	var found []Object
	for _, o := range objects {
		taken, err := set.Look(o.Name, s.loc.Path(o.Name))
		if err != nil {
			return nil, err
		}
		if taken {
			found = append(found, o)
		}
	}
	return found, nil
}

// olderParts returns the digests, by name, of the parts of the bundle that is being
// replaced, as its manifest has them: none if that cannot be read, or is Amazon's.
func (s *Store) olderParts(ctx context.Context, set chunk.Set, files []Object) (map[string]string, error) {
	if set.Last != chunk.ManifestName(set.Prefix) {
		return nil, nil
	}
	b, err := s.Load(ctx, set.Prefix)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, nil // what is wrong with it ends with it
	}
	defer b.Close()
	sizes := make(map[string]int64, len(files))
	for _, o := range files {
		sizes[o.Name] = o.Size
	}
	sums := make(map[string]string)
	for _, p := range b.Manifest().Parts {
		if sizes[p.Name] == chunk.Size {
			sums[p.Name] = p.SHA256
		}
	}
	return sums, nil
}

// canCopy tries early what a replacement needs at its end. What it makes for that
// goes at once; if that fails, with the rest of the run.
func (st *stage) canCopy(ctx context.Context) error {
	from, to := tempName(st.set.Prefix+".from"), tempName(st.set.Prefix+".to")
	text := []byte("purebundle\n")
	_, _, err := st.put(ctx, from, text, int64(len(text)), digest(text))
	if err == nil {
		if _, err = st.copy(ctx, from, "", to, int64(len(text))); err != nil && ctx.Err() == nil {
			err = fmt.Errorf("replacing a bundle needs copies within S3: %w", err)
		}
	}
	if err != nil {
		return errors.Join(err, st.discard())
	}
	if st.s.Remove(ctx, []string{from, to}) == nil {
		delete(st.begun, from)
		delete(st.begun, to)
	}
	return nil
}
