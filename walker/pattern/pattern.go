package pattern

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// compiled is one pattern ready for matching.
type compiled struct {
	source   int32 // index of the pattern that it was made from
	segs     []segment
	anchored bool
	dirOnly  bool
}

// segment matches one name, or if deep any number of names, and at the end of a pattern at least one.
type segment struct {
	text  string
	glob  bool // text is for path.Match; otherwise it is the name
	deep  bool
	first byte // what a matching name begins with; 0 if that is open
}

// maxVariants bounds what one pattern with ** inside of names grows into.
const maxVariants = 64

var (
	errEmptyPattern = errors.New("empty")
	errWholeSource  = errors.New("names the source itself")
	errDotSegment   = errors.New(`"." and ".." never match: names are compared, not paths resolved`)
	errNUL          = errors.New("contains a NUL byte")
	errManyStars    = errors.New("too many ** inside of names")
	errUnclosed     = errors.New("unclosed [ or a \\ at the end")
)

// Error says what is wrong with a pattern.
type Error struct {
	Pattern string
	Err     error
}

func (e *Error) Error() string {
	return fmt.Sprintf("pattern %q: %v", e.Pattern, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// compile parses a pattern. It returns several if ** stands inside of a name: "a**b" is "a*b" or "a*/**/*b".
func compile(text string) ([]compiled, error) {
	if text == "" {
		return nil, &Error{text, errEmptyPattern}
	}
	if strings.IndexByte(text, 0) >= 0 {
		return nil, &Error{text, errNUL}
	}
	p := compiled{anchored: text[0] == '/', dirOnly: text[len(text)-1] == '/'}
	variants := [][]string{nil}
	for name := range strings.SplitSeq(text, "/") {
		if name == "" {
			continue
		}
		alternatives := unfold(name)
		if len(variants)*len(alternatives) > maxVariants {
			return nil, &Error{text, errManyStars}
		}
		var next [][]string
		for _, v := range variants {
			for _, a := range alternatives {
				next = append(next, append(v[:len(v):len(v)], a...))
			}
		}
		variants = next
	}
	if len(variants[0]) == 0 {
		return nil, &Error{text, errWholeSource}
	}
	var out []compiled
	for _, names := range variants {
		q := p
		for i, name := range names {
			seg, err := newSegment(name)
			if err != nil {
				return nil, &Error{text, err}
			}
			last := i == len(names)-1
			if seg.deep && !last {
				if len(q.segs) == 0 { // "/**/x" and "**/x" are "x" in every directory
					q.anchored = false
					continue
				}
				if q.segs[len(q.segs)-1].deep {
					continue
				}
			}
			q.segs = append(q.segs, seg)
		}
		out = append(out, q)
	}
	return out, nil
}

// unfold spells out the ** inside of one name of a pattern as alternatives, each a list of names.
func unfold(name string) [][]string {
	if strings.Trim(name, "*") == "" && len(name) > 1 {
		return [][]string{{"**"}}
	}
	i := indexDeep(name)
	if i < 0 {
		return [][]string{{name}}
	}
	head, tail := name[:i], "*"+strings.TrimLeft(name[i:], "*")
	var out [][]string
	for _, rest := range unfold(tail) {
		out = append(out,
			append([]string{head + rest[0]}, rest[1:]...),
			append([]string{head + "*", "**"}, rest...))
	}
	return out
}

// indexDeep returns the offset in bytes of the first ** that is not escaped and not in brackets, or -1.
func indexDeep(name string) int {
	for i := 0; i < len(name); i += tokenLen(name[i:]) {
		if strings.HasPrefix(name[i:], "**") {
			return i
		}
	}
	return -1
}

// tokenLen returns the length in bytes of the first element of a name's pattern: an escaped character, a set, or one byte.
func tokenLen(s string) int {
	switch s[0] {
	case '\\':
		return min(2, len(s))
	case '[':
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case ']':
				return i + 1
			}
		}
	}
	return 1
}

// newSegment compiles one name of a pattern.
func newSegment(name string) (segment, error) {
	switch name {
	case ".", "..":
		return segment{}, errDotSegment
	case "**":
		return segment{deep: true}, nil
	}
	if !strings.ContainsAny(name, `*?[\`) {
		return segment{text: name, first: name[0]}, nil
	}
	var b strings.Builder
	for rest := name; rest != ""; {
		n := tokenLen(rest)
		if set, ok := strings.CutPrefix(rest[:n], "[!"); ok { // path.Match writes it [^
			b.WriteString("[^" + set)
		} else {
			b.WriteString(rest[:n])
		}
		rest = rest[n:]
	}
	name = b.String()
	if _, err := path.Match(name, ""); err != nil {
		return segment{}, errUnclosed
	}
	s := segment{text: name, glob: true}
	if !strings.ContainsRune(`*?[\`, rune(name[0])) {
		s.first = name[0]
	}
	return s, nil
}

// all returns true if any name completes the pattern at its segment seg.
func (p *compiled) all(seg int32) bool {
	s := &p.segs[seg]
	return int(seg) == len(p.segs)-1 && (s.deep || s.text == "*")
}

// matches says whether the segment matches a name.
func (s *segment) matches(name string) bool {
	if s.first != 0 && s.first != name[0] {
		return false
	}
	if !s.glob {
		return s.text == name
	}
	ok, _ := path.Match(s.text, name)
	return ok
}

// Quote returns the pattern that matches just the given path.
func Quote(p string) string {
	var b strings.Builder
	for i := range len(p) {
		if strings.IndexByte(`*?[\`, p[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(p[i])
	}
	return b.String()
}
