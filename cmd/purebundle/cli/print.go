package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
)

// PrintRows writes two columns.
func PrintRows(w io.Writer, rows [][2]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
	}
	return t.Flush()
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
	if file, ok := a.Stdout.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return min(width, maxColumns)
		}
	}
	return 80
}
