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
	// What no report had yet is left, and filled by the first that has it; how large a tree is follows.
	const row = "| what | aim | seen |\n|---|---|---|\n| 1,000,000 names of 255 bytes, peak RSS in MiB | – | – |\n\n| tree | purebundle |\n|---|---|\n| A, cold, 1 entries, 2 MiB | 1 s |\n"
	if same, n, err := readReport(report).fill(row); err != nil || n != 1 || !strings.Contains(same, "| – | – |") {
		t.Errorf("%d figures, %v:\n%s", n, err, same)
	}
	more := report + "\nA: a Debian root; 12345 entries, 678 MiB of file data.\n| H3: peak RSS in MiB | 398 | 321 | PASS |\n"
	if filled, n, err := readReport(more).fill(row); err != nil || n != 3 || !strings.Contains(filled, "| 398 | 321 |") || !strings.Contains(filled, "| A, cold, 12,345 entries, 678 MiB | ") {
		t.Errorf("%d figures, %v:\n%s", n, err, filled)
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
