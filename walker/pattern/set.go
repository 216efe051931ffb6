package pattern

import "iter"

// Set is a list of patterns matched together. A Set does not change, so several goroutines may use it.
type Set struct {
	texts []string   // as the caller wrote them
	pats  []compiled // ascending by source
	roam  States     // the first names of patterns that match in every directory
	open  [256]bool  // by first byte: whether a name that begins so can complete a pattern of roam
	top   States     // those of the anchored patterns, alive in the top directory
}

// States say which anchored patterns can still match in a directory and how far they have come. Patterns that match in every directory
// are understood and not listed. The zero value is a directory in which no anchored pattern is alive.
type States []state

// state says that in this directory names are compared with pats[pat].segs[seg].
type state struct {
	pat, seg int32
}

// NewSet compiles patterns. The error, if any, is an *Error.
func NewSet(patterns []string) (*Set, error) {
	s := &Set{texts: patterns}
	for i, text := range patterns {
		pats, err := compile(text)
		if err != nil {
			return nil, err
		}
		for _, p := range pats {
			p.source = int32(i)
			first := state{pat: int32(len(s.pats))}
			s.pats = append(s.pats, p)
			if p.anchored {
				s.top = s.add(s.top, first)
			} else {
				s.roam = append(s.roam, first)
				s.note(&p)
			}
		}
	}
	return s, nil
}

// note enters in open what a name begins with that completes a pattern of roam.
func (s *Set) note(p *compiled) {
	if len(p.segs) > 1 {
		return
	}
	for b := range s.open {
		s.open[b] = s.open[b] || p.segs[0].first == 0 || p.segs[0].first == byte(b)
	}
}

// Top returns the states of the top directory.
func (s *Set) Top() States { return s.top }

// Text returns the pattern with an index that Match returned.
func (s *Set) Text(i int) string { return s.texts[i] }

// add appends a state unless it is there, and the one behind it if it stands for any number of names.
func (s *Set) add(states States, st state) States {
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

// Match returns the index, in the list given to NewSet, of the first pattern that a name in a directory with these states matches in
// full, or -1. dir says whether the name is a directory's.
func (s *Set) Match(states States, name string, dir bool) int {
	best := -1
	for i := range s.Matches(states, name, dir) {
		if best < 0 || i < best {
			best = i
		}
	}
	return best
}

// Matches yields the indexes of all patterns that Match chooses from, in no order, some twice.
func (s *Set) Matches(states States, name string, dir bool) iter.Seq[int] {
	return func(yield func(int) bool) {
		roam := s.roam
		if name == "" || !s.open[name[0]] { // the walk asks for each name: most begin otherwise
			roam = nil
		}
		for _, list := range [...]States{roam, states} {
			for _, st := range list {
				if s.ends(st, name, dir) && !yield(int(s.pats[st.pat].source)) {
					return
				}
			}
		}
	}
}

// ends says whether a name completes a pattern that has come as far as st.
func (s *Set) ends(st state, name string, dir bool) bool {
	p := &s.pats[st.pat]
	if int(st.seg) != len(p.segs)-1 || p.dirOnly && !dir {
		return false
	}
	seg := &p.segs[st.seg]
	return seg.deep || seg.matches(name)
}

// Descend returns the states of the directory called name in a directory with these states.
func (s *Set) Descend(states States, name string) States {
	var next States
	for _, list := range [...]States{s.roam, states} {
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

// All says whether every name in a directory with these states matches. Patterns that match in every directory are not asked.
func (s *Set) All(states States) bool {
	for _, st := range states {
		if p := &s.pats[st.pat]; !p.dirOnly && p.all(st.seg) {
			return true
		}
	}
	return false
}

// Alive says whether anything in a directory with these states or below it can match.
func (s *Set) Alive(states States) bool {
	return len(s.roam) > 0 || len(states) > 0
}
