package ebs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"purebundle/chunk"
	"purebundle/chunk/work"
)

// Bundle returns the bundle whose parts the snapshot holds: that of the manifest in its
// last blocks. It is chunk.ErrNoBundle if there is none that is of this snapshot. The
// blocks of the parts are those of the manifest, or the error says which is not. Close of
// the bundle closes the snapshot. Reads end when ctx is done.
func (s *Snapshot) Bundle(ctx context.Context) (*chunk.Bundle, error) {
	t, err := s.readTail(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &chunk.Error{Op: "open", Path: Scheme + s.id, Err: chunk.ErrNoBundle, Hint: "only a snapshot that purebundle has made has one; a copy of it has none"}
	}
	if err != nil {
		return nil, err
	}
	m, err := chunk.ReadManifest(bytes.NewReader(t.manifest))
	if err == nil && m.Image.Size != t.image {
		err = fmt.Errorf("is of an image of %d bytes instead of %d", m.Image.Size, t.image)
	}
	if err != nil {
		return nil, &chunk.Error{Op: "manifest", Path: Scheme + s.id, Err: err}
	}
	for i := range int32(t.image / BlockSize) {
		_, said := t.digest(i)
		if _, there := s.token(i); there != said {
			return nil, &chunk.Error{Op: "open", Path: Scheme + s.id, Err: chunk.Damage(fmt.Errorf("block %d: its manifest and EBS do not agree on whether it is there", i))}
		}
	}
	s.tail, s.parts = t, m.Parts
	_, sums, err := m.Texts()
	if err != nil {
		return nil, err
	}
	p := &place{Snapshot: s, manifest: m, sums: sums, numbers: make(map[string]int, len(m.Parts))}
	for i, part := range m.Parts {
		p.numbers[part.Name] = i
	}
	return chunk.Open(ctx, p, m.Prefix, checkedParts)
}

// checkedParts is how many parts are read at once if nothing else is said.
const checkedParts = 3

// place is a snapshot as the place of its one bundle: with the files that a directory
// would have.
type place struct {
	*Snapshot
	manifest *chunk.Manifest
	sums     []byte         // the file of digests
	numbers  map[string]int // of parts, by name
	bufs     work.Buffers   // of parts
}

func (p *place) Path(name string) string {
	if n, ok := p.numbers[name]; ok {
		return fmt.Sprintf("%s%s part %d", Scheme, p.id, n)
	}
	return Scheme + p.id
}

func (p *place) Names(_ context.Context, prefix string) (names []string, err error) {
	for _, part := range p.manifest.Parts {
		names = append(names, part.Name)
	}
	names = append([]string{chunk.ManifestName(p.manifest.Prefix)}, append(names, chunk.SumsName(p.manifest.Prefix))...)
	kept := names[:0]
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			kept = append(kept, name)
		}
	}
	return kept, nil
}

func (p *place) Get(_ context.Context, name string, limit int64) ([]byte, error) {
	text := p.sums
	switch name {
	case chunk.ManifestName(p.manifest.Prefix):
		text = p.tail.manifest
	case chunk.SumsName(p.manifest.Prefix):
	default:
		return nil, &chunk.Error{Op: "read", Path: Scheme + p.id + " " + name, Err: fs.ErrNotExist}
	}
	return text[:min(int64(len(text)), limit)], nil
}

// number returns the number of the part with this name.
func (p *place) number(name string) (int, error) {
	if i, ok := p.numbers[name]; ok {
		return i, nil
	}
	return 0, &chunk.Error{Op: "read", Path: Scheme + p.id + " " + name, Err: fs.ErrNotExist}
}

// Check fetches a part and compares its digest.
func (p *place) Check(ctx context.Context, f chunk.File) error {
	buf, err := p.bufs.Get(chunk.Size)
	if err != nil {
		return err
	}
	defer p.bufs.Put(buf)
	return p.whole(ctx, f, buf)
}

func (p *place) Close() error {
	p.bufs.Drop()
	return p.Snapshot.Close()
}

// whole fills buf with a part, and compares its digest.
func (p *place) whole(ctx context.Context, f chunk.File, buf []byte) error {
	i, err := p.number(f.Name)
	if err != nil {
		return err
	}
	if f.Zero() && p.Empty(i) {
		clear(buf)
		return nil
	}
	if err := p.ReadPart(ctx, i, buf); err != nil {
		return err
	}
	sum := sha256.Sum256(buf[:chunk.Size])
	if have := hex.EncodeToString(sum[:]); have != f.Digest.Hex {
		return &chunk.Error{Op: "verify", Path: p.Path(f.Name), Err: chunk.Damage(fmt.Errorf("SHA-256 is %s, and its manifest says %s", have, f.Digest.Hex))}
	}
	return nil
}

// Read reads the blocks that are wanted: each has a digest of its own, which the manifest
// has, too.
func (p *place) Read(ctx context.Context, f chunk.File, buf []byte, off int64) error {
	if int64(len(buf)) == f.Size {
		return p.whole(ctx, f, buf)
	}
	i, err := p.number(f.Name)
	if err != nil {
		return err
	}
	return readFull(ctx, p.Snapshot, buf, int64(i)*chunk.Size+off)
}
