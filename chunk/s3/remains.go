package s3

import (
	"context"
	"slices"
	"strings"

	"purebundle/chunk"
)

// manifestSuffixes end the names of manifests: of raw bundles, of Amazon's format.
var manifestSuffixes = []string{chunk.ManifestName(""), ".manifest.xml"}

// Remains is what is there of a bundle of either format that has no manifest.
type Remains struct {
	Prefix string
	Names  []string // of objects: parts, digests, what has a temporary name yet
	Bytes  int64
}

// Remains lists what is there of bundles without a manifest: what runs that were killed
// and uploads that broke have left, or are making. A prefix that is not "" asks for that
// one only.
func (s *Store) Remains(ctx context.Context, prefix string) ([]Remains, error) {
	objects, err := s.list(ctx, prefix)
	if err == nil && prefix != "" {
		var temps []Object
		temps, err = s.list(ctx, "."+prefix)
		objects = append(objects, temps...)
	}
	if err != nil {
		return nil, err
	}
	whole := map[string]bool{}
	for _, o := range objects {
		for _, suffix := range manifestSuffixes {
			if p, ok := strings.CutSuffix(o.Name, suffix); ok {
				whole[p] = true
			}
		}
	}
	var found []Remains
	of := func(p string) *Remains {
		i := slices.IndexFunc(found, func(r Remains) bool { return r.Prefix == p })
		if i < 0 {
			return nil
		}
		return &found[i]
	}
	for _, o := range objects {
		p, ok := prefixOfPart(o.Name)
		switch {
		case !ok || whole[p] || prefix != "" && p != prefix:
			continue
		case of(p) == nil:
			found = append(found, Remains{Prefix: p})
		}
		r := of(p)
		r.Names, r.Bytes = append(r.Names, o.Name), r.Bytes+o.Size
	}
	for _, o := range objects {
		p, ok := strings.CutSuffix(o.Name, chunk.SumsName(""))
		if r := of(p); ok && r != nil {
			r.Names, r.Bytes = append(r.Names, o.Name), r.Bytes+o.Size
		}
	}
	return found, nil
}

// prefixOfPart returns the prefix of the bundle that has a part of this name, in
// either format; the name may be temporary.
func prefixOfPart(name string) (prefix string, ok bool) {
	if made, temp := strings.CutSuffix(name, tempSuffix); temp && strings.HasPrefix(made, ".") {
		name = strings.TrimSuffix(made[1:], "zero") + "0"
	}
	i := strings.LastIndex(name, ".part.")
	if i <= 0 {
		return "", false
	}
	number := name[i+len(".part."):]
	return name[:i], number != "" && strings.Trim(number, "0123456789") == ""
}
