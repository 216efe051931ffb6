package chunk

import (
	"context"
	"io"
)

// Options of Create; the zero value but for Prefix is what most want.
type Options struct {
	Prefix  string // see CheckPrefix
	Force   bool   // replace a bundle of that prefix, once the new one is whole
	Workers int    // parts made at once, each with a buffer of Size bytes; 0: one a processor
}

// Writer makes one bundle.
type Writer struct{}

// Stats is what a Writer has made so far.
type Stats struct {
	Parts     int   // made, the all-zero ones included
	ZeroParts int   // all zero: files without a block
	Bytes     int64 // written, zeros not counted
}

// Create opens dir for a new bundle.
func Create(dir string, opt Options) (*Writer, error) { return nil, errString("not yet") }

// Preflight fails with a *SpaceError where dir has no room for need bytes in
// parts parts.
func (w *Writer) Preflight(parts int, need int64) error { return nil }

// Write makes the parts with these numbers from img. done, if not nil, is called
// after each, never twice at once.
func (w *Writer) Write(ctx context.Context, img io.ReaderAt, parts []int, done func(part int)) error {
	return nil
}

// WriteZero makes parts that are all zero.
func (w *Writer) WriteZero(ctx context.Context, parts []int, done func(part int)) error { return nil }

// Stats says what was made so far.
func (w *Writer) Stats() Stats { return Stats{} }

// Commit makes the bundle appear.
func (w *Writer) Commit(ctx context.Context, m *Manifest) error { return nil }

// Abort removes all that w made. After Commit or Abort it does nothing.
func (w *Writer) Abort() error { return nil }

// SpaceError says that a bundle cannot fit.
type SpaceError struct {
	Dir        string
	Need, Have int64 // bytes
}

func (e *SpaceError) Error() string { return e.Dir + ": no room" }
