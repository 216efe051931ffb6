package s3

import (
	"context"

	"purebundle/chunk"
	"purebundle/chunk/work"
)

// Load opens a bundle; prefix may be "" if there is only one in the directory.
// Reads of it end when ctx is done.
func (s *Store) Load(ctx context.Context, prefix string) (*chunk.Bundle, error) {
	return chunk.Open(ctx, s.Place(), prefix, s.opt.Workers)
}

// Place returns the directory for reading.
func (s *Store) Place() chunk.Place {
	return &reader{store: s, cache: work.Recent[string, work.Pages]{Most: maxCached}}
}

// reader is the chunk.Place of a directory in S3.
type reader struct {
	store *Store
	cache work.Recent[string, work.Pages] // parts by name
	bufs  work.Buffers                    // of chunk.Size bytes, for those on their way
}

func (r *reader) Path(name string) string { return r.store.loc.Path(name) }

func (r *reader) Names(ctx context.Context, prefix string) ([]string, error) {
	objects, err := r.store.list(ctx, prefix)
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = o.Name
	}
	return names, err
}

func (r *reader) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	p, _, err := r.store.get(ctx, name, limit)
	return p, err
}

// Check fetches a file. Of one that is all zero by its digest it is enough that S3 has
// that digest of the object: a hundred GiB of them need not be moved.
func (r *reader) Check(ctx context.Context, f chunk.File) error {
	if f.Zero() {
		if o, err := r.store.Head(ctx, f.Name); err == nil && o.Size == f.Size && o.SHA256 == f.Digest.Hex {
			return nil
		} // fetch says what is wrong, and asks again if need be
	}
	return r.store.fetch(ctx, f, make([]byte, step))
}

// Read fetches whole parts: only they have a digest. A few are kept. What is all
// zero by its digest is not fetched.
func (r *reader) Read(ctx context.Context, f chunk.File, buf []byte, off int64) error {
	switch {
	case f.Zero():
		clear(buf)
		return nil
	case int64(len(buf)) == f.Size:
		return r.store.fetch(ctx, f, buf)
	}
	part, err := r.cache.Get(f.Name, func() (work.Pages, error) { return r.part(ctx, f) })
	if err != nil {
		return err
	}
	part.Copy(buf, off)
	return nil
}

// part fetches a whole part.
func (r *reader) part(ctx context.Context, f chunk.File) (work.Pages, error) {
	buf, err := r.bufs.Get(chunk.Size)
	if err != nil {
		return work.Pages{}, err
	}
	defer r.bufs.Put(buf)
	if err := r.store.fetch(ctx, f, buf[:f.Size]); err != nil {
		return work.Pages{}, err
	}
	return work.Compact(buf[:f.Size]), nil
}

// Forget drops the parts that are kept.
func (r *reader) Forget() {
	r.cache.Drop()
	r.bufs.Drop()
}

func (r *reader) Close() error {
	r.Forget()
	return nil
}

// maxCached is how many parts a bundle keeps in memory.
const maxCached = 4
