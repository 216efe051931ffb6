package chunk

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestCheckPrefix(t *testing.T) {
	good := []string{"image", "a", "web-2024.06", "a=b,c:d@e+f_", "образ", "e\u0301te", "image.parts", "apart.x", strings.Repeat("x", 200)}
	for _, p := range good {
		if err := CheckPrefix(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, tt := range []struct{ prefix, want string }{
		{"", "is empty"},
		{".", "begins with '.'"},
		{"..", "begins with '.'"},
		{".hidden", "begins with '.'"},
		{"-rf", "begins with '-'"},
		{"a/b", "has '/'"},
		{"a b", "has ' '"},
		{"a\nb", `has '\n'`},
		{"a\x00b", `has '\x00'`},
		{"a\x7fb", `has '\x7f'`},
		{`a\b`, `has '\\'`},
		{"a*", "has '*'"},
		{"$HOME", "has '$'"},
		{"a\xffb", "is not UTF-8"},
		{"a\u202eb", "has '\\u202e'"},
		{"a.part", `has ".part"`},
		{"a.part.000", `has ".part"`},
		{strings.Repeat("x", 201), "longer than 200"},
	} {
		wantError(t, CheckPrefix(tt.prefix), tt.want)
	}
	if n := len(tempName(ManifestName(strings.Repeat("x", maxPrefix)))); n > 255 {
		t.Errorf("temporary names of up to %d bytes", n)
	}
}

func TestPartName(t *testing.T) {
	for _, tt := range []struct {
		i, count int
		want     string
	}{
		{0, 1, "p.part.000"}, {999, 1000, "p.part.999"}, {0, 1001, "p.part.0000"}, {1000, 1001, "p.part.1000"},
		{9999, 10000, "p.part.9999"}, {7, 10001, "p.part.00007"}, {104857, 104858, "p.part.104857"},
	} {
		if got := PartName("p", tt.i, tt.count); got != tt.want || !isFinal("p", got) {
			t.Errorf("part %d of %d is %s, want %s", tt.i, tt.count, got, tt.want)
		}
	}
	for _, count := range []int{1, 999, 1000, 1001, 10001} {
		var names []string
		for i := range count {
			names = append(names, PartName("p", i, count))
		}
		if !slices.IsSorted(names) {
			t.Errorf("%d names do not sort as numbers", count)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string][2]bool{ // belongs, isFinal
		"p.part.000": {true, true}, "p.part.12345": {true, true}, "p.sha256": {true, true}, "p.manifest.json": {true, true},
		"p.part.00": {true, false}, "p.part.": {true, false}, "p.part.000.bak": {true, false}, "p.part.00a": {true, false},
		"q.part.000": {}, "pp.part.000": {}, "p.sha256sum": {}, "p": {}, ".p.part.000.purebundle-new": {},
	} {
		if got := [2]bool{belongs("p", name), isFinal("p", name)}; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestPath(t *testing.T) {
	for raw, spelled := range map[Path]string{
		"":              "",
		"/etc/passwd":   "/etc/passwd",
		"/ü/日本":         "/ü/日本",
		`/a\b`:          `/a\\b`,
		`/a\xff`:        `/a\\xff`,
		"/a\xffb":       `/a\xffb`,
		"/\xc3":         `/\xc3`,
		"/\xed\xa0\x80": `/\xed\xa0\x80`, // a surrogate is not UTF-8
		"/\ufffd":       "/\ufffd",       // the replacement character is
		"/new\nline":    "/new\nline",
	} {
		got, err := raw.MarshalText()
		if err != nil || string(got) != spelled {
			t.Errorf("%q is spelled %q, want %q", raw, got, spelled)
		}
		var back Path
		if err := back.UnmarshalText(got); err != nil || back != raw {
			t.Errorf("%q came back as %q, %v", raw, back, err)
		}
	}
	for _, text := range []string{`\`, `\x`, `\xf`, `\xfg`, `\xFF`, `\x41`, `\n`, "\xff", `a\xc3\xa4`, `\x+1`} {
		var p Path
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %q", text, p)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add([]byte("/a\\b\xff\\xff\xc3\xa4"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, _ := Path(raw).MarshalText()
		var back Path
		if err := back.UnmarshalText(text); err != nil || string(back) != string(raw) {
			t.Fatalf("%q spelled %q came back as %q: %v", raw, text, back, err)
		}
		var p Path
		if p.UnmarshalText(raw) == nil {
			if again, _ := p.MarshalText(); !bytes.Equal(again, raw) {
				t.Fatalf("%q has two spellings: %q and %q", p, raw, again)
			}
		}
	})
}
