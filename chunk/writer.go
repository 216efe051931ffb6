package chunk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"purebundle/chunk/work"
)

// Writer makes one bundle: Create, Preflight, Write and WriteZero until every
// part is made, Commit; Abort at any time. It holds a lock on the directory
// from Create until Commit or Abort, so nothing else of this package writes there.
//
// Until Commit all parts have temporary names (dot files). What a crash at any
// moment, power loss included, can leave under the final names is
//
//   - before Commit moves files: what was there before, nothing or the older
//     bundle, whole;
//   - while it moves them, which is renames and three syncs of the directory:
//     no manifest, and so no bundle; the next Create puts back what was there
//     before, nothing or the older bundle;
//   - after: the new bundle, whole.
//
// An error, as opposed to a crash, in the middle is undone on the spot.
type Writer struct {
	dir     *dir
	made    []string // directories made by Create, deepest first
	prefix  string
	force   bool
	workers int
	bufs    work.Buffers

	mu     sync.Mutex
	closed bool
	count  int   // of parts, once Preflight said it; else 0
	need   int64 // bytes, once Preflight said it; else 0
	parts  []partState
	stats  Stats
}

// partState is what is known of one part.
type partState struct {
	begun bool // there is a file
	whole bool // it is complete
	zero  bool
	sum   string // its digest
}

// Stats is what a Writer has made so far.
type Stats struct {
	Parts     int   // made, the all-zero ones included
	ZeroParts int   // all zero: files without a block
	Bytes     int64 // written, zeros not counted; what was written twice counts twice
}

// Preflight tells the Writer how many parts there will be and how many bytes of
// them are not zero, and fails with a *SpaceError where there is no room for them.
func (w *Writer) Preflight(parts int, need int64) error {
	w.mu.Lock()
	w.count, w.need = parts, need
	w.mu.Unlock()
	return w.dir.room(parts+2, need)
}

// Write makes the parts with these numbers from img, which is read with ReadAt
// from several goroutines, one whole part at a time. A part that was made before
// is made again. done, if not nil, is called after each part, never twice at once.
//
// When ctx is done, Write returns within a fraction of a second. A ReadAt of img
// that does not return for longer than that is then left behind.
func (w *Writer) Write(ctx context.Context, img io.ReaderAt, parts []int, done func(part int)) error {
	t := work.Teller{Fn: done}
	return work.Each(ctx, crew(w.workers), parts, func(ctx context.Context, i int) error {
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
		if err := w.store(i, buf); err != nil {
			return err
		}
		t.Tell(ctx, i)
		return nil
	})
}

// WriteZero makes parts that are all zero: they take no room but a name. done
// is as for Write. One goroutine makes them all: the kernel adds names to a
// directory one by one.
func (w *Writer) WriteZero(ctx context.Context, parts []int, done func(part int)) error {
	t := work.Teller{Fn: done}
	return work.Each(ctx, crew(1), parts, func(ctx context.Context, i int) error {
		if err := w.store(i, nil); err != nil {
			return err
		}
		t.Tell(ctx, i)
		return nil
	})
}

// store makes part i of these bytes, or of zeros where p is empty.
func (w *Writer) store(i int, p []byte) (err error) {
	sum, runs := zeroSum, nonZero(p)
	if len(runs) > 0 {
		sum = hexSum(sha256.Sum256(p))
	}
	fd, err := w.begin(i)
	if err != nil {
		return err
	}
	written, err := fill(fd, p, runs)
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	if err != nil {
		return w.writeError("write", i, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts[i] = partState{begun: true, whole: true, zero: len(runs) == 0, sum: sum}
	w.stats.Bytes += written
	return nil
}

// begin opens an empty file for part i, under the lock that Abort takes: a
// worker that a cancelled run left behind cannot make a file after it.
func (w *Writer) begin(i int) (fd int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return -1, fail("write", w.partPath(i), os.ErrClosed)
	}
	if i < 0 || (w.count > 0 && i >= w.count) {
		return -1, fail("write", w.partPath(i), fmt.Errorf("part number out of range: %d of %d", i, w.count))
	}
	for len(w.parts) <= i {
		w.parts = append(w.parts, partState{})
	}
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL
	if w.parts[i].begun {
		flags = unix.O_WRONLY | unix.O_TRUNC
	}
	if fd, err = w.dir.openFD(partTemp(w.prefix, i), flags, 0o600); err != nil {
		return -1, w.writeErrorLocked("create", i, err)
	}
	w.parts[i] = partState{begun: true}
	return fd, nil
}

// partPath is the name that part i will have, for messages.
func (w *Writer) partPath(i int) string {
	return w.dir.join(PartName(w.prefix, i, max(w.count, i+1)))
}

func (w *Writer) writeError(op string, i int, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writeErrorLocked(op, i, err)
}

// writeErrorLocked is an error with a part, with the numbers that explain it.
func (w *Writer) writeErrorLocked(op string, i int, err error) error {
	return w.explain(renamed(fail(op, w.partPath(i), err), w.partPath(i)))
}

// explain adds to an error of the output what only the Writer knows.
func (w *Writer) explain(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case errors.Is(e.Err, unix.EDQUOT):
		return &Error{Op: e.Op, Path: e.Path, Err: e.Err,
			Hint: w.progressText() + ": make room within the quota or choose another directory"}
	case errors.Is(e.Err, unix.ENOSPC):
		text := w.progressText()
		if free, err := w.dir.free(); err == nil {
			text += fmt.Sprintf(", %s free in %s", bytesText(free), w.dir.path)
		}
		return &Error{Op: e.Op, Path: e.Path, Err: e.Err, Hint: text + ": make room or choose another directory"}
	case errors.Is(e.Err, unix.ENOENT):
		return &Error{Op: e.Op, Path: e.Path, Err: e.Err,
			Hint: "the directory, or files in it, were removed during the run: run it again"}
	}
	return err
}

// progressText is how far the run came, in bytes.
func (w *Writer) progressText() string {
	if w.need == 0 {
		return bytesText(w.stats.Bytes) + " written"
	}
	return fmt.Sprintf("%s written of %s", bytesText(w.stats.Bytes), bytesText(w.need))
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
	}
	return s
}
