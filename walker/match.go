package walker

// set is a list of patterns matched together, name by name, while the walk goes down: each directory carries which patterns are still
// alive in it and how far they have come, so that a name costs a comparison for each live pattern and not a match of its whole path.
type set struct {
	pats []pattern
	roam []state // the first names of patterns that match in every directory
	top  []state // those of the anchored patterns, alive in SOURCE's own directory
}

// state says that in this directory names are compared with pats[pat].segs[seg].
type state struct {
	pat, seg int32
}

func newSet(patterns []string) (*set, error) {
	s := new(set)
	for _, text := range patterns {
		pats, err := compile(text)
		if err != nil {
			return nil, err
		}
		for _, p := range pats {
			first := state{pat: int32(len(s.pats))}
			s.pats = append(s.pats, p)
			if p.anchored {
				s.top = s.add(s.top, first)
			} else {
				s.roam = append(s.roam, first)
			}
		}
	}
	return s, nil
}

// add appends a state, with the one behind it where it stands for any number of names, unless it is there.
func (s *set) add(states []state, st state) []state {
	for _, have := range states {
		if have == st {
			return states
		}
	}
	states = append(states, st)
	if segs := s.pats[st.pat].segs; segs[st.seg].deep && int(st.seg) < len(segs)-1 {
		return s.add(states, state{st.pat, st.seg + 1})
	}
	return states
}

// match returns the index of the first pattern that a name in a directory with these states matches in full, or -1.
func (s *set) match(states []state, name string, dir bool) int {
	best := int32(-1)
	for _, list := range [...][]state{s.roam, states} {
		for _, st := range list {
			p := &s.pats[st.pat]
			if int(st.seg) != len(p.segs)-1 || p.dirOnly && !dir || best >= 0 && st.pat > best {
				continue
			}
			if seg := &p.segs[st.seg]; seg.deep || seg.matches(name) {
				best = st.pat
			}
		}
	}
	return int(best)
}

// descend returns the states of the directory called name in a directory with these states; roam is understood.
func (s *set) descend(states []state, name string) []state {
	var next []state
	for _, list := range [...][]state{s.roam, states} {
		for _, st := range list {
			p := &s.pats[st.pat]
			seg := &p.segs[st.seg]
			switch {
			case seg.deep:
				next = s.add(next, st)
			case int(st.seg) < len(p.segs)-1 && seg.matches(name):
				next = s.add(next, state{st.pat, st.seg + 1})
			}
		}
	}
	return next
}

// alive says whether anything below a directory with these states can match.
func (s *set) alive(states []state) bool {
	return len(s.roam) > 0 || len(states) > 0
}
