package filter

import "purebundle/walker/pattern"

// Choice says what is left out of an image. The zero value is the default for one that its owner keeps.
type Choice struct {
	Classes  Class // 0: the default ones; None: none
	GiveAway bool  // the image is for others: logs go by default, and keys and logins wherever they are
	Keys     bool  // keys known by their content go wherever they are
}

// InForce returns the classes that the choice leaves out.
func (c Choice) InForce() Class {
	switch {
	case c.Classes&None != 0:
		return 0
	case c.Classes != 0:
		return c.Classes
	case c.GiveAway:
		return Secrets | Histories | Identity | Logs
	}
	return Secrets | Histories | Identity
}

// Set is the table compiled for a Choice. It does not change.
type Set struct {
	choice Choice
	places [3]group // by Where
}

// group is all paths of one Where.
type group struct {
	set   *pattern.Set
	ranks []int // of each pattern: the index of its place in Table
	table []Place
}

// New compiles the places of the chosen classes.
func New(c Choice) (*Set, error) {
	s := &Set{choice: c}
	var paths [3][]string
	table := Table()
	for rank, p := range table {
		if p.Class&c.InForce() == 0 {
			continue
		}
		for _, text := range p.Patterns() {
			paths[p.Where] = append(paths[p.Where], text)
			s.places[p.Where].ranks = append(s.places[p.Where].ranks, rank)
		}
	}
	for i := range s.places {
		set, err := pattern.NewSet(paths[i])
		if err != nil {
			return nil, err
		}
		s.places[i].set, s.places[i].table = set, table
	}
	return s, nil
}

// GiveAway says whether the image is for others.
func (s *Set) GiveAway() bool { return s.choice.GiveAway }

// Scope is what the set knows about the names of one directory.
type Scope struct {
	states [3]pattern.States // by Where
	homes  []*homes          // that lie below, one for each root around
	area   area
}

// Root returns the scope of a root's directory with these homes, which lies in a directory with the scope outer.
func (s *Set) Root(outer Scope, h *Homes) Scope {
	sc := Scope{
		homes: append(outer.homes[:len(outer.homes):len(outer.homes)], h.top),
		area:  outer.area&^(inUsr|inState) | atRoot,
	}
	for i := range s.places {
		sc.states[i] = outer.states[i]
	}
	sc.states[Root] = append(sc.states[Root][:len(sc.states[Root]):len(sc.states[Root])], s.places[Root].set.Top()...)
	return sc
}

// Descend returns the scope of the directory called name in a directory with the scope sc.
func (s *Set) Descend(sc *Scope, name string) Scope {
	var next Scope
	next.area = sc.area.descend(name)
	for i := range s.places {
		next.states[i] = s.places[i].set.Descend(sc.states[i], name)
	}
	for _, h := range sc.homes {
		below := h.below(name)
		if below == nil {
			continue
		}
		if below.home {
			next.states[Home] = append(next.states[Home], s.places[Home].set.Top()...)
		}
		if below.person {
			next.area |= inHome
		}
		next.homes = append(next.homes, below)
	}
	return next
}

// Match returns the place that a name in a directory with the scope sc is, or nil. dir says whether the name is a directory's.
func (s *Set) Match(sc *Scope, name string, dir bool) *Place {
	best := -1
	for i := range s.places {
		g := &s.places[i]
		for match := range g.set.Matches(sc.states[i], name, dir) {
			rank := g.ranks[match]
			if (best < 0 || rank < best) && (!dir || g.table[rank].Take == Name) {
				best = rank
			}
		}
	}
	if best < 0 {
		return nil
	}
	return &s.places[0].table[best]
}

// area says in which parts of a root a directory is, as far as keys in it are judged by that.
type area uint8

const (
	atRoot  area = 1 << iota // a root's own directory
	atVar                    // /var of a root
	inUsr                    // /usr of a root
	inState                  // /etc or /var/lib of a root
	inHome                   // the home of a person
)

// descend returns the area of the directory called name.
func (a area) descend(name string) area {
	next := a &^ (atRoot | atVar)
	switch {
	case a&atRoot != 0 && name == "usr":
		next |= inUsr
	case a&atRoot != 0 && name == "etc", a&atVar != 0 && name == "lib":
		next |= inState
	case a&atRoot != 0 && name == "var":
		next |= atVar
	}
	return next
}
