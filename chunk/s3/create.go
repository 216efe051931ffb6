package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"purebundle/chunk"
)

// CreateOptions of Create. Prefix must be given.
type CreateOptions struct {
	Prefix string            // see chunk.CheckPrefix
	Force  bool              // replace a bundle of that prefix, once the new one is whole
	Acked  func(bytes int64) // if not nil, told of bytes that S3 has acknowledged, from several goroutines
}

// Create begins a bundle. It refuses with chunk.ErrExists where files of the
// prefix are, unless opt.Force is set.
func (s *Store) Create(ctx context.Context, opt CreateOptions) (*Writer, error) {
	if err := chunk.CheckPrefix(opt.Prefix); err != nil {
		return nil, err
	}
	old, err := s.present(ctx, opt.Prefix)
	if err != nil {
		return nil, err
	}
	if len(old) > 0 && !opt.Force {
		hint := "choose another prefix or directory, or force the older bundle to be replaced"
		if !slices.Contains(names(old), chunk.ManifestName(opt.Prefix)) {
			hint = "there is no manifest: a run is at work there, or was killed and left this; delete that, force it to be replaced, or choose another prefix"
		}
		return nil, &chunk.Error{Op: "create", Path: s.loc.Path(old[0].Name), Err: chunk.ErrExists, Hint: hint}
	}
	w := &Writer{s: s, prefix: opt.Prefix, acked: opt.Acked, begun: make(map[string]bool)}
	w.life, w.kill = context.WithCancelCause(context.Background())
	if len(old) == 0 {
		return w, nil
	}
	w.replaces = true
	if w.old, err = s.oldParts(ctx, opt.Prefix, old); err != nil {
		return nil, err
	}
	if err := s.canCopy(ctx, opt.Prefix); err != nil {
		return nil, err
	}
	return w, nil
}

// present lists the objects of a bundle of prefix. What is named like its files
// but was never one is an error.
func (s *Store) present(ctx context.Context, prefix string) ([]Object, error) {
	objects, err := s.list(ctx, prefix)
	if err != nil {
		return nil, err
	}
	var found []Object
	for _, o := range objects {
		switch {
		case o.Name == prefix+amazonSuffix:
			return nil, &chunk.Error{Op: "replace", Path: s.loc.Path(o.Name), Err: plain("is a bundle in Amazon's format, with the same names of parts"),
				Hint: "choose another prefix or directory, or delete that bundle as one of its format"}
		case !chunk.Belongs(prefix, o.Name):
		case !chunk.IsFile(prefix, o.Name):
			return nil, &chunk.Error{Op: "replace", Path: s.loc.Path(o.Name), Err: plain("is no part of a bundle, but named like one"),
				Hint: "move it away or choose another prefix"}
		default:
			found = append(found, o)
		}
	}
	return found, nil
}

// amazonSuffix ends the name of a manifest in Amazon's format.
const amazonSuffix = ".manifest.xml"

// oldParts is the digests, by name, of the parts of the bundle that is being
// replaced, as its manifest has them. One without a manifest that can be read has none.
func (s *Store) oldParts(ctx context.Context, prefix string, old []Object) (map[string]string, error) {
	b, err := s.Load(ctx, prefix)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, nil // what is wrong with it ends with it
	}
	defer b.Close()
	sizes := make(map[string]int64, len(old))
	for _, o := range old {
		sizes[o.Name] = o.Size
	}
	sums := make(map[string]string)
	for _, p := range b.Manifest().Parts {
		if sizes[p.Name] == chunk.Size {
			sums[p.Name] = p.SHA256
		}
	}
	return sums, nil
}

// canCopy tries early what a replacement needs at its end.
func (s *Store) canCopy(ctx context.Context, prefix string) error {
	from := chunk.TempName(prefix + ".from")
	to := chunk.TempName(prefix + ".to")
	err := s.Put(ctx, from, []byte("purebundle\n"))
	if err == nil {
		if _, err = s.copy(ctx, from, "", to); err != nil && ctx.Err() == nil {
			err = fmt.Errorf("replacing a bundle needs copies within S3: %w", err)
		}
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	return errors.Join(err, s.Remove(clean, []string{from, to}))
}

// temps lists what runs, over or not, have put under temporary names for a bundle of prefix.
func (s *Store) temps(ctx context.Context, prefix string) ([]Object, error) {
	objects, err := s.list(ctx, "."+prefix+".")
	var found []Object
	for _, o := range objects {
		name, ok := strings.CutPrefix(o.Name, ".")
		name, ok2 := strings.CutSuffix(name, tempSuffix)
		if ok && ok2 && (chunk.IsFile(prefix, name) || name == zeroName(prefix)) {
			found = append(found, o)
		}
	}
	return found, err
}

// tempSuffix ends temporary names.
var tempSuffix = strings.TrimPrefix(chunk.TempName(""), ".")

// zeroName is the name, made temporary, of the object that all zero parts are
// copied from where a bundle is being replaced.
func zeroName(prefix string) string { return prefix + ".part.zero" }

// matches says whether an object is there with this digest, as S3 has kept it.
func (s *Store) matches(ctx context.Context, name, sum string) (Object, bool, error) {
	o, err := s.Head(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return o, false, nil
	}
	return o, err == nil && o.Size == chunk.Size && o.SHA256 == sum, err
}
