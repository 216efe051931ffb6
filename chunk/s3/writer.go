package s3

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"purebundle/chunk"
	"purebundle/chunk/work"
)

// Writer makes one bundle in S3, as chunk.Writer does in a directory: Create,
// Preflight, Write and WriteZero until every part is made, Commit; Abort at any
// time.
//
// Where nothing was, parts get their names at once and the manifest comes last.
// Where a bundle is being replaced, parts that it has already stay as they are
// and the others get temporary names, so that the older bundle is whole until
// Commit, which removes its manifest, copies the new parts into place within S3,
// and puts the new manifest. A run that dies before Commit leaves the older
// bundle; one that dies within those copies leaves no bundle.
type Writer struct {
	s        *Store
	prefix   string
	acked    func(int64)
	replaces bool
	old      map[string]string // digests of the parts that are there, by name
	bufs     work.Buffers
	zero     zeros
	life     context.Context // until Abort
	kill     context.CancelCauseFunc
	busy     sync.WaitGroup // parts that are being made

	mu     sync.Mutex
	closed bool
	parts  []partState     // of Preflight
	begun  map[string]bool // objects that this run has made or may have made
	unsure bool            // one may come about later
	stats  chunk.Stats
}

// partState is what is known of one part.
type partState struct {
	at   string // the object that has it; "" while there is none
	etag string // of that
	sum  string // its digest
}

// Preflight tells the Writer how many parts there will be; Write needs to know.
// The room that they need is not looked at: S3 has it.
func (w *Writer) Preflight(parts int, need int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if parts <= 0 || parts < len(w.parts) {
		return &chunk.Error{Op: "create", Path: w.s.loc.Path(w.prefix), Err: fmt.Errorf("%d parts", parts)}
	}
	w.parts = append(w.parts, make([]partState, parts-len(w.parts))...)
	return nil
}

// Write makes the parts with these numbers from img, which is read with ReadAt
// from several goroutines, one whole part at a time. A part that was made before
// is made again. done, if not nil, is called after each part that S3 has, never
// twice at once.
//
// When ctx is done, Write returns within a fraction of a second. A ReadAt of img
// that does not return for longer than that is then left behind.
func (w *Writer) Write(ctx context.Context, img io.ReaderAt, parts []int, done func(part int)) error {
	t := work.Teller{Fn: done}
	return work.Each(ctx, crew(w.s.opt.Workers), parts, func(ctx context.Context, i int) error {
		buf, err := w.bufs.Get(chunk.Size)
		if err != nil {
			return err
		}
		defer w.bufs.Put(buf)
		n, err := img.ReadAt(buf, int64(i)*chunk.Size)
		switch {
		case err != nil && err != io.EOF:
			return err
		case n < chunk.Size:
			return fmt.Errorf("read image: part %d has %d bytes: %w", i, n, io.ErrUnexpectedEOF)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.store(ctx, i, buf, digest(buf)); err != nil {
			return err
		}
		t.Tell(ctx, i)
		return nil
	})
}

// WriteZero makes parts that are all zero. The first is sent, the others are
// copied within S3. done is as for Write.
func (w *Writer) WriteZero(ctx context.Context, parts []int, done func(part int)) error {
	t := work.Teller{Fn: done}
	return work.Each(ctx, crew(smallWorkers), parts, func(ctx context.Context, i int) error {
		if err := w.store(ctx, i, nil, chunk.ZeroSum); err != nil {
			return err
		}
		t.Tell(ctx, i)
		return nil
	})
}

// store makes part i, with this content and digest.
func (w *Writer) store(ctx context.Context, i int, p []byte, sum string) error {
	name, err := w.enter(i)
	if err != nil {
		return err
	}
	defer w.busy.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(w.life, func() { cancel(context.Cause(w.life)) })()
	if w.old[name] == sum {
		o, same, err := w.s.matches(ctx, name, sum)
		if err != nil {
			return err
		}
		if same {
			w.made(i, partState{at: name, etag: o.ETag, sum: sum}, 0)
			return nil
		}
	}
	var sent int64
	at, etag := name, ""
	switch {
	case sum == chunk.ZeroSum && w.replaces:
		at = chunk.TempName(zeroName(w.prefix)) // one for all, copied by Commit
		etag, sent, err = w.zero.only(ctx, w, at)
	case sum == chunk.ZeroSum:
		etag, sent, err = w.zero.make(ctx, w, at)
	default:
		if w.replaces {
			at = chunk.TempName(name)
		}
		w.zero.lose(at)
		etag, sent, err = w.put(ctx, at, p, sum)
	}
	if err != nil {
		return err
	}
	w.made(i, partState{at, etag, sum}, sent)
	return nil
}

// enter begins part i, unless the run is over, and returns its name.
func (w *Writer) enter(i int) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return "", w.over()
	case i < 0 || i >= len(w.parts):
		return "", &chunk.Error{Op: "write", Path: w.s.loc.Path(w.prefix), Err: fmt.Errorf("part number out of range: %d of %d", i, len(w.parts))}
	}
	w.parts[i] = partState{}
	w.busy.Add(1)
	return chunk.PartName(w.prefix, i, len(w.parts)), nil
}

// over is the error of a Writer that was closed.
func (w *Writer) over() error {
	return &chunk.Error{Op: "write", Path: w.s.loc.Path(w.prefix), Err: os.ErrClosed}
}

// begin notes that there may be an object soon.
func (w *Writer) begin(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun[name] = true
}

func (w *Writer) made(i int, p partState, sent int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts[i] = p
	w.stats.Bytes += sent
}

// put and copy are those of the Store; what they make is removed by Abort.

func (w *Writer) put(ctx context.Context, name string, p []byte, sum string) (etag string, sent int64, err error) {
	w.begin(name)
	etag, unsure, err := w.s.put(ctx, name, p, chunk.Size, sum)
	w.doubt(unsure)
	if err == nil && w.acked != nil {
		w.acked(chunk.Size)
	}
	return etag, chunk.Size, err
}

func (w *Writer) doubt(unsure bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsure = w.unsure || unsure
}

func (w *Writer) copy(ctx context.Context, from, was, to string) (string, error) {
	w.begin(to)
	etag, err := w.s.copy(ctx, from, was, to)
	w.doubt(err != nil)
	return etag, err
}

// Stats says what was made so far. Parts that were there already count as made;
// Bytes is what was sent.
func (w *Writer) Stats() chunk.Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := w.stats
	for _, p := range w.parts {
		if p.at != "" {
			st.Parts++
		}
		if p.sum == chunk.ZeroSum {
			st.ZeroParts++
		}
	}
	return st
}
