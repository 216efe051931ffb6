package chunk

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A bundle can be made into another form without the disk for both: its parts
// are read in order, and each is dropped once it has been read.

// Part opens part i as Write or WriteZero made it, before any Commit.
func (w *Writer) Part(i int) (*os.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || i < 0 || i >= len(w.parts) || !w.parts[i].whole {
		return nil, fail("read", w.partPathLocked(i), cause("was never made"))
	}
	f, err := w.dir.open(partTemp(w.prefix, i), unix.O_RDONLY, 0)
	return f, renamed(err, w.partPathLocked(i))
}

// Drop removes part i. It can be made again; Commit fails without it.
func (w *Writer) Drop(i int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || i < 0 || i >= len(w.parts) || !w.parts[i].whole {
		return nil
	}
	w.parts[i] = partState{}
	return w.dir.remove(partTemp(w.prefix, i))
}

func (w *Writer) partPathLocked(i int) string {
	return w.dir.join(PartName(w.prefix, i, max(w.count, i+1)))
}

// Dismantle locks the directory and removes manifest and digests: what is left
// is no bundle any more. Drop then takes its parts away. What was read and
// checked before can still be read. Only for a bundle in a directory.
func (b *Bundle) Dismantle() error {
	if b.disk == nil {
		return &Error{Op: "remove", Path: b.Path(), Err: errors.ErrUnsupported}
	}
	d := b.disk.dir
	if err := d.writable(); err != nil {
		return err
	}
	if err := d.lock(); err != nil {
		return err
	}
	return errors.Join(d.remove(ManifestName(b.manifest.Prefix)), d.remove(SumsName(b.manifest.Prefix)))
}

// Drop removes part i from disk, after Dismantle.
func (b *Bundle) Drop(i int) error {
	if b.disk == nil || i < 0 || i >= len(b.manifest.Parts) {
		return fmt.Errorf("drop part %d of %d", i, len(b.manifest.Parts))
	}
	name := b.manifest.Parts[i].Name
	b.disk.files.forget(name)
	return b.disk.dir.remove(name)
}
