package main

import (
	"os"
	"strings"
	"testing"
)

// The tables of the README and of the manual say what the report beside this file says;
// another figure there changes them, and one that is missing is an error.
func TestTexts(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	report := read("results.md")
	for name, least := range map[string]int{"../../../README.md": 6, "../manual/speed.md": 60} {
		text := read(name)
		filled, count, err := readReport(report).fill(text)
		if err != nil || count < least {
			t.Errorf("%s: %d figures, %v", name, count, err)
		} else if filled != text {
			t.Errorf("%s does not say what the report says: go run ./cmd/purebundle/bench texts cmd/purebundle/bench/results.md README.md cmd/purebundle/manual/speed.md", name)
		}
		other := strings.Replace(report, "| A | purebundle | ", "| A | purebundle | 9", 1)
		if changed, _, err := readReport(other).fill(text); err != nil || changed == text || strings.Count(changed, "\n") != strings.Count(text, "\n") {
			t.Errorf("%s: another figure changes nothing (%v)", name, err)
		}
		if _, _, err := readReport(strings.Replace(report, "### B and E", "### B", 1)).fill(text); err == nil || !strings.Contains(err.Error(), "the report has no ") {
			t.Errorf("%s: a report without B: %v", name, err)
		}
	}
	// What report prints is read.
	b := &bench{config: config{rounds: 1}, cases: []*contest{{title: "D", programs: []*program{{name: "purebundle", tree: &tree{letter: "D"}, runs: []usage{{wall: 1500e6, rss: 3 << 20}}}}}}}
	b.atMost("D: wall against the floor", 1.5, []float64{0.5})
	var printed strings.Builder
	b.report(&printed)
	f := readReport(printed.String())
	if got := f.runs[[3]string{"D", "D", "purebundle"}]; got != [2]string{"1.50", "3"} || f.reached["D: wall against the floor"] != "0.5" {
		t.Errorf("%q, %q of\n%s", got, f.reached, printed.String())
	}
}
