package manual

import (
	"io"
	"strings"

	"purebundle/cmd/purebundle/words"
)

// Write shows the page in so many columns.
func (p Page) Write(w io.Writer, columns int) error {
	var b strings.Builder
	writeFolded(&b, "", "  ", p.Name()+" - "+p.Short, columns-2)
	for _, bl := range p.blocks {
		switch bl.kind {
		case heading:
			title := plain(bl.text)
			if bl.level == 2 {
				title = strings.ToUpper(title)
			}
			b.WriteString("\n" + title + "\n")
		case paragraph:
			b.WriteString("\n")
			writeFolded(&b, "  ", "  ", plain(bl.text), columns)
		case item:
			gap(&b, bl.first)
			writeFolded(&b, "  - ", "    ", plain(bl.text), columns)
		case row:
			gap(&b, bl.first)
			writeFolded(&b, "  ", "  ", plain(bl.cells[0]), columns)
			writeFolded(&b, "      ", "      ", plain(bl.rest()), columns)
		case code:
			b.WriteString("\n")
			for line := range strings.Lines(bl.text + "\n") {
				b.WriteString(strings.TrimRight("    "+line, " \n") + "\n")
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// gap leaves a line free before a list or table.
func gap(b *strings.Builder, first bool) {
	if first {
		b.WriteString("\n")
	}
}

// writeFolded writes text in lines of at most so many columns, the first after one
// indent, the others after another. Empty text is no line.
func writeFolded(b *strings.Builder, first, rest, text string, columns int) {
	if text == "" {
		return
	}
	for _, line := range words.Fold(text, columns-len(first)) {
		b.WriteString(first + line + "\n")
		first = rest
	}
}
