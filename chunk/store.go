package chunk

import "context"

// Store is where the files of a bundle are, for reading: a directory on this
// machine or S3. It is safe for concurrent use.
type Store interface {
	// Path is what a file is called in messages.
	Path(name string) string
	// Names lists the files whose names begin with prefix, in byte order.
	Names(ctx context.Context, prefix string) ([]string, error)
	// Get reads a small file, the first limit bytes of it if it is longer. One
	// that is not there is fs.ErrNotExist.
	Get(ctx context.Context, name string, limit int64) ([]byte, error)
	// Check reads a part and compares its digest. A part that is not what p says
	// gives an error that wraps ErrDamaged.
	Check(ctx context.Context, p Part) error
	// Read fills buf from a part, at this offset within it; both ends lie within
	// the part. It never gives bytes of a part whose digest is not that of p.
	Read(ctx context.Context, p Part, buf []byte, off int64) error
	Close() error
}

// Damaged is the error for a file of a bundle that is not what the manifest says.
func Damaged(path string, err error) error {
	return &Error{Op: "verify", Path: path, Err: &damage{err},
		Hint: "get this part again from where the bundle was made"}
}

// damage is a cause that is also ErrDamaged.
type damage struct{ err error }

func (d *damage) Error() string   { return d.err.Error() }
func (d *damage) Unwrap() []error { return []error{d.err, ErrDamaged} }
