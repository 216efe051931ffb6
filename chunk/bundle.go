package chunk

import "context"

// Bundle is a bundle opened for reading. It is safe for concurrent use.
type Bundle struct{}

// Load opens the bundle at path: a manifest file, or a directory that has the
// manifest of prefix or, with prefix "", exactly one manifest.
func Load(path, prefix string) (*Bundle, error) { return nil, errString("not yet") }

// Manifest is the manifest as read. Do not change it.
func (b *Bundle) Manifest() *Manifest { return nil }

// Size is the length of the image in bytes.
func (b *Bundle) Size() int64 { return 0 }

// ReadAt reads from the image; each part's digest is checked when it is first touched.
func (b *Bundle) ReadAt(p []byte, off int64) (int, error) { return 0, nil }

// Verify checks the digest of every part and reports all that is wrong with the
// bundle, joined (errors.Join), in the order of the parts. workers 0: one a processor.
func (b *Bundle) Verify(ctx context.Context, workers int, done func(part int)) error { return nil }

// JoinOptions of Join; the zero value is what most want.
type JoinOptions struct {
	Force   bool           // replace an existing file, or write to a block device
	Workers int            // 0: one a processor
	Done    func(part int) // if not nil, called after each part, never twice at once
}

// Join writes the image to the file or block device dst, checking digests on the way.
func (b *Bundle) Join(ctx context.Context, dst string, opt JoinOptions) error { return nil }

// Close closes the files that b has open.
func (b *Bundle) Close() error { return nil }
