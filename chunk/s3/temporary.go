package s3

import (
	"context"
	"slices"
	"strings"

	"purebundle/chunk"
)

// tempSuffix ends temporary names, as on disk.
const tempSuffix = ".purebundle-new"

// tempName returns the name that an object has until it gets that name.
func tempName(name string) string { return "." + name + tempSuffix }

// zeroName returns the name, made temporary, of the object that all zero parts are
// copied from if a bundle is being replaced.
func zeroName(prefix string) string { return prefix + ".part.zero" }

// temps lists what runs, over or not, have put under temporary names for a group.
func (s *Store) temps(ctx context.Context, set chunk.Set) ([]Object, error) {
	objects, err := s.list(ctx, "."+set.Prefix+".")
	return slices.DeleteFunc(objects, func(o Object) bool {
		name, ok := strings.CutSuffix(strings.TrimPrefix(o.Name, "."), tempSuffix)
		number, part := strings.CutPrefix(name, set.Prefix+".part.")
		ours := part && (number == "zero" || number != "" && strings.Trim(number, "0123456789") == "") ||
			name == set.Prefix+".from" || name == set.Prefix+".to" // of canCopy
		return !ok || !ours
	}), err
}
