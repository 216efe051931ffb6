package walker

import "strings"

// spot is a path below SOURCE that is a mount point or leads to one.
type spot struct {
	kids  map[string]*spot
	mount *mount // nil on the way
	root  *root  // of a crossed mount
}

// kid returns the spot of a name in this spot's directory, nil if there is none; most directories have no spot.
func (s *spot) kid(name []byte) *spot {
	if s == nil {
		return nil
	}
	return s.kids[string(name)]
}

// leads returns true if a mount that is crossed lies here or below.
func (s *spot) leads() bool {
	if s == nil {
		return false
	}
	if s.root != nil {
		return true
	}
	for _, kid := range s.kids {
		if kid.leads() {
			return true
		}
	}
	return false
}

// spots arranges the visible mount points below SOURCE by path.
func (p *Plan) spots(t *Tree) *spot {
	roots := make(map[string]*root)
	for _, r := range t.roots[1:] {
		roots[r.path] = r
	}
	top := new(spot)
	for _, m := range p.mounts {
		if !m.visible() {
			continue
		}
		s := top
		for name := range strings.SplitSeq(m.Path[1:], "/") {
			kid := s.kids[name]
			if kid == nil {
				kid = new(spot)
				if s.kids == nil {
					s.kids = make(map[string]*spot)
				}
				s.kids[name] = kid
			}
			s = kid
		}
		s.mount, s.root = m, roots[m.Path]
	}
	return top
}
