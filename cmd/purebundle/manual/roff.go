package manual

import (
	"fmt"
	"io"
	"strings"

	"purebundle/cmd/purebundle/words"
)

// WriteRoff writes the page for man(1).
func (p Page) WriteRoff(w io.Writer, version string) error {
	var b strings.Builder
	volume := "Miscellaneous Information"
	if p.Section == 5 {
		volume = "File Formats"
	}
	fmt.Fprintf(&b, ".TH %s %d \"\" \"purebundle %s\" \"%s\"\n", strings.ToUpper(words.Roff(p.Name())), p.Section, words.Roff(version), volume)
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", words.Roff(p.Name()), words.Roff(plain(p.Short)))
	headed := false
	for _, bl := range p.blocks {
		if !headed && (bl.kind != heading || bl.level != 2) {
			b.WriteString(".SH DESCRIPTION\n")
		}
		headed = true
		switch bl.kind {
		case heading:
			macro, title := ".SS", plain(bl.text)
			if bl.level == 2 {
				macro, title = ".SH", strings.ToUpper(title)
			}
			fmt.Fprintf(&b, "%s %s\n", macro, words.Roff(title))
		case paragraph:
			fmt.Fprintf(&b, ".PP\n%s\n", roffSpans(bl.text))
		case item:
			fmt.Fprintf(&b, ".IP \\(bu 2\n%s\n", roffSpans(bl.text))
		case row:
			fmt.Fprintf(&b, ".TP\n%s\n%s\n", roffSpans(bl.cells[0]), roffSpans(bl.rest()))
		case code:
			fmt.Fprintf(&b, ".PP\n.EX\n%s\n.EE\n", words.Roff(bl.text))
		}
	}
	b.WriteString(".SH SEE ALSO\n.BR purebundle (1)")
	for _, other := range All() {
		if other.Topic != p.Topic {
			fmt.Fprintf(&b, ",\n.BR %s (%d)", words.Roff(other.Name()), other.Section)
		}
	}
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}

// roffSpans returns the text of a block with code and bold in bold letters. Text that
// is empty is an empty argument.
func roffSpans(text string) string {
	var b strings.Builder
	for i, s := range spans(text) {
		escaped := words.Roff(s.text)
		if i > 0 { // not at the beginning of a line
			escaped = strings.TrimPrefix(escaped, `\&`)
		}
		switch s.look {
		case 0:
			b.WriteString(escaped)
		default:
			b.WriteString(`\fB` + escaped + `\fR`)
		}
	}
	if b.Len() == 0 {
		return `\&`
	}
	return b.String()
}
