package progress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"
)

// moment returns a snapshot in the middle of writing.
func moment(done, all int64) snapshot {
	return snapshot{phase: Writing, bytes: done, allBytes: all, parts: done / (10 << 20), allParts: all / (10 << 20),
		rate: 182 << 20, remaining: 9 * time.Second}
}

// At every width the bar fits, says the same percentage and drops figures from
// the right.
func TestBarWidths(t *testing.T) {
	for width := 1; width <= 220; width++ {
		for _, percent := range []int64{0, 1, 9, 42, 99} {
			b := &barPainter{width: func() int { return width }}
			s := moment(percent*(29<<20), 100*(29<<20))
			line := b.line(s, width)
			if got := uniseg.StringWidth(line); got > width {
				t.Fatalf("width %d: %d columns: %q", width, got, line)
			}
			if width >= 14 && !strings.Contains(line, fmt.Sprintf(" %d%%", percent)) {
				t.Errorf("width %d: no %d%%: %q", width, percent, line)
			}
			if strings.ContainsAny(line, "\r\n\x1b") {
				t.Errorf("width %d: control characters: %q", width, line)
			}
			for least, word := range map[int]string{39: "9s left", 79: "182 MiB/s", 99: "part "} {
				if width >= least && !strings.Contains(line, word) {
					t.Errorf("width %d: no %q: %q", width, word, line)
				}
			}
		}
	}
}

func TestBarLine(t *testing.T) {
	b := &barPainter{}
	for _, c := range []struct {
		width int
		want  string
	}{
		{39, "writing  50% [======>........]  9s left"},
		{79, "writing  50% [====>.....]  500 MiB of 1000 MiB  182 MiB/s  9s left  part 50/100"},
	} {
		if got := b.line(moment(500<<20, 1000<<20), c.width); got != c.want {
			t.Errorf("width %d: %q, want %q", c.width, got, c.want)
		}
	}
}

// However the counters run, no more than 100% is shown, and 100% only as the
// next phase.
func TestBarNeverFull(t *testing.T) {
	u := New(&bytes.Buffer{}, None)
	u.phase.Store(int32(Writing))
	for _, c := range []struct{ done, all int64 }{{0, 0}, {0, 10}, {999_999_999, 1_000_000_000}, {10, 10}, {20, 10}, {-5, 10}} {
		u.Bytes.Store(c.done)
		u.AllBytes.Store(c.all)
		line := (&barPainter{}).line(u.snapshot(), 80)
		if strings.Contains(line, "100%") {
			t.Errorf("%d of %d: %q", c.done, c.all, line)
		}
	}
}

func TestScanText(t *testing.T) {
	s := snapshot{phase: Scanning, entries: 12345, found: 3 << 29, dir: "/usr/share/doc/\x1b[31mevil\n/日本語/somewhere/far/down/in/the/tree"}
	for width := 10; width < 200; width++ {
		text := (&barPainter{}).line(s, width)
		if got := uniseg.StringWidth(text); got > width {
			t.Fatalf("width %d: %d columns: %q", width, got, text)
		}
		if strings.ContainsAny(text, "\x1b\n\r") {
			t.Fatalf("control characters: %q", text)
		}
	}
	if got := (&barPainter{}).line(s, 60); !strings.Contains(got, "12,345 entries") || !strings.Contains(got, "1.5 GiB") || !strings.HasSuffix(got, "tree") {
		t.Errorf("%q", got)
	}
}

func TestPlainLines(t *testing.T) {
	var out bytes.Buffer
	p := &plainPainter{&out}
	p.begin(snapshot{phase: Scanning})
	p.paint(snapshot{phase: Scanning, entries: 1, found: 1024})
	p.begin(snapshot{phase: Writing, entries: 2500, found: 5 << 20, allBytes: 30 << 20, allParts: 3})
	p.note(Note{"warning", "/a\nb", "odd\x1b[2J"})
	p.paint(moment(10<<20, 30<<20))
	p.begin(snapshot{phase: Finishing})
	p.end()
	want := `scanning
scanning: 1 entry, 1 KiB in files
scanned: 2,500 entries, 5 MiB in files
writing: 30 MiB in 3 parts
warning: /a; b: odd\x1b[2J
writing: 33%, 10 MiB of 30 MiB, part 1 of 3, 182 MiB/s, 9s left
finishing
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Each line of --progress json is one object with the documented keys.
func TestJSONLines(t *testing.T) {
	var out bytes.Buffer
	p := &jsonPainter{&out}
	p.begin(snapshot{phase: Scanning, remaining: -1})
	p.paint(moment(10<<20, 30<<20))
	p.note(Note{"warning", "/a\xff", "odd"})
	var events []string
	for line := range strings.Lines(out.String()) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		events = append(events, fmt.Sprint(object["event"]))
	}
	if got := strings.Join(events, " "); got != "phase progress warning" {
		t.Errorf("events %q", got)
	}
	want := `{"event":"progress","phase":"writing","bytes":10485760,"total_bytes":31457280,"parts":1,"total_parts":3,"rate":190840832,"seconds_left":9}`
	if !strings.Contains(out.String(), want+"\n") {
		t.Errorf("no line %s in\n%s", want, out.String())
	}
	if !strings.Contains(out.String(), `"path":"/a\\xff"`) {
		t.Errorf("a path that is not UTF-8 is not escaped:\n%s", out.String())
	}
}

func TestMeter(t *testing.T) {
	var m meter
	start := time.Unix(1000, 0)
	if m.rate() != 0 || m.remaining(10) >= 0 {
		t.Error("an empty meter knows something")
	}
	for i := range 100 {
		m.add(start.Add(time.Duration(i)*100*time.Millisecond), int64(i)*100)
	}
	if got := m.rate(); got < 999 || got > 1001 {
		t.Errorf("rate %v, want 1000", got)
	}
	if got := m.remaining(5000); got != 5*time.Second {
		t.Errorf("left %v, want 5s", got)
	}
	// A stall of the whole window is a rate of zero and no guess.
	for i := range 30 {
		m.add(start.Add(10*time.Second+time.Duration(i)*time.Second), 9900)
	}
	if m.rate() != 0 || m.remaining(1) >= 0 {
		t.Errorf("after a stall: rate %v, left %v", m.rate(), m.remaining(1))
	}
	if len(m.samples) > 20 {
		t.Errorf("%d samples kept", len(m.samples))
	}
}
