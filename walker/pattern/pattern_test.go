package pattern

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// matches goes down a path as the walk does.
func matches(s *Set, p string) bool {
	states := s.Top()
	dir := strings.HasSuffix(p, "/")
	names := strings.Split(strings.Trim(p, "/"), "/")
	for i, name := range names {
		last := i == len(names)-1
		if s.Match(states, name, !last || dir) >= 0 {
			return last // a match further up is another path's
		}
		states = s.Descend(states, name)
	}
	return false
}

func TestPatterns(t *testing.T) {
	tests := []struct {
		pattern  string
		yes, not []string
	}{
		{"/etc", []string{"/etc", "/etc/"}, []string{"/srv/etc", "/etc2", "/et"}},
		{"/etc/passwd", []string{"/etc/passwd"}, []string{"/srv/etc/passwd", "/passwd", "/etc"}},
		{"etc", []string{"/etc", "/srv/etc"}, []string{"/etc2", "/etc/x"}},
		{"etc/passwd", []string{"/etc/passwd", "/srv/etc/passwd"}, []string{"/passwd", "/etc/x/passwd"}},
		{"*.o", []string{"/a.o", "/x/y/.o", "/x/b.o/"}, []string{"/a.oo", "/o"}},
		{"/*.o", []string{"/a.o"}, []string{"/x/a.o"}},
		{"/a*/b", []string{"/a/b", "/aaa/b"}, []string{"/a/x/b", "/b"}},
		{"a?c", []string{"/abc", "/aéc", "/a\xffc"}, []string{"/ac", "/abbc", "/a/c"}},
		{"[a-c]x", []string{"/ax", "/cx"}, []string{"/dx", "/x"}},
		{"[!a-c]x", []string{"/dx", "/x/éx"}, []string{"/ax", "/x"}},
		{"[^a-c]x", []string{"/dx"}, []string{"/ax"}},
		{`\[!a]`, []string{"/[!a]"}, []string{"/b", "/[^a]"}},
		{`a\*b`, []string{"/a*b"}, []string{"/axb"}},
		{`a\**`, []string{"/a*", "/a*x"}, []string{"/a", "/ax", "/a*/x"}},
		{"[*][*]", []string{"/**"}, []string{"/ab"}},
		{"dir/", []string{"/dir/", "/x/dir/"}, []string{"/dir", "/x/dir"}},
		{"/dir/*/", []string{"/dir/x/"}, []string{"/dir/x", "/dir/"}},
		{"/a/**", []string{"/a/b", "/a/b/"}, []string{"/a", "/b"}},
		{"/a/**/z", []string{"/a/z", "/a/b/z", "/a/b/c/z"}, []string{"/z", "/az", "/a/b/zz"}},
		{"/a/**/**/z/**", []string{"/a/z/1", "/a/b/c/z/1"}, []string{"/a/z"}},
		{"**/z", []string{"/z", "/a/b/z"}, []string{"/zz"}},
		{"/**/z", []string{"/z", "/a/b/z"}, []string{"/zz"}},
		{"**", []string{"/a", "/a/"}, nil},
		{"/**", []string{"/a", "/a/"}, nil},
		{"/a**z", []string{"/az", "/abz", "/a/z", "/ab/yz", "/a/b/c/z"}, []string{"/z", "/a", "/az/y", "/x/az"}},
		{"/foo**", []string{"/foo", "/foobar"}, []string{"/fo"}},
		{"/a/***", []string{"/a/b"}, []string{"/a"}},
		{"//etc//passwd", []string{"/etc/passwd"}, []string{"/etc"}},
		{"a b\n", []string{"/a b\n"}, []string{"/a b"}},
		{"\xff\xfe", []string{"/\xff\xfe"}, []string{"/\xff"}},
	}
	for _, test := range tests {
		t.Run(test.pattern, func(t *testing.T) {
			s, err := NewSet([]string{test.pattern})
			must(t, err)
			for _, p := range test.yes {
				if !matches(s, p) {
					t.Errorf("does not match %q", p)
				}
			}
			for _, p := range test.not {
				if matches(s, p) {
					t.Errorf("matches %q", p)
				}
			}
		})
	}
}

func TestBadPatterns(t *testing.T) {
	for pattern, cause := range map[string]error{
		"": errEmptyPattern, "/": errWholeSource, "//": errWholeSource, "[a": errUnclosed, "x/[a-": errUnclosed, `a\`: errUnclosed, "[]": errUnclosed,
		"[z-a": errUnclosed, "../x": errDotSegment, "/a/./b": errDotSegment, "a\x00": errNUL, strings.Repeat("a**", 8): errManyStars,
	} {
		_, err := NewSet([]string{"fine", pattern})
		var bad *Error
		if !errors.As(err, &bad) || bad.Pattern != pattern || !errors.Is(err, cause) {
			t.Errorf("%q: %v, want %v", pattern, err, cause)
		}
	}
}

func TestFirstPatternIsNamed(t *testing.T) {
	s, err := NewSet([]string{"/b", "a*", "ab", "/ab"})
	must(t, err)
	if i := s.Match(s.Top(), "ab", false); i != 1 {
		t.Errorf("pattern %d", i)
	}
}

func TestQuote(t *testing.T) {
	for _, p := range []string{"/a", "/a*b/[c]/?", `/back\slash`, "/é\xff"} {
		s, err := NewSet([]string{Quote(p)})
		must(t, err)
		if !matches(s, p) || matches(s, "/aXb/c/d") {
			t.Errorf("%q is not itself", p)
		}
	}
}

// FuzzPattern looks for patterns that crash, and for paths that do not match themselves.
func FuzzPattern(f *testing.F) {
	for _, p := range []string{"/a/**/b*c", "[a-z]?", `\*`, "a**b", "/", "[!x]"} {
		f.Add(p, "/a/b/c")
	}
	f.Fuzz(func(t *testing.T, pattern, p string) {
		s, err := NewSet([]string{pattern})
		if err != nil || strings.Contains(p, "//") || strings.Trim(p, "/") == "" {
			return
		}
		matches(s, p)
		if strings.IndexByte(p, 0) < 0 && !slices.ContainsFunc(strings.Split(p, "/"), func(n string) bool { return n == "." || n == ".." }) {
			q := "/" + strings.Trim(p, "/")
			if exact, err := NewSet([]string{Quote(q)}); err != nil || !matches(exact, q) {
				t.Errorf("%q quoted: %v", q, err)
			}
		}
	})
}

// TestMatchOfUnfolded has a pattern that becomes several count as the one that the caller wrote.
func TestMatchOfUnfolded(t *testing.T) {
	s, err := NewSet([]string{"/a**b", "/c"})
	must(t, err)
	if i, j := s.Match(s.Top(), "ab", false), s.Match(s.Top(), "c", false); i != 0 || j != 1 || s.Text(i) != "/a**b" || s.Text(j) != "/c" {
		t.Errorf("patterns %d and %d", i, j)
	}
}

// TestAlive has a set without roaming patterns die as soon as no anchored one can match any more.
func TestAlive(t *testing.T) {
	for _, test := range []struct {
		pattern, dir string
		want         bool
	}{
		{"/a/b", "a", true}, {"/a/b", "x", false}, {"/a", "a", false}, {"/a/**", "a", true}, {"b", "x", true}, {"/**/b", "x", true}, {"/a/**/b", "x", false},
	} {
		s, err := NewSet([]string{test.pattern})
		must(t, err)
		if got := s.Alive(s.Descend(s.Top(), test.dir)); got != test.want {
			t.Errorf("%s below %s: alive %v", test.pattern, test.dir, got)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSeen walks "/a/b" with "/a/x" not looked into.
func TestSeen(t *testing.T) {
	patterns := []string{"/a", "b", "/a/b", "/a/*", "/a/b/**", "/a/b/*", "/a/x/deep", "/a/**/z", "/a/x/", "/a/b/", "*.o", "/b", "/c/*", "a/x/deep", "/a/x"}
	s, err := NewSet(patterns)
	must(t, err)
	seen := s.Watch()
	if got := seen.Unseen(); !slices.Equal(got, patterns) {
		t.Errorf("at first %q", got)
	}
	top := s.Top()
	seen.Enter(top)
	seen.Name(top, "a", true)
	a := s.Descend(top, "a")
	seen.Enter(a)
	seen.Name(a, "b", true)
	seen.Enter(s.Descend(a, "b"))
	seen.Name(a, "y", false)
	if got, want := seen.Unseen(), []string{"/a/x/deep", "/a/**/z", "/a/x/", "*.o", "/b", "/c/*", "a/x/deep", "/a/x"}; !slices.Equal(got, want) {
		t.Errorf("unseen %q, want %q", got, want)
	}
	seen.Name(a, "x", false)
	seen.Skip(s.Descend(a, "x"))
	if got, want := seen.Unseen(), []string{"/a/x/", "*.o", "/b", "/c/*"}; !slices.Equal(got, want) {
		t.Errorf("unseen %q, want %q", got, want)
	}
}

// TestAll asks in the directory /a/b.
func TestAll(t *testing.T) {
	for text, want := range map[string]bool{
		"/a/b/**": true, "/a/b/*": true, "b/**": true, "b/*": true, "a/**": true, "/a/**": true, "/a/*/*": true,
		"/a/b/*/": false, "/a/b/c": false, "/a/b/?": false, "/a/**/c": false, "/a/c/**": false, "b/*/c": false, "/a/b": false, "c": false,
	} {
		s, err := NewSet([]string{"/x", text})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.All(s.Descend(s.Descend(s.Top(), "a"), "b")); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
