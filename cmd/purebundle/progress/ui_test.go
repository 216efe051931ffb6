package progress

import (
	"fmt"
	"strings"
	"testing"
)

// Every mode has its painter, and every phase its word.
func TestModes(t *testing.T) {
	for name, want := range map[string]string{"auto": "*progress.plainPainter", "bar": "*progress.barPainter", "plain": "*progress.plainPainter", "json": "*progress.jsonPainter", "none": "<nil>"} {
		var m Mode
		if err := m.Set(name); err != nil || m.String() != name {
			t.Errorf("%s: %v, %s", name, err, m)
		}
		if got := fmt.Sprintf("%T", newPainter(&strings.Builder{}, m)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	m := Plain
	if err := m.Set("colour"); err == nil || m != Plain {
		t.Errorf("colour: %v, %s", err, m)
	}
	counting := ""
	for p := Starting; p <= Finishing; p++ {
		if p.counts() {
			counting += p.String() + " "
		}
	}
	if counting != "writing reading uploading downloading " {
		t.Error(counting)
	}
}

// What is noted is printed until the end, and never after it.
func TestNotes(t *testing.T) {
	var out strings.Builder
	u := New(&out, Plain)
	u.Warn("/a\x1bb", "odd")
	u.Say("", "fine")
	u.Begin(Scanning)
	u.Close()
	u.Close()
	u.Warn("", "late")
	if u.Print(Note{Kind: "note", Text: "late"}) {
		t.Error("printed after the end")
	}
	if got, want := out.String(), "warning: /a\\x1bb: odd\nfine\nscanning\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if quiet := New(&out, None); !quiet.Silent || quiet.Print(Note{Text: "x"}) {
		t.Error("none prints")
	}
}

// The bar never counts past the end, and says nothing of time before it knows.
func TestSnapshot(t *testing.T) {
	u := New(&strings.Builder{}, None)
	u.Begin(Writing)
	u.AllBytes.Store(100)
	u.Bytes.Store(120)
	u.Entries.Store(7)
	s := u.snapshot()
	if s.phase != Writing || s.bytes != 100 || s.allBytes != 100 || s.entries != 7 || s.rate != 0 || s.remaining >= 0 {
		t.Errorf("%+v", s)
	}
}
