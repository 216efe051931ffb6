package chunk

import (
	"context"
	"crypto"
	_ "crypto/sha1"   // Digest may name it
	_ "crypto/sha256" // and this one
	"errors"
	"hash"
	"path/filepath"

	"purebundle/chunk/dir"
)

// Place is where the files of bundles are, for reading: a directory of this
// machine, or of a bucket. It is safe for concurrent use.
type Place interface {
	// Path returns what a file is called in messages.
	Path(name string) string
	// Names lists the files whose names begin with prefix, in byte order.
	Names(ctx context.Context, prefix string) ([]string, error)
	// Get reads a small file, the first limit bytes of it if it is longer. One
	// that is not there is fs.ErrNotExist.
	Get(ctx context.Context, name string, limit int64) ([]byte, error)
	// Check reads a file and compares its digest. One that is not what f says
	// gives an error that wraps ErrDamaged.
	Check(ctx context.Context, f File) error
	// Read fills buf from a file, at this offset within it; both ends lie within
	// the file. It never gives bytes of a file whose digest is not that of f.
	Read(ctx context.Context, f File, buf []byte, off int64) error
	Close() error
}

// Maker is a place in which bundles are made.
type Maker interface {
	// Begin begins a group of files. It refuses with ErrExists if there are files
	// of the group, unless set.Force.
	Begin(ctx context.Context, set Set) (Stage, error)
}

// Set says which files of a place are one group: those of a bundle.
type Set struct {
	Prefix string
	Last   string // the manifest: last to come, first to go
	// Taken says whether a name that is there belongs to the bundle, and so has to
	// give way. An error is why that cannot be, such as that it never was a part.
	Taken func(name string) (bool, error)
	Force bool // replace the older bundle, once the new one is whole
	// Resume, if not nil, is the manifest of the new bundle: what is there of that
	// very bundle is kept, items get their names at once, and what was made stays
	// if the run fails, so that another one goes on from there. Only places that
	// can keep items know it (Keeper).
	Resume []byte
	// GoOn does the same for a bundle whose manifest is not known yet: what is there of
	// one without a manifest is kept as far as its digests are those of the new one, and
	// what was made stays if the run fails. A whole bundle is replaced as without it.
	GoOn bool
}

// Look returns what Taken does, with errors that say which file they are about: path.
func (s Set) Look(name, path string) (bool, error) {
	if s.Taken == nil {
		return false, nil
	}
	taken, err := s.Taken(name)
	if err == nil {
		return taken, nil
	}
	e := &Error{Op: "replace", Path: path, Err: err, Hint: "move it away or choose another prefix"}
	if known, ok := errors.AsType[*Error](err); ok {
		e.Err, e.Hint = known.Err, known.Hint
	}
	return taken, e
}

// RawSet returns the files of a raw bundle.
func RawSet(prefix string) (Set, error) {
	taken := func(name string) (bool, error) {
		switch {
		case name == prefix+".manifest.xml":
			return false, &Error{Err: cause("is no part of a bundle of this format but of one in Amazon's format, with the same names of parts"),
				Hint: "choose another prefix or directory, or delete that bundle as one of its format"}
		case belongs(prefix, name) && !isFinal(prefix, name):
			return true, dir.ErrStranger
		}
		return belongs(prefix, name), nil
	}
	return Set{Prefix: prefix, Last: ManifestName(prefix), Taken: taken}, CheckPrefix(prefix)
}

// Item is one file of a Stage.
type Item = dir.Item

// Stage is a group of files that appear in a place together. It is safe for
// concurrent use, but for Publish.
type Stage interface {
	// Room fails with a *SpaceError if there is no room for so many files with so
	// many bytes in them that are not zero.
	Room(files int, need int64) error
	// Put makes an item with the content p. One that was made before is made
	// again. It returns how many bytes were written or sent.
	Put(ctx context.Context, it Item, p []byte) (moved int64, err error)
	// Zero makes an item of size zero bytes.
	Zero(ctx context.Context, it Item, size int64) (moved int64, err error)
	// Publish makes the items appear, the last one last, and ends the stage. On an
	// error all is as it was before Begin, or the error says otherwise.
	Publish(ctx context.Context, items []Item) error
	// Abort removes all that was made. After Publish or Abort it does nothing.
	Abort() error
}

// Keeper is a Stage that knows what its place has already.
type Keeper interface {
	Stage
	// Keep says whether the place has the item under its name, with its digest. If
	// so, it is made: nothing need be sent.
	Keep(ctx context.Context, it Item) (bool, error)
}

// File is what a manifest says of a file.
type File struct {
	Name   string
	Size   int64 // bytes
	Digest Digest
}

// Digest is the digest of a file.
type Digest struct {
	Hash crypto.Hash // SHA-256 or SHA-1
	Hex  string      // lower case
}

// New returns the hash that computes the digest.
func (d Digest) New() hash.Hash { return d.Hash.New() }

// Name spells the hash for messages, such as "SHA-256".
func (d Digest) Name() string { return d.Hash.String() }

// File returns what the manifest says of a part.
func (p Part) File() File {
	return File{Name: p.Name, Size: p.Size, Digest: Digest{crypto.SHA256, p.SHA256}}
}

// Zero says whether a part is all zero, by its digest.
func (p Part) Zero() bool { return p.SHA256 == ZeroSum }

// Zero says whether a file is one part that is all zero, by its digest.
func (f File) Zero() bool { return f.Digest.Hash == crypto.SHA256 && f.Digest.Hex == ZeroSum }

// ZeroSum is the digest of Size zero bytes (head -c 10485760 /dev/zero | sha256sum).
const ZeroSum = "e5b844cc57f57094ea4585e235f36c78c1cd222262bb89d53c94dcb4d6b3e55d"

// Split sorts the parts into those with something in them and those that are all
// zero, by their digests.
func (m *Manifest) Split() (data, zero []int) {
	for i, p := range m.Parts {
		if p.Zero() {
			zero = append(zero, i)
		} else {
			data = append(data, i)
		}
	}
	return data, zero
}

// Directory is the Maker of a directory of this machine. It is made if it is
// missing, with mode 0700; what killed runs left there, of any bundle, is put right first.
type Directory struct {
	Path    string
	Trusted bool // others than root and the user of this process may be able to change it
}

// Begin begins a group of files.
func (d Directory) Begin(_ context.Context, set Set) (Stage, error) {
	taken := func(name string) (bool, error) { return set.Look(name, filepath.Join(d.Path, name)) }
	s, err := dir.Begin(d.Path, dir.Options{Group: set.Prefix, Last: set.Last, Taken: taken, Force: set.Force, Trusted: d.Trusted})
	if err != nil {
		return nil, err // not s: an interface that holds nil is not nil
	}
	return s, nil
}
