package s3

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"sync"

	"purebundle/chunk"
	"purebundle/chunk/work"
)

// UploadOptions of Upload; the zero value is what most want.
type UploadOptions struct {
	Force bool              // replace another bundle of that prefix
	Done  func(part int)    // if not nil, called after each part, sent or skipped, never twice at once
	Acked func(bytes int64) // if not nil, told of bytes that S3 has acknowledged, from several goroutines
}

// UploadStats is what an Upload did.
type UploadStats struct {
	Parts   int   // of the bundle
	Skipped int   // of them, there already
	Bytes   int64 // sent
}

// Upload copies a bundle to S3, but for parts that are there already with the
// same digest, as S3 has kept it. Another bundle of that prefix is refused with
// chunk.ErrExists, unless opt.Force is set; then it ends, manifest first, before
// the first of its parts is replaced. Where Upload fails or ctx is done, the parts
// that were sent stay: the next one goes on from there.
func (s *Store) Upload(ctx context.Context, b *chunk.Bundle, opt UploadOptions) (UploadStats, error) {
	u := &upload{s: s, b: b, opt: opt, done: work.Teller{Fn: opt.Done}}
	u.stats.Parts = len(b.Manifest().Parts)
	defer u.bufs.Drop()
	err := u.run(ctx)
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.stats, err
}

// upload is one Upload.
type upload struct {
	s    *Store
	b    *chunk.Bundle
	opt  UploadOptions
	done work.Teller
	bufs work.Buffers
	zero zeros

	mu    sync.Mutex
	stats UploadStats
}

func (u *upload) run(ctx context.Context) error {
	m := u.b.Manifest()
	text, sums, err := m.Texts()
	if err != nil {
		return err
	}
	there, err := u.s.present(ctx, m.Prefix)
	if err != nil {
		return err
	}
	same, err := u.compare(ctx, there, text)
	if err != nil {
		return err
	}
	missing, err := u.missing(ctx, there)
	if err != nil {
		return err
	}
	surplus := u.surplus(there)
	if same && len(missing) == 0 && len(surplus) == 0 {
		have, _, err := u.s.get(ctx, chunk.SumsName(m.Prefix), int64(len(sums))+1)
		if err == nil && bytes.Equal(have, sums) {
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// What is there is no bundle until all of it is the new one.
	if err := u.s.Remove(ctx, []string{chunk.ManifestName(m.Prefix)}); err != nil {
		return err
	}
	if err := work.Each(ctx, crew(u.s.opt.Workers), missing, u.send); err != nil {
		return err
	}
	if err := u.s.Put(ctx, chunk.SumsName(m.Prefix), sums); err != nil {
		return err
	}
	if err := u.s.Remove(ctx, surplus); err != nil {
		return err
	}
	return u.s.Put(ctx, chunk.ManifestName(m.Prefix), text)
}

// compare says whether the manifest that is there, if any, is the same as text.
func (u *upload) compare(ctx context.Context, there []Object, text []byte) (same bool, err error) {
	name := chunk.ManifestName(u.b.Manifest().Prefix)
	for _, o := range there {
		if o.Name != name {
			continue
		}
		have, _, err := u.s.get(ctx, name, int64(len(text))+1)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		if same = bytes.Equal(have, text); !same && !u.opt.Force {
			return false, &chunk.Error{Op: "upload", Path: u.s.loc.Path(name), Err: chunk.ErrExists,
				Hint: "it is another bundle: choose another directory, or force it to be replaced"}
		}
	}
	return same, nil
}

// missing is the parts that are not there as they should be.
func (u *upload) missing(ctx context.Context, there []Object) ([]int, error) {
	sizes := make(map[string]int64, len(there))
	for _, o := range there {
		sizes[o.Name] = o.Size
	}
	parts := u.b.Manifest().Parts
	wrong := make([]bool, len(parts))
	all := make([]int, len(parts))
	for i := range all {
		all[i] = i
	}
	err := work.Each(ctx, crew(smallWorkers), all, func(ctx context.Context, i int) error {
		p := parts[i]
		if sizes[p.Name] != chunk.Size {
			wrong[i] = true
			return nil
		}
		_, same, err := u.s.matches(ctx, p.Name, p.SHA256)
		if err != nil {
			return err
		}
		wrong[i] = !same
		if same {
			u.count(1, 0)
			u.done.Tell(ctx, i)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var missing []int
	for i, w := range wrong {
		if w {
			missing = append(missing, i)
		}
	}
	return missing, nil
}

// surplus is the files there that the bundle does not have.
func (u *upload) surplus(there []Object) []string {
	m := u.b.Manifest()
	wanted := map[string]bool{chunk.ManifestName(m.Prefix): true, chunk.SumsName(m.Prefix): true}
	for _, p := range m.Parts {
		wanted[p.Name] = true
	}
	var surplus []string
	for _, o := range there {
		if !wanted[o.Name] {
			surplus = append(surplus, o.Name)
		}
	}
	return surplus
}

// send sends part i, or has it copied if it is all zero.
func (u *upload) send(ctx context.Context, i int) error {
	p := u.b.Manifest().Parts[i]
	var sent int64
	if p.SHA256 == chunk.ZeroSum {
		var err error
		if _, sent, err = u.zero.make(ctx, u, p.Name); err != nil {
			return err
		}
	} else {
		buf, err := u.bufs.Get(chunk.Size)
		if err != nil {
			return err
		}
		defer u.bufs.Put(buf)
		// It compares the digest: what is sent has that of the manifest.
		if err := u.b.ReadPart(ctx, i, buf); err != nil {
			return err
		}
		if _, sent, err = u.put(ctx, p.Name, buf, p.SHA256); err != nil {
			return err
		}
	}
	u.count(0, sent)
	u.done.Tell(ctx, i)
	return nil
}

func (u *upload) count(skipped int, sent int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stats.Skipped += skipped
	u.stats.Bytes += sent
}

func (u *upload) put(ctx context.Context, name string, p []byte, sum string) (etag string, sent int64, err error) {
	etag, _, err = u.s.put(ctx, name, p, chunk.Size, sum)
	if err == nil && u.opt.Acked != nil {
		u.opt.Acked(chunk.Size)
	}
	return etag, chunk.Size, err
}

func (u *upload) copy(ctx context.Context, from, was, to string) (string, error) {
	return u.s.copy(ctx, from, was, to)
}
