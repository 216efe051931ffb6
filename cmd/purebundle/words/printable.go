package words

import (
	"fmt"
	"strings"
)

// Printable makes text safe on a terminal: names of files may hold anything, so
// control characters and bytes that are not UTF-8 appear as \xNN. Newlines
// become "; ", so that an error stays on its line.
func Printable(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '\n':
			b.WriteString("; ")
		case r == '\uFFFD' && text[i] != 0xEF:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Quote writes a word so that a shell reads it back.
func Quote(word string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=:,@%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !safe(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(Printable(word), "'", `'\''`) + "'"
}
