package walker

import (
	"fmt"
	"path"

	"golang.org/x/sys/unix"
)

// Missing says what the tree lacks because a mount is left out.
type Missing int

const (
	// NotMissing: nothing, or what belongs to the running kernel.
	NotMissing Missing = iota
	// MissingNamed is a local disk that a rule or an option leaves out.
	MissingNamed
	// MissingAway is what lies in memory or on another machine.
	MissingAway
	// MissingDisk is the content of a local disk or an overlay: a bundle without it is incomplete.
	MissingDisk
)

// cause is the rule of the policy by which a mount is left out.
type cause int

const (
	byNothing  cause = iota
	byNature         // its type
	byHolder         // its mount point lies on a mount that is left out
	byRule           // an exclude or a default
	byOption         // OneFileSystem
	byApart          // Options.Apart
	byTwin           // its content is in the tree elsewhere
	bySource         // it shows SOURCE once more, and maybe what is around it
	bySnapshot       // it is a read-only snapshot
	hidden
)

// missing returns what the tree lacks without m, of which judge has decided.
func (p *policy) missing(m *mount) Missing {
	if m.Action != LeftOut || !m.visible() || m.class == classKernel || m.class == classImage {
		return NotMissing
	}
	why := m
	for why.cause == byHolder {
		why = p.holder(why)
	}
	_, kept := p.rules.reaches(m.Path)
	switch {
	case !kept || p.rules.empties(m.Path) != "" || why.cause == byRule || why.cause == byOption || why.cause == bySnapshot:
		if m.class == classDisk {
			return MissingNamed
		}
		return NotMissing
	case m.cause == bySource && m.Root != p.source.Root:
		return MissingNamed // the rest of what it shows
	case m == why && m.cause != byNature || why.class == classKernel || p.apart[m.Path]:
		return NotMissing
	case why.cause != byNature && len(p.shows[content{m.Major, m.Minor, m.Root}]) > 1: // as below a recursive bind of /: the other one is told
		return NotMissing
	}
	switch m.class {
	case classDisk:
		if p.showsSource(m) {
			return NotMissing
		}
		at, secret := p.twin(m)
		if at == "" {
			return MissingDisk
		}
		if secret == "" {
			m.twinAt = at
		}
		return NotMissing
	case classLayers:
		if !p.hasLayers(m) {
			return MissingDisk
		}
		return NotMissing
	}
	return MissingAway
}

// hasLayers returns true if all that an overlay is made of is in the tree.
func (p *policy) hasLayers(m *mount) bool {
	for _, dir := range m.layers {
		dir = path.Clean(dir)
		rel, in := below(p.source.point, dir)
		if !in {
			return false
		}
		at := p.at(dir)
		if _, ok := p.rules.takes(rel); !ok || at.Action != Crossed || p.inLeaveOut(content{at.Major, at.Minor, at.inside(dir)}) {
			return false
		}
	}
	return len(m.layers) > 0
}

// lacks says what is not in the tree because m is left out, and what to do about it.
func (p *policy) lacks(m *mount) string {
	if m.class == classAuto {
		return p.wouldBe(m)
	}
	what := "what is in it is not in the tree"
	if m.Missing == MissingDisk {
		what = "its content is nowhere in the tree"
	}
	cause := m
	for cause.cause == byHolder {
		cause = p.holder(cause)
	}
	if cause.Action == LeftOut && cause.class != classKernel {
		what += "; --cross " + cause.Path + " takes it"
	}
	return what
}

// tellMissing lists the mounts whose content the tree lacks.
func (w *walker) tellMissing() {
	for i := range w.tree.Mounts {
		m := &w.tree.Mounts[i]
		text := fmt.Sprintf("mount left out, %s: %s", m.Reason, m.Lacks)
		switch m.Missing {
		case MissingDisk:
			w.unreadable(m.Path, noOwner, &MissingError{text})
		case MissingAway:
			w.rooms.warnings.add(m.Path, &w.tree.Omitted.Warnings, func(path string) {
				w.tree.Warnings = append(w.tree.Warnings, Warning{Path: path, Text: text, Count: 1}) // each by its name
			})
		}
	}
}

// underText is the warning about content that a mount hides.
const underText = "has content under the mount that is left out: it is not in the tree (a bind of the file system elsewhere shows it)"

// tellUnder warns if the directory at hand, on which a mount lies that is left out, has something in it.
func (w *walker) tellUnder(o *object) {
	name := o.name
	if name == "" {
		name = "."
	}
	fd, err := o.root.open(o.dir, name, dirFlags)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var under names
	for len(under.list) == 0 {
		size, err := unix.Getdents(fd, w.buf)
		if err != nil || size == 0 {
			return
		}
		under.parse(w.buf[:size])
	}
	w.warn(w.entry.Path, underText)
}

// hides returns true if a mount that is left out lies on the object, which can be seen.
func (o *object) hides() bool {
	return o.bare && !o.covered && o.spot != nil && o.spot.mount != nil && o.spot.root == nil
}
