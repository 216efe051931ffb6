package s3

import (
	"context"

	"purebundle/chunk"
)

// Delete removes a bundle, its manifest first, and what runs that were killed
// left of one: parts without a manifest, temporary names.
func (s *Store) Delete(ctx context.Context, prefix string) error {
	if err := chunk.CheckPrefix(prefix); err != nil {
		return err
	}
	files, err := s.present(ctx, prefix)
	if err != nil {
		return err
	}
	temps, err := s.temps(ctx, prefix)
	if err != nil {
		return err
	}
	if len(files)+len(temps) == 0 {
		return &chunk.Error{Op: "delete", Path: s.loc.Path(chunk.ManifestName(prefix)), Err: chunk.ErrNoBundle,
			Hint: "look at the directory and the prefix"}
	}
	if err := s.Remove(ctx, []string{chunk.ManifestName(prefix)}); err != nil {
		return err
	}
	return s.Remove(ctx, names(append(files, temps...)))
}
