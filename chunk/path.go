package chunk

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Path is a path as the kernel has it: bytes, seldom but sometimes not UTF-8,
// which JSON cannot hold. In the manifest a backslash is written as \\ and each
// byte that is not part of valid UTF-8 as \xHH (two lower-case hexadecimal
// digits); everything else stands for itself. So most paths look as they are,
// and each has exactly one spelling.
type Path string

// MarshalText spells p for the manifest.
func (p Path) MarshalText() ([]byte, error) {
	out := make([]byte, 0, len(p))
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRuneInString(string(p)[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\x%02x`, p[i])
		case r == '\\':
			out = append(out, `\\`...)
		default:
			out = append(out, p[i:i+n]...)
		}
		i += n
	}
	return out, nil
}

// UnmarshalText reads the spelling of MarshalText and refuses any other.
func (p *Path) UnmarshalText(text []byte) error {
	s := string(text)
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			b.WriteByte(s[i])
		case strings.HasPrefix(s[i:], `\\`):
			b.WriteByte('\\')
			i++
		case strings.HasPrefix(s[i:], `\x`) && len(s)-i >= 4:
			v, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
			if err != nil {
				return fmt.Errorf("path %q: bad escape", s)
			}
			b.WriteByte(byte(v))
			i += 3
		default:
			return fmt.Errorf("path %q: bad escape", s)
		}
	}
	raw := Path(b.String())
	if again, _ := raw.MarshalText(); string(again) != s {
		return fmt.Errorf("path %q: not spelled as purebundle spells it", s)
	}
	*p = raw
	return nil
}
