package pattern

// Seen remembers which patterns of a Set have matched something in a walk. It is for one goroutine.
type Seen struct {
	set  *Set
	seen []bool // by pattern
	left int    // how many have not matched
}

// Watch returns a Seen of the set with nothing seen.
func (s *Set) Watch() *Seen {
	return &Seen{set: s, seen: make([]bool, len(s.texts)), left: len(s.texts)}
}

// Name takes note of a name in a directory with these states.
func (n *Seen) Name(states States, name string, dir bool) {
	if n.left == 0 {
		return
	}
	for i := range n.set.Matches(states, name, dir) {
		n.mark(i)
	}
}

// Enter takes note of a directory with these states that is looked into. It is what a pattern of all that is in it means, as "/a/*" or
// "/a/**", even if nothing is.
func (n *Seen) Enter(states States) {
	if n.left == 0 {
		return
	}
	for _, st := range states {
		if p := &n.set.pats[st.pat]; p.all(st.seg) {
			n.mark(int(p.source))
		}
	}
}

// Skip takes note of a directory with these states that is not looked into. What may be in it for an anchored pattern counts as seen,
// because nobody knows.
func (n *Seen) Skip(states States) {
	if n.left == 0 {
		return
	}
	for _, st := range states {
		n.mark(int(n.set.pats[st.pat].source))
	}
}

// mark takes note of a pattern.
func (n *Seen) mark(i int) {
	if !n.seen[i] {
		n.seen[i] = true
		n.left--
	}
}

// Unseen returns the patterns that have matched nothing, as the caller wrote them.
func (n *Seen) Unseen() []string {
	var texts []string
	for i, seen := range n.seen {
		if !seen {
			texts = append(texts, n.set.texts[i])
		}
	}
	return texts
}
