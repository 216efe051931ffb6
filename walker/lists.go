package walker

import (
	"strings"
	"unicode/utf8"
)

// Bounds of each list of a Tree: anybody can make files whose names the filter takes, or a directory whose path is long.
const (
	maxListed     = 10_000  // entries
	maxListedText = 2 << 20 // bytes of their paths together
	maxSame       = 1000    // paths of one warning
	maxListedPath = 4096    // bytes of one path; longer ones end with an ellipsis
)

// Omitted counts what the lists of a Tree have no room for.
type Omitted struct {
	Filtered, Keys, Excluded, Unreadable, Vanished, Warnings int
}

// room is what is left of one list.
type room struct {
	listed, text int // entries; bytes
}

// add appends an entry made by list for a path if there is room, and counts it in omitted otherwise.
func (r *room) add(path string, omitted *int, list func(path string)) {
	path = shorten(path)
	if r.listed == maxListed || r.text+len(path) > maxListedText {
		*omitted++
		return
	}
	r.listed++
	r.text += len(path)
	list(path)
}

// shorten cuts a path that is longer than maxListedPath, between two characters.
func shorten(path string) string {
	const more = "…"
	if len(path) <= maxListedPath {
		return path
	}
	end := maxListedPath - len(more)
	for end > 0 && !utf8.RuneStart(path[end]) {
		end--
	}
	return path[:end] + more
}

// unreadable lists a path whose owner is uid, noOwner if it could not be looked at.
func (w *walker) unreadable(path string, uid int64, err error) {
	w.rooms.unreadable.add(path, &w.tree.Omitted.Unreadable, func(path string) {
		w.tree.Unreadable = append(w.tree.Unreadable, Problem{path, uid, err})
	})
}

func (w *walker) vanished() {
	w.rooms.vanished.add(w.here(), &w.tree.Omitted.Vanished, func(path string) {
		w.tree.Vanished = append(w.tree.Vanished, path)
	})
}

// warn lists a warning, with the others of that text; there are few different texts.
func (w *walker) warn(path, text string) {
	for i := range w.tree.Warnings {
		if have := &w.tree.Warnings[i]; have.Text == text {
			have.Count++
			if len(have.More)+1 < maxSame {
				var unlisted int // counted by the difference
				w.rooms.same.add(path, &unlisted, func(path string) { have.More = append(have.More, path) })
			}
			return
		}
	}
	w.rooms.warnings.add(path, &w.tree.Omitted.Warnings, func(path string) {
		w.tree.Warnings = append(w.tree.Warnings, Warning{Path: path, Text: text, Count: 1})
	})
}

// noOwner is the owner of what nobody knows the owner of.
const noOwner = -1

// leftOut lists the path at hand with the rule that a verdict names, once.
func (w *walker) leftOut(v verdict) {
	p := w.here()
	if v.told || p == w.lastLeft {
		return
	}
	w.lastLeft = p
	switch {
	case v.secret: // it is told as such
		w.meet(p)
	case strings.HasPrefix(v.rule, excludeRule):
		w.lose(p)
	}
	if v.secret {
		w.rooms.filtered.add(p, &w.tree.Omitted.Filtered, func(path string) {
			w.tree.Filtered = append(w.tree.Filtered, Left{Path: path, Rule: v.rule})
		})
		return
	}
	w.rooms.excluded.add(p, &w.tree.Omitted.Excluded, func(path string) {
		w.tree.Excluded = append(w.tree.Excluded, Left{Path: path, Rule: v.rule})
	})
}
