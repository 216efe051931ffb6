package walker

import "fmt"

// origin is where the tree has what a mount shows that is left out because of that. Whether the walk takes what is there, it alone knows: a
// read-only snapshot or a root's own /tmp may lie on the way.
type origin struct {
	mount *mount
	met   bool
	lost  string // the first path that an exclude leaves out here, and would not leave out there
}

// origins are those of all mounts.
type origins struct {
	list   []*origin
	byPath map[string][]*origin
	tries  int // of lose
}

// maxTries bounds how often lose compares: one directory may be bound at thousands of places, and have thousands of files left out.
const maxTries = 200_000

// origins returns those of the mounts that judge has decided about.
func (p *policy) origins() origins {
	all := origins{byPath: make(map[string][]*origin)}
	for _, m := range p.mounts {
		if m.twinAt == "" || m.Action != LeftOut {
			continue
		}
		o := &origin{mount: m}
		all.list, all.byPath[m.twinAt] = append(all.list, o), append(all.byPath[m.twinAt], o)
	}
	return all
}

// meet takes note that what is at a path is in the tree.
func (w *walker) meet(path string) {
	if len(w.origins.list) == 0 {
		return
	}
	for _, o := range w.origins.byPath[path] {
		o.met = true
	}
}

// lose takes note that an exclude leaves out what is at a path.
func (w *walker) lose(path string) {
	if len(w.origins.list) == 0 {
		return
	}
	for i := 1; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		for _, o := range w.origins.byPath[path[:i]] {
			if o.lost != "" || w.origins.tries == maxTries {
				continue
			}
			w.origins.tries++
			if _, ok := w.rules.reaches(o.mount.Path + path[i:]); ok {
				o.lost = path
			}
		}
	}
}

// tellOrigins lists the mounts that were left out for what turned out not to be in the tree, or not as a whole.
func (w *walker) tellOrigins() {
	gone := make(map[int]*mount)
	for _, o := range w.origins.list {
		m := o.mount
		switch {
		case !o.met:
			m.Lacks = fmt.Sprintf("its content is nowhere in the tree; --cross %s takes it", m.Path)
			gone[m.ID], m.Missing = m, MissingDisk
			m.Reason = fmt.Sprintf("shows %s, which turned out not to be in the tree", m.twinAt)
			w.unreadable(m.Path, noOwner, &MissingError{fmt.Sprintf("mount left out, %s: %s", m.Reason, m.Lacks)})
		case o.lost != "":
			text := fmt.Sprintf("mount left out, %s: but an exclude leaves out %s; --cross %s takes it", m.Reason, o.lost, m.Path)
			w.rooms.warnings.add(m.Path, &w.tree.Omitted.Warnings, func(path string) {
				w.tree.Warnings = append(w.tree.Warnings, Warning{Path: path, Text: text, Count: 1})
			})
		}
	}
	for i := range w.tree.Mounts {
		if m := gone[w.tree.Mounts[i].ID]; m != nil {
			w.tree.Mounts[i] = m.Mount
		}
	}
}
