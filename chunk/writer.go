package chunk

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"purebundle/chunk/dir"
	"purebundle/chunk/work"
)

// Options of Create and Make. Prefix must be given; else the zero value is what
// most want.
type Options struct {
	Prefix  string // see CheckPrefix
	Force   bool   // replace a bundle of that prefix, once the new one is whole
	Workers int    // parts made at once, each with a buffer of Size bytes; 0: one more than processors
	Zeros   int    // parts made at once that are all zero; 0: one
	// Grace is how long a cancelled run waits for its workers; 0: 300 ms.
	Grace   time.Duration
	Trusted bool // as in Directory, for Create
	// Resume, if not nil, is the manifest of the bundle that is made: see Set.
	Resume *Manifest
	GoOn   bool // go on with what a run that was cut has left: see Set
	// Base is an older bundle whose parts may be those of this one, see Writer.Keep; nil:
	// there is none. The caller closes it, after Commit.
	Base *Bundle
}

// Writer makes one bundle: Create or Make, Preflight, Write and WriteZero until
// every part is made, Commit; Abort at any time. What a crash can leave is what
// its Stage says; on an error, nothing is left and an older bundle is as it was.
type Writer struct {
	stage Stage
	opt   Options
	bufs  work.Buffers

	mu     sync.Mutex
	closed bool
	count  int // of parts, once Preflight said it; else 0
	parts  []partState
	stats  Stats
}

// partState is the state of one part.
type partState struct {
	whole bool // it is made
	zero  bool
	taken bool   // of the base
	sum   string // its digest
}

// Stats is what a Writer has made so far.
type Stats struct {
	Parts     int   // made, the all-zero ones included
	ZeroParts int   // all zero
	Kept      int   // of Parts, there already
	Taken     int   // of Parts, of the base
	Bytes     int64 // written or sent; on disk without zeros; what was written twice counts twice
}

// Create begins a bundle in the directory at path. It refuses with ErrExists if
// files of the prefix are there, unless opt.Force is set.
func Create(path string, opt Options) (*Writer, error) {
	return Make(context.Background(), Directory{Path: path, Trusted: opt.Trusted}, opt)
}

// Make begins a bundle in a place.
func Make(ctx context.Context, place Maker, opt Options) (*Writer, error) {
	set, err := RawSet(opt.Prefix)
	if err != nil {
		return nil, err
	}
	set.Force, set.GoOn = opt.Force, opt.GoOn
	if opt.Resume != nil {
		text, _, err := opt.Resume.Texts()
		if err != nil {
			return nil, err
		}
		set.Resume = text
	}
	stage, err := place.Begin(ctx, set)
	if err != nil {
		return nil, err
	}
	// While one worker waits for the device, the others keep the processors busy.
	opt.Workers = cmp.Or(opt.Workers, runtime.GOMAXPROCS(0)+1)
	opt.Zeros = cmp.Or(opt.Zeros, 1) // the kernel adds names to a directory one by one
	opt.Grace = cmp.Or(opt.Grace, grace)
	return &Writer{stage: stage, opt: opt}, nil
}

// Preflight tells the Writer how many parts there will be and how many bytes of
// them are not zero, and fails with a *SpaceError if there is no room for them.
func (w *Writer) Preflight(parts int, need int64) error {
	w.mu.Lock()
	if parts <= 0 || parts < w.count || w.count == 0 && parts < len(w.parts) {
		w.mu.Unlock()
		return fail("create", w.opt.Prefix, fmt.Errorf("%d parts", parts))
	}
	w.count = parts
	w.mu.Unlock()
	return w.stage.Room(parts+2, need)
}

// Write makes the parts with these numbers from img, which is read with ReadAt
// from several goroutines, one whole part at a time. A part that was made before
// is made again. done, if not nil, is called after each part, never twice at once.
//
// When ctx is done, Write returns within a fraction of a second. A ReadAt of img
// that does not return for longer than that is then left behind.
func (w *Writer) Write(ctx context.Context, img io.ReaderAt, parts []int, done func(part int)) error {
	t := work.Teller{Fn: done}
	workers := w.opt.Workers
	if w.opt.Base != nil { // few are made, then, and each takes a buffer
		workers = min(workers, 2+len(parts)/8)
	}
	return work.Each(ctx, w.crew(workers), parts, func(ctx context.Context, i int) error {
		buf, err := w.bufs.Get(Size)
		if err != nil {
			return err
		}
		defer w.bufs.Put(buf)
		n, err := img.ReadAt(buf, int64(i)*Size)
		switch {
		case err != nil && err != io.EOF:
			return err
		case n < Size:
			return fmt.Errorf("read image: part %d has %d bytes: %w", i, n, io.ErrUnexpectedEOF)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.store(ctx, i, buf); err != nil {
			return err
		}
		t.Tell(ctx, i)
		return nil
	})
}

// WriteZero makes parts that are all zero: they take no room but a name. done is
// as for Write.
func (w *Writer) WriteZero(ctx context.Context, parts []int, done func(part int)) error {
	t := work.Teller{Fn: done}
	return work.Each(ctx, w.crew(w.opt.Zeros), parts, func(ctx context.Context, i int) error {
		if err := w.store(ctx, i, nil); err != nil {
			return err
		}
		t.Tell(ctx, i)
		return nil
	})
}

// crew returns a crew of so many goroutines.
func (w *Writer) crew(workers int) work.Crew { return work.Crew{Workers: workers, Grace: w.opt.Grace} }

// store makes part i of these bytes, or of zeros if p is empty.
func (w *Writer) store(ctx context.Context, i int, p []byte) error {
	sum := ZeroSum
	if !dir.AllZero(p) {
		sum = digest(p)
	}
	if w.opt.Resume == nil { // else it is known to be missing
		kept, err := w.keep(ctx, i, sum, func(context.Context) (string, error) {
			m := md5.Sum(p)
			return hex.EncodeToString(m[:]), nil
		})
		if err != nil || kept {
			return err
		}
	}
	if taken, err := w.takeSame(ctx, i, sum); err != nil || taken {
		return err
	}
	it, err := w.begin(i, sum)
	if err != nil {
		return err
	}
	var moved int64
	if sum == ZeroSum {
		moved, err = w.stage.Zero(ctx, it, Size)
	} else {
		moved, err = w.stage.Put(ctx, it, p)
	}
	if err != nil {
		return err
	}
	w.made(i, sum, moved, 0)
	return nil
}

// keep says whether part i with this digest is in the place already. If so, it is
// made. md5 is that of Item.
func (w *Writer) keep(ctx context.Context, i int, sum string, md5 func(context.Context) (string, error)) (bool, error) {
	k, ok := w.stage.(Keeper)
	if !ok {
		return false, nil
	}
	it, err := w.begin(i, sum)
	if err != nil {
		return false, err
	}
	it.MD5 = md5
	kept, err := k.Keep(ctx, it)
	if kept && err == nil {
		w.made(i, sum, 0, 1)
	}
	return kept, err
}

func (w *Writer) made(i int, sum string, moved int64, kept int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts[i] = partState{whole: true, zero: sum == ZeroSum, sum: sum}
	w.stats.Bytes += moved
	w.stats.Kept += kept
}

// begin notes that part i is being made, and returns what the Stage calls it.
func (w *Writer) begin(i int, sum string) (Item, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	it := w.item(i, sum)
	switch {
	case w.closed:
		return it, fail("write", it.Name, os.ErrClosed)
	case i < 0 || w.count > 0 && i >= w.count:
		return it, fail("write", it.Name, fmt.Errorf("part number out of range: %d of %d", i, w.count))
	}
	for len(w.parts) <= i {
		w.parts = append(w.parts, partState{})
	}
	w.parts[i] = partState{}
	return it, nil
}

// item returns part i as the Stage knows it. The number of parts, and with it the
// width of the number in the name, need not be known yet.
func (w *Writer) item(i int, sum string) Item {
	return Item{Key: partKey(w.opt.Prefix, i), Name: PartName(w.opt.Prefix, i, max(w.count, i+1)), Sure: w.count > 0, Sum: sum}
}

// partKey returns the key of part i.
func partKey(prefix string, i int) string { return prefix + partInfix + strconv.Itoa(i) }

// Commit makes the bundle appear: all parts from 0 to the last must be made. It
// fills in what of m follows from them (Schema, Prefix, Image.Size, PartSize,
// Parts). ctx is heeded until files begin to get their names.
//
// On an error everything is removed as by Abort and an older bundle is as it
// was. The one exception is an error that wraps *LeftoverError.
func (w *Writer) Commit(ctx context.Context, m *Manifest) error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return fail("commit", w.opt.Prefix, cause("the bundle was aborted"))
	}
	w.closed = true
	items, err := w.items(m)
	w.mu.Unlock()
	defer w.bufs.Drop()
	if err != nil {
		if aerr := w.stage.Abort(); aerr != nil {
			err = &UncleanError{Err: err, Left: aerr}
		}
		return err
	}
	return w.stage.Publish(ctx, items)
}

// items completes the manifest and lists all files of the bundle.
func (w *Writer) items(m *Manifest) ([]Item, error) {
	n := len(w.parts)
	digests := make([]string, n)
	for i, p := range w.parts {
		if !p.whole {
			return nil, fail("commit", PartName(w.opt.Prefix, i, max(w.count, n)), cause("was never made"))
		}
		digests[i] = p.sum
	}
	if w.count > 0 && w.count != n {
		return nil, fail("commit", w.opt.Prefix, fmt.Errorf("%d parts made of %d", n, w.count))
	}
	if err := m.Describe(w.opt.Prefix, digests); err != nil {
		return nil, fail("commit", ManifestName(w.opt.Prefix), err)
	}
	text, sums, err := m.Texts()
	if err != nil {
		return nil, fail("write", ManifestName(w.opt.Prefix), err)
	}
	items := make([]Item, 0, n+2)
	for i, p := range m.Parts {
		items = append(items, Item{Key: partKey(w.opt.Prefix, i), Name: p.Name, Sure: true, Sum: p.SHA256})
	}
	return append(items, Item{Name: SumsName(w.opt.Prefix), Text: sums}, Item{Name: ManifestName(w.opt.Prefix), Text: text}), nil
}

// Abort stops a Write that is going on and removes all that w made. An older
// bundle stays as it was. After Commit or Abort it does nothing.
func (w *Writer) Abort() error {
	w.mu.Lock()
	done := w.closed
	w.closed = true
	w.mu.Unlock()
	if done {
		return nil
	}
	defer w.bufs.Drop()
	return w.stage.Abort()
}

// Stats says what was made so far.
func (w *Writer) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	for _, p := range w.parts {
		if p.whole {
			s.Parts++
		}
		if p.whole && p.zero {
			s.ZeroParts++
		}
		if p.whole && p.taken {
			s.Taken++
		}
	}
	return s
}

// Held returns a path that leads to the directory of the bundle whatever becomes of its
// name, as long as w is not through; "" if it is in no directory of this machine.
func (w *Writer) Held() string {
	s, ok := w.stage.(*dir.Stage)
	if !ok {
		return ""
	}
	return s.Dir().Held()
}

// Open opens part i for reading, before any Commit. Only for a directory.
func (w *Writer) Open(i int) (*os.File, error) {
	s, ok := w.stage.(*dir.Stage)
	if !ok {
		return nil, fail("read", w.opt.Prefix, errors.ErrUnsupported)
	}
	w.mu.Lock()
	it := w.item(i, "")
	w.mu.Unlock()
	return s.Open(it)
}

// Drop removes part i. It can be made again; Commit fails without it.
func (w *Writer) Drop(i int) error {
	s, ok := w.stage.(*dir.Stage)
	if !ok {
		return fail("remove", w.opt.Prefix, errors.ErrUnsupported)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || i < 0 || i >= len(w.parts) {
		return nil
	}
	w.parts[i] = partState{}
	return s.Drop(w.item(i, ""))
}

// digest returns the SHA-256 of p as the manifest spells it.
func digest(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}
