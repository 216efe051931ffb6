package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"purebundle/cmd/purebundle/words"
)

// PrintRows writes two columns. On a terminal, text that is too long for a line goes on
// below itself; not that of the row "next": a command can be copied whole.
func PrintRows(w io.Writer, rows [][2]string) error {
	const gap = 3 // spaces between the columns
	t := tabwriter.NewWriter(w, 0, 8, gap, ' ', 0)
	room := terminalWidth(w)
	for _, row := range rows {
		room = min(room, terminalWidth(w)-gap-utf8.RuneCountInString(row[0]))
	}
	for _, row := range rows {
		lines := []string{row[1]}
		if room > 0 && row[0] != "next" && utf8.RuneCountInString(row[1]) > room {
			lines = words.Fold(row[1], room)
		}
		for i, line := range lines {
			if i > 0 {
				row[0] = ""
			}
			fmt.Fprintf(t, "%s\t%s\n", row[0], line)
		}
	}
	return t.Flush()
}

// Paragraph returns text as lines after indent, folded if stdout is a terminal.
func (a *App) Paragraph(indent, text string) string {
	lines := []string{text}
	if width := a.TerminalWidth() - len(indent); width > 0 && utf8.RuneCountInString(text) > width {
		lines = words.Fold(text, width)
	}
	return indent + strings.Join(lines, "\n"+indent) + "\n"
}

// Seconds returns the time since then, in seconds to the millisecond, as all JSON has it.
func Seconds(since time.Time) float64 { return time.Since(since).Round(time.Millisecond).Seconds() }

func PrintJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// maxColumns is how wide running text gets: longer lines are hard to read.
const maxColumns = 100

// Columns returns how wide text on stdout may be: as the terminal, up to maxColumns; 80
// if there is none.
func (a *App) Columns() int {
	if width := a.TerminalWidth(); width > 0 {
		return min(width, maxColumns)
	}
	return 80
}

// TerminalWidth returns the columns of the terminal that stdout is, 0 if it is none.
func (a *App) TerminalWidth() int { return terminalWidth(a.Stdout) }

func terminalWidth(w io.Writer) int {
	if file, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			return width
		}
	}
	return 0
}
