package main

import (
	"fmt"

	"purebundle/chunk"
)

// readProgress shows how far the reading of a bundle has come.
type readProgress struct{ *ui }

// progress starts showing the parts of b as they pass.
func (a *app) progress(mode progressMode, b *chunk.Bundle, p phase) readProgress {
	if a.quiet {
		mode = progressNone
	}
	a.jsonErrors = mode == progressJSON
	show := readProgress{a.newUI(mode)}
	show.allBytes.Store(b.Size())
	show.allParts.Store(int64(len(b.Manifest().Parts)))
	show.begin(p)
	return show
}

// newUI starts showing progress; what is said meanwhile appears above it.
func (a *app) newUI(mode progressMode) *ui {
	u := newUI(a.stderr, mode)
	a.shown.Store(u)
	return u
}

// say prints a line that is no error, whatever the progress does: with -v, from
// any goroutine.
func (a *app) say(text string) {
	switch u := a.shown.Load(); {
	case u != nil && u.print(note{"note", "", text}):
	case a.jsonErrors:
		writeJSONLine(a.stderr, jsonLine{Event: "note", Text: printable(text)})
	default:
		fmt.Fprintln(a.stderr, printable(text))
	}
}

// made counts one part.
func (p readProgress) made(int) {
	p.parts.Add(1)
	p.bytes.Add(chunk.Size)
}

// errorLine prints one of several errors; the last is the command's own.
func (a *app) errorLine(text string) {
	if a.jsonErrors {
		writeJSONLine(a.stderr, jsonLine{Event: "error", Text: printable(text)})
		return
	}
	fmt.Fprintf(a.stderr, "purebundle: %s\n", printable(text))
}
