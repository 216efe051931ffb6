package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// plainPainter prints whole lines: for logs, cron and pipes.
type plainPainter struct{ w io.Writer }

func (p *plainPainter) every() time.Duration { return 10 * time.Second }

func (p *plainPainter) begin(s snapshot) {
	switch s.phase {
	case writing:
		p.println(fmt.Sprintf("scanned: %s, %s in files", plural(s.entries, "entry", "entries"), formatSize(s.found)))
		p.println(fmt.Sprintf("writing: %s in %s", formatSize(s.allBytes), plural(s.allParts, "part")))
	case reading, uploading, downloading:
		p.println(fmt.Sprintf("%s: %s in %s", s.phase, formatSize(s.allBytes), plural(s.allParts, "part")))
	default:
		p.println(s.phase.String())
	}
}

func (p *plainPainter) paint(s snapshot) {
	switch s.phase {
	case scanning:
		p.println(fmt.Sprintf("scanning: %s, %s in files", plural(s.entries, "entry", "entries"), formatSize(s.found)))
	case writing, reading, uploading, downloading:
		fields := []string{fmt.Sprintf("%s: %d%%", s.phase, s.bytes*100/max(s.allBytes, 1)),
			formatSize(s.bytes) + " of " + formatSize(s.allBytes),
			fmt.Sprintf("part %s of %s", formatCount(s.parts), formatCount(s.allParts))}
		if s.rate > 0 {
			fields = append(fields, formatRate(s.rate))
		}
		if s.left >= 0 {
			fields = append(fields, formatDuration(s.left)+" left")
		}
		p.println(strings.Join(fields, ", "))
	case finishing:
		p.println("finishing: " + formatDuration(s.elapsed))
	}
}

func (p *plainPainter) note(n note) { p.println(n.String()) }
func (p *plainPainter) end()        {}

func (p *plainPainter) println(line string) { _, _ = io.WriteString(p.w, line+"\n") }

// jsonPainter prints one object a line, once a second and at each phase.
type jsonPainter struct{ w io.Writer }

// jsonLine is the form of these lines; fields are added, never changed.
type jsonLine struct {
	Event       string `json:"event"` // "phase", "progress", "warning", "note", "error"
	Phase       string `json:"phase,omitempty"`
	Entries     int64  `json:"entries,omitempty"`      // met by the walk
	FoundBytes  int64  `json:"found_bytes,omitempty"`  // in their files
	Bytes       int64  `json:"bytes,omitempty"`        // of the image, made
	TotalBytes  int64  `json:"total_bytes,omitempty"`  // of the image, to make
	Parts       int64  `json:"parts,omitempty"`        // made
	TotalParts  int64  `json:"total_parts,omitempty"`  // to make
	Rate        int64  `json:"rate,omitempty"`         // bytes a second, absent if unknown
	SecondsLeft *int64 `json:"seconds_left,omitempty"` // absent if unknown
	Path        string `json:"path,omitempty"`
	Text        string `json:"text,omitempty"`
	Hint        string `json:"hint,omitempty"`
}

func (p *jsonPainter) every() time.Duration { return time.Second }
func (p *jsonPainter) begin(s snapshot)     { p.print("phase", s) }
func (p *jsonPainter) paint(s snapshot)     { p.print("progress", s) }
func (p *jsonPainter) end()                 {}

func (p *jsonPainter) note(n note) {
	writeJSONLine(p.w, jsonLine{Event: n.kind, Path: printable(n.path), Text: printable(n.text)})
}

func (p *jsonPainter) print(event string, s snapshot) {
	line := jsonLine{Event: event, Phase: s.phase.String(), Entries: s.entries, FoundBytes: s.found,
		Bytes: s.bytes, TotalBytes: s.allBytes, Parts: s.parts, TotalParts: s.allParts, Rate: int64(s.rate)}
	if s.left >= 0 {
		seconds := int64(s.left / time.Second)
		line.SecondsLeft = &seconds
	}
	writeJSONLine(p.w, line)
}

func writeJSONLine(w io.Writer, line jsonLine) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(line)
}
