package progress

import (
	"encoding/json"
	"io"
	"time"

	"purebundle/cmd/purebundle/words"
)

// jsonPainter prints one object a line, once a second and at each phase.
type jsonPainter struct{ w io.Writer }

// JSONLine is the form of these lines; fields are added, never changed.
type JSONLine struct {
	Event       string `json:"event"` // "phase", "progress", "warning", "note", "error"
	Phase       string `json:"phase,omitempty"`
	Entries     int64  `json:"entries,omitempty"`      // met by the walk
	FoundBytes  int64  `json:"found_bytes,omitempty"`  // in their files
	Bytes       int64  `json:"bytes,omitempty"`        // of the image, made
	TotalBytes  int64  `json:"total_bytes,omitempty"`  // of the image, to make
	Parts       int64  `json:"parts,omitempty"`        // made
	TotalParts  int64  `json:"total_parts,omitempty"`  // to make
	KeptParts   int64  `json:"kept_parts,omitempty"`   // of the base
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

func (p *jsonPainter) note(n Note) {
	WriteJSON(p.w, JSONLine{Event: n.Kind, Path: words.Printable(n.path), Text: words.Printable(n.Text)})
}

func (p *jsonPainter) print(event string, s snapshot) {
	line := JSONLine{Event: event, Phase: s.phase.String(), Entries: s.entries, FoundBytes: s.found,
		Bytes: s.bytes, TotalBytes: s.allBytes, Parts: s.parts, TotalParts: s.allParts, KeptParts: s.kept, Rate: int64(s.rate)}
	if s.remaining >= 0 {
		seconds := int64(s.remaining / time.Second)
		line.SecondsLeft = &seconds
	}
	WriteJSON(p.w, line)
}

func WriteJSON(w io.Writer, line JSONLine) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(line)
}
