package walker

import (
	"fmt"

	"purebundle/walker/pattern"
)

// unused finds excludes and includes that change nothing: misspelt ones, most likely, and what they were to leave out is in the image.
type unused struct {
	rules            *rules
	include, exclude *pattern.Seen
}

// watch returns an unused that has seen nothing.
func (r *rules) watch() *unused {
	u := &unused{rules: r, include: r.include.Watch(), exclude: r.exclude.Watch()}
	top := r.top()
	u.enter(&top)
	return u
}

// name takes note of a name about which v was decided. An exclude that an include wins over leaves nothing out.
func (u *unused) name(sc *scope, name string, dir bool, v verdict) {
	if sc.kept {
		return
	}
	u.include.Name(sc.inc, name, dir)
	if v.kept {
		if dir { // other includes may name what is in it
			u.include.Skip(u.rules.include.Descend(sc.inc, name))
		}
		return
	}
	u.exclude.Name(sc.exc, name, dir)
}

// enter takes note of a directory that is looked into.
func (u *unused) enter(sc *scope) {
	u.include.Enter(sc.inc)
	u.exclude.Enter(sc.exc)
}

// skip takes note of a directory that is not looked into. What an exclude names there is not in the image; an include that names it keeps
// nothing.
func (u *unused) skip(sc *scope) {
	u.exclude.Skip(sc.exc)
}

// tellUnused lists the patterns that changed nothing.
func (w *walker) tellUnused() {
	tell := func(what, why string, seen *pattern.Seen) {
		for _, text := range seen.Unseen() {
			line := fmt.Sprintf("%s %s: %s", what, text, why)
			w.tree.Unused = append(w.tree.Unused, line)
			w.rooms.warnings.add("/", &w.tree.Omitted.Warnings, func(path string) {
				w.tree.Warnings = append(w.tree.Warnings, Warning{Path: path, Text: line, Count: 1})
			})
		}
	}
	tell("exclude", "leaves nothing out: no such path, or an include keeps it", w.unused.exclude)
	tell("include", "keeps nothing: no such path in what is walked", w.unused.include)
}
