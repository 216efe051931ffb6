package s3

import (
	"context"
	"io"

	"purebundle/chunk"
)

// Writer makes one bundle in S3, as chunk.Writer does in a directory.
type Writer struct{}

// Preflight tells the Writer how many parts there will be. need is not heeded.
func (w *Writer) Preflight(parts int, need int64) error { return errNotYet }

// Write makes parts from img; see chunk.Writer.
func (w *Writer) Write(ctx context.Context, img io.ReaderAt, parts []int, done func(part int)) error {
	return errNotYet
}

// WriteZero makes parts that are all zero.
func (w *Writer) WriteZero(ctx context.Context, parts []int, done func(part int)) error {
	return errNotYet
}

// Commit makes the bundle appear.
func (w *Writer) Commit(ctx context.Context, m *chunk.Manifest) error { return errNotYet }

// Abort removes all that w put. After Commit or Abort it does nothing.
func (w *Writer) Abort() error { return nil }

// Stats says what was made so far.
func (w *Writer) Stats() chunk.Stats { return chunk.Stats{} }
