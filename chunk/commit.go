package chunk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"purebundle/chunk/work"
)

// syncers is how many parts are synced at once. Each sync may wait for the
// device to empty its cache; devices do that for many at the price of one.
const syncers = 16

// manyZeros is how many all-zero parts are synced one by one. More of them are
// synced with their whole file system (syncfs(2)), which may have to wait for
// what others wrote there, but not for the device once a file: 10,000 files took
// 1.5 s one by one.
const manyZeros = 100

// Commit makes the bundle appear: all parts from 0 to the last must be made. It
// fills in what of m follows from them (Schema, Prefix, Image.Size, PartSize,
// Parts). ctx is heeded until files begin to get their names.
//
// On an error everything is removed as by Abort and an older bundle is as it
// was. The one exception is an error that wraps *LeftoverError.
func (w *Writer) Commit(ctx context.Context, m *Manifest) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return fail("commit", w.dir.path, cause("the bundle was aborted"))
	}
	if err := w.prepare(ctx, m); err != nil {
		err = w.explain(err)
		if aerr := w.discard(); aerr != nil {
			err = fmt.Errorf("%w; then %w", err, aerr)
		}
		return err
	}
	err := w.install(len(w.parts))
	if err != nil {
		return err
	}
	w.close()
	return nil
}

// LeftoverError says that the new bundle is in place and whole, but that files
// of the one it replaced could not be removed. The next Create tries again.
type LeftoverError struct{ Err error }

func (e *LeftoverError) Error() string {
	return "bundle complete, but the older one is not all gone: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *LeftoverError) Unwrap() error { return e.Err }

// prepare makes all that the bundle needs, durable, under temporary names.
func (w *Writer) prepare(ctx context.Context, m *Manifest) error {
	if err := w.describe(m); err != nil {
		return err
	}
	text, err := m.encode()
	if err != nil {
		return fail("write", w.dir.join(ManifestName(w.prefix)), err)
	}
	if err := w.syncParts(ctx); err != nil {
		return err
	}
	sums := SumsName(w.prefix)
	if err := w.dir.create(tempName(sums), sums, sumsText(m.Parts)); err != nil {
		return err
	}
	manifest := ManifestName(w.prefix)
	if err := w.dir.create(tempName(manifest), manifest, text); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// syncParts makes all parts last through a power loss. The writing to the device
// was begun, or done, by Write: these syncs have little to wait for.
func (w *Writer) syncParts(ctx context.Context) error {
	var alone []int // to be synced one by one
	zeros := 0
	for i, p := range w.parts {
		if p.zero {
			zeros++
		} else {
			alone = append(alone, i)
		}
	}
	if zeros > manyZeros && w.dir.fault == nil {
		if err := unix.Syncfs(w.dir.fd()); err != nil {
			return fail("sync", w.dir.path, err)
		}
	} else {
		alone = numbers(len(w.parts))
	}
	return work.Each(ctx, crew(syncers), alone, func(_ context.Context, i int) error {
		f, err := w.dir.open(partTemp(w.prefix, i), unix.O_RDONLY, 0)
		if err != nil {
			return renamed(err, w.partPath(i))
		}
		defer f.Close()
		return fail("sync", w.partPath(i), f.Sync())
	})
}

// describe completes the manifest with the parts.
func (w *Writer) describe(m *Manifest) error {
	n := len(w.parts)
	w.count = max(w.count, n)
	m.Schema, m.Prefix, m.PartSize = Schema, w.prefix, Size
	m.Image.Size = int64(n) * Size
	m.Parts = make([]Part, n)
	for i, p := range w.parts {
		if !p.whole {
			return fail("commit", w.partPath(i), cause("was never made"))
		}
		m.Parts[i] = Part{Name: PartName(w.prefix, i, n), Size: Size, SHA256: p.sum}
	}
	if w.count != n {
		return fail("commit", w.dir.path, fmt.Errorf("%d parts made of %d", n, w.count))
	}
	return fail("commit", w.dir.join(ManifestName(w.prefix)), m.check())
}

// sumsText is the file that sha256sum -c reads. CheckPrefix lets no name pass
// that would need its escapes.
func sumsText(parts []Part) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		fmt.Fprintf(&b, "%s  %s\n", p.SHA256, p.Name)
	}
	return b.Bytes()
}

// install moves the files into place. See journal for the order.
func (w *Writer) install(n int) error {
	old, err := w.present() // again: hours may have passed
	if err == nil {
		err = writeJournal(w.dir, w.prefix, old)
	}
	if err == nil {
		err = w.swap(n, old)
	}
	if err != nil {
		return w.rollBack(old, w.explain(err))
	}
	if err := finish(w.dir, w.prefix, old); err != nil {
		w.close()
		return &LeftoverError{Err: err}
	}
	return nil
}

// swap moves the old files away and the new ones in. After it the new bundle
// is there to stay.
func (w *Writer) swap(n int, old []string) error {
	manifest, sums := ManifestName(w.prefix), SumsName(w.prefix)
	if slices.Contains(old, manifest) {
		if err := w.dir.rename(manifest, backupName(manifest)); err != nil {
			return err
		}
		if err := w.dir.sync(); err != nil {
			return err
		}
	}
	for _, name := range old {
		if name == manifest {
			continue
		}
		if err := w.dir.rename(name, backupName(name)); err != nil {
			return err
		}
	}
	if len(old) > 0 {
		if err := w.dir.sync(); err != nil {
			return err
		}
	}
	for i := range n {
		if err := w.dir.rename(partTemp(w.prefix, i), PartName(w.prefix, i, n)); err != nil {
			return err
		}
	}
	if err := w.dir.rename(tempName(sums), sums); err != nil {
		return err
	}
	if err := w.dir.sync(); err != nil {
		return err
	}
	if err := w.dir.rename(tempName(manifest), manifest); err != nil {
		return err
	}
	return w.dir.sync()
}

// rollBack undoes an install that failed with err.
func (w *Writer) rollBack(old []string, err error) error {
	begun, uerr := w.dir.exists(journalName(w.prefix))
	if uerr == nil && begun {
		uerr = undo(w.dir, w.prefix, old)
	}
	if uerr != nil {
		// What is left is for the next Create: the journal and the backups stay.
		todo := "the next run on this directory puts back what was there"
		if e, ok := errors.AsType[*Error](err); ok && e.Hint != "" {
			todo = e.Hint + "; " + todo
		}
		err = &Error{Op: "undo", Path: w.dir.path, Err: fmt.Errorf("%w (after: %w)", uerr, err), Hint: todo}
		w.close()
		return err
	}
	if aerr := w.discard(); aerr != nil {
		err = fmt.Errorf("%w; then %w", err, aerr)
	}
	return err
}
