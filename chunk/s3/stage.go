package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"purebundle/chunk"
	"purebundle/chunk/work"
)

// grace is how long a cancelled run waits for its workers: for the answers to what
// they have sent.
const grace = lateTime + 200*time.Millisecond

// crew returns a crew of so many goroutines, each with a request in flight.
func crew(workers int) work.Crew { return work.Crew{Workers: workers, Grace: grace} }

// Create begins a bundle, made with as many requests at once as the Store allows.
func (s *Store) Create(ctx context.Context, opt chunk.Options) (*chunk.Writer, error) {
	if opt.Workers == 0 {
		opt.Workers = s.opt.Workers
	}
	opt.Zeros, opt.Grace = smallWorkers, grace
	return chunk.Make(ctx, s, opt)
}

// UploadOptions of Upload; the zero value is what most want.
type UploadOptions struct {
	Force bool           // replace another bundle of that prefix
	Done  func(part int) // if not nil, called after each part, sent or kept, never twice at once
}

// Upload copies a bundle to S3, but for parts that are there already with the
// same digest, as S3 has kept it. Another bundle of that prefix is refused with
// chunk.ErrExists, unless opt.Force is set; then it ends, manifest first, before
// the first of its parts is replaced. If Upload fails or ctx is done, the parts
// that were sent stay: the next one goes on from there.
func (s *Store) Upload(ctx context.Context, b *chunk.Bundle, opt UploadOptions) (chunk.Stats, error) {
	w, err := s.Create(ctx, chunk.Options{Prefix: b.Manifest().Prefix, Force: opt.Force, Resume: b.Manifest()})
	if err != nil {
		return chunk.Stats{}, err
	}
	if err := chunk.Copy(ctx, b, w, chunk.CopyOptions{Done: opt.Done}); err != nil {
		return w.Stats(), errors.Join(err, w.Abort())
	}
	return w.Stats(), nil
}

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
	left     map[string]bool   // temporary names that a run which was cut has left, with Set.GoOn
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
	if err := st.findLeft(ctx); err != nil {
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

// findLeft lists the temporary names that are there, with Set.GoOn.
func (st *stage) findLeft(ctx context.Context) error {
	if !st.set.GoOn {
		return nil
	}
	temps, err := st.s.temps(ctx, st.set)
	st.left = make(map[string]bool, len(temps))
	for _, o := range temps {
		st.left[o.Name] = true
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

// tempSuffix ends temporary names, as on disk.
const tempSuffix = ".purebundle-new"

// tempName returns the name that an object has until it gets that name.
func tempName(name string) string { return "." + name + tempSuffix }

// zeroName returns the name, made temporary, of the object that all zero parts are
// copied from if a bundle is being replaced.
func zeroName(prefix string) string { return prefix + ".part.zero" }

// temps lists what runs, over or not, have put under temporary names for a group.
func (s *Store) temps(ctx context.Context, set chunk.Set) ([]Object, error) {
	objects, err := s.list(ctx, "."+set.Prefix+".")
	return slices.DeleteFunc(objects, func(o Object) bool {
		name, ok := strings.CutSuffix(strings.TrimPrefix(o.Name, "."), tempSuffix)
		number, part := strings.CutPrefix(name, set.Prefix+".part.")
		ours := part && (number == "zero" || number != "" && strings.Trim(number, "0123456789") == "") ||
			name == set.Prefix+".from" || name == set.Prefix+".to" // of canCopy
		return !ok || !ours
	}), err
}

// Room returns nil: S3 has room. It notes how many bytes of parts are zero, at most.
func (st *stage) Room(files int, need int64) error {
	st.zeroBytes = max(0, int64(files-2)*chunk.Size-need) // two are the digests and the manifest
	return nil
}

// Keep says whether S3 has an item under its name, with its digest; if a bundle is being
// replaced, under its temporary name as well.
func (st *stage) Keep(ctx context.Context, it chunk.Item) (bool, error) {
	name := it.Name
	switch {
	case !it.Sure, st.goesOn() && !st.there[name]:
		return false, nil
	case st.goesOn() || st.older[name] == it.Sum:
	case st.replaces && st.left[st.at(it)]:
		name = st.at(it)
	default:
		return false, nil
	}
	ctx, done, err := st.enter(ctx, it)
	if err != nil {
		return false, err
	}
	defer done()
	o, err := st.s.Head(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case o.SHA256 != "" && o.SHA256 != it.Sum:
		return false, nil
	case o.SHA256 == "":
		if same, err := st.like(ctx, o, it); err != nil || !same {
			return false, err
		}
	}
	st.note(it, object{name: name, etag: o.ETag, size: o.Size, kept: true})
	return true, nil
}

// like returns true if an object of which S3 has no SHA-256 has the MD5 of an item.
func (st *stage) like(ctx context.Context, o Object, it chunk.Item) (bool, error) {
	switch {
	case o.MD5 == "":
		st.s.server.noLikeness(st.s.loc.Path(o.Name))
		return false, nil
	case o.Size != chunk.Size || it.MD5 == nil:
		return false, nil
	case it.Sum == chunk.ZeroSum:
		return o.MD5 == zeroMD5, nil
	}
	sum, err := it.MD5(ctx)
	return sum == o.MD5, err
}

// Put makes an item with the content p.
func (st *stage) Put(ctx context.Context, it chunk.Item, p []byte) (int64, error) {
	if it.Sum == "" {
		it.Sum = digest(p)
	}
	return st.store(ctx, it, func(ctx context.Context, at string) (string, int64, error) {
		st.zero.lose(at)
		return st.put(ctx, at, p, int64(len(p)), it.Sum)
	}, int64(len(p)))
}

// Zero makes an item of chunk.Size zero bytes. The first is sent, the others are
// copied within S3.
func (st *stage) Zero(ctx context.Context, it chunk.Item, size int64) (int64, error) {
	if size != chunk.Size {
		return st.Put(ctx, it, make([]byte, size))
	}
	it.Sum = chunk.ZeroSum
	return st.store(ctx, it, func(ctx context.Context, at string) (string, int64, error) {
		if st.temporary(it) {
			return st.zero.only(ctx, st, at)
		}
		return st.zero.make(ctx, st, at)
	}, size)
}

// temporary says whether an item gets a temporary name first.
func (st *stage) temporary(it chunk.Item) bool { return st.replaces || !it.Sure }

// at returns the name of the object that is to have an item's content.
func (st *stage) at(it chunk.Item) string {
	switch {
	case !st.temporary(it):
		return it.Name
	case it.Sum == chunk.ZeroSum:
		return tempName(zeroName(st.set.Prefix)) // one for all, copied by Publish
	case it.Sure:
		return tempName(it.Name)
	}
	return tempName(it.Key)
}

// store makes an item with put, which is given the name of the object.
func (st *stage) store(ctx context.Context, it chunk.Item, put func(ctx context.Context, at string) (etag string, sent int64, err error), size int64) (int64, error) {
	ctx, done, err := st.enter(ctx, it)
	if err != nil {
		return 0, err
	}
	defer done()
	if st.retired != nil {
		if err := st.retired(); err != nil {
			return 0, err
		}
	}
	at := st.at(it)
	etag, sent, err := put(ctx, at)
	if err != nil {
		return 0, err
	}
	st.note(it, object{name: at, etag: etag, size: size})
	return sent, nil
}

// enter begins an item, unless the run is over. The ctx that it returns ends with
// the run; done must be called.
func (st *stage) enter(ctx context.Context, it chunk.Item) (_ context.Context, done func(), err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		return nil, nil, st.over()
	}
	delete(st.made, it.Key)
	st.busy.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(st.life, func() { cancel(context.Cause(st.life)) })
	return ctx, func() { stop(); cancel(nil); st.busy.Done() }, nil
}

// over returns the error of a stage that was closed.
func (st *stage) over() error {
	return &chunk.Error{Op: "write", Path: st.s.loc.Path(st.set.Prefix), Err: os.ErrClosed}
}

// note notes where an item is.
func (st *stage) note(it chunk.Item, o object) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.made[it.Key] = o
}

// begin notes that there may be an object soon. undo takes that back: nothing was
// put.
func (st *stage) begin(name string, m mark) (undo func()) {
	st.mu.Lock()
	defer st.mu.Unlock()
	was, begun := st.begun[name]
	if begun && m.etag == "" {
		m.sum = "" // it may be there with this content or that
	}
	st.begun[name] = m
	return func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.begun[name] = was; !begun {
			delete(st.begun, name)
		}
	}
}

// put and copy are those of the Store; what they make is removed by Abort.

func (st *stage) put(ctx context.Context, name string, p []byte, size int64, sum string) (etag string, sent int64, err error) {
	cond := st.condition(name)
	undo := st.begin(name, mark{size: size, sum: sum})
	etag, unsure, err := st.s.put(ctx, name, p, size, sum, cond)
	switch {
	case err == nil:
		st.begin(name, mark{etag, size, sum})
	case errors.Is(err, chunk.ErrBusy):
		undo()
	}
	st.doubt(unsure)
	return etag, size, err
}

func (st *stage) copy(ctx context.Context, from, was, to string, size int64) (string, error) {
	st.begin(to, mark{size: size})
	etag, err := st.s.copy(ctx, from, was, to)
	if err == nil {
		st.begin(to, mark{etag: etag, size: size})
	}
	st.doubt(err != nil)
	return etag, err
}

func (st *stage) doubt(unsure bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.unsure = st.unsure || unsure
}
