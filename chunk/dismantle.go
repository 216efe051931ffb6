package chunk

import (
	"errors"
	"fmt"
)

// A bundle can be made into another form without the disk for both: its parts
// are read in order, and each is dropped once it has been read.

// Dismantle locks the directory and removes manifest and digests: what stays is
// no bundle any more. Drop then takes its parts away. What was read and checked
// before can still be read. Only for a bundle in a directory.
func (b *Bundle) Dismantle() error {
	if b.disk == nil {
		return &Error{Op: "remove", Path: b.Path(), Err: errors.ErrUnsupported}
	}
	d := b.disk.dir
	if err := d.Writable(); err != nil {
		return err
	}
	if err := d.Lock(); err != nil {
		return err
	}
	return errors.Join(d.Remove(ManifestName(b.manifest.Prefix)), d.Remove(SumsName(b.manifest.Prefix)))
}

// Drop removes part i from disk, after Dismantle.
func (b *Bundle) Drop(i int) error {
	if b.disk == nil || i < 0 || i >= len(b.manifest.Parts) {
		return fmt.Errorf("drop part %d of %d", i, len(b.manifest.Parts))
	}
	name := b.manifest.Parts[i].Name
	b.disk.files.forget(name)
	return b.disk.dir.Remove(name)
}
