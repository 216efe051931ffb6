package progress

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rivo/uniseg"
	"github.com/schollz/progressbar/v3"

	"purebundle/cmd/purebundle/words"
)

// barPainter draws one line at the bottom of a terminal. The cursor rests at
// the line's first column: a terminal that is made narrower folds the line, and
// from there everything that it folded into can be cleared. If it became
// narrower while the line was on its way, the line is cut and not folded.
//
// progressbar/v3 v3.19.1 draws the spinner and the bar into memory; this type
// writes them. The library writes where it is told without asking whether that
// is a terminal, fails past the end and with an end of zero, keeps a goroutine
// for a timed spinner, and cannot reopen a bar that was full (a redone part
// makes the work longer). So each bar is made anew, and the spinner turns when
// it is painted.
type barPainter struct {
	w       io.Writer
	width   func() int // columns of the terminal, now
	spinner *progressbar.ProgressBar
	shown   bool // a line is on the screen
}

const (
	clearBelow = "\x1b[J"   // erase from the cursor to the end of the screen (ED)
	foldOff    = "\x1b[?7l" // cut lines at the right edge (DECAWM)
	foldOn     = "\x1b[?7h"
	minBar     = 10 // columns inside the brackets
	maxBar     = 60
)

func (b *barPainter) every() time.Duration { return 100 * time.Millisecond }

func (b *barPainter) begin(s snapshot) { b.paint(s) }

func (b *barPainter) paint(s snapshot) {
	line := b.line(s, b.width()-1)
	b.shown = true
	_, _ = io.WriteString(b.w, "\r"+foldOff+line+clearBelow+foldOn+"\r")
}

func (b *barPainter) note(n Note) {
	clear := ""
	if b.shown {
		clear = "\r" + clearBelow
		b.shown = false
	}
	_, _ = io.WriteString(b.w, clear+n.String()+"\n")
}

func (b *barPainter) end() {
	if b.shown {
		_, _ = io.WriteString(b.w, "\r"+clearBelow)
		b.shown = false
	}
}

// line gives what is shown for s in at most width columns.
func (b *barPainter) line(s snapshot, width int) string {
	switch {
	case s.phase.counts() && s.bytes < s.allBytes:
		return clip(barLine(s, width), width)
	case s.phase == Scanning:
		return clip(b.spin(scanText(s, width-2)), width)
	case s.phase == Starting:
		return clip(b.spin("starting"), width)
	default:
		return clip(b.spin("finishing  "+words.Duration(s.elapsed)), width)
	}
}

// spin puts the next frame of the spinner before text.
func (b *barPainter) spin(text string) string {
	if b.spinner == nil {
		b.spinner = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(io.Discard),
			progressbar.OptionSetSpinnerChangeInterval(0), // turn when painted, no goroutine
			progressbar.OptionSpinnerType(9),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionSetPredictTime(false))
	}
	b.spinner.Describe(text)
	return strings.TrimSpace(b.spinner.String())
}

// scanText returns what is known while the tree is walked, in at most width columns.
func scanText(s snapshot, width int) string {
	text := fmt.Sprintf("scanning  %s", words.Count(s.entries))
	for _, more := range []string{" entries", "  " + words.Size(s.found)} {
		if uniseg.StringWidth(text+more) > width {
			return text
		}
		text += more
	}
	if room := width - uniseg.StringWidth(text) - 2; s.dir != "" && room >= 12 {
		text += "  " + clipMiddle(words.Printable(s.dir), room)
	}
	return text
}

// barLine returns the bar with as many figures as there is room for.
func barLine(s snapshot, width int) string {
	head := s.phase.String()
	tail := ""
	room := width - len(head) - len(" 100% []  ")
	for _, t := range tails(s) {
		if room-uniseg.StringWidth(t) >= minBar {
			tail = t
			break
		}
	}
	inside := min(room-uniseg.StringWidth(tail), maxBar)
	if inside < 3 {
		return fmt.Sprintf("%s %3d%%", head, s.bytes*100/s.allBytes)
	}
	bar := progressbar.NewOptions64(s.allBytes,
		progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetTheme(progressbar.ThemeASCII),
		progressbar.OptionSetWidth(inside),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionShowDescriptionAtLineEnd())
	_ = bar.Set64(s.bytes) // its error is a count past the end, which snapshot rules out
	bar.Describe(tail)
	return head + strings.TrimRight(strings.TrimPrefix(bar.String(), "\r"), " ")
}

// tails returns what may stand behind the bar, the fullest first.
func tails(s snapshot) []string {
	left, rate := "", ""
	if s.remaining >= 0 {
		left = words.Duration(s.remaining) + " left"
	}
	if s.rate > 0 {
		rate = words.Rate(s.rate)
	}
	amount := words.Size(s.bytes) + " of " + words.Size(s.allBytes)
	parts := fmt.Sprintf("part %s/%s", words.Count(s.parts), words.Count(s.allParts))
	short := fmt.Sprintf("%s/%s", words.Count(s.parts), words.Count(s.allParts))
	join := func(fields ...string) string {
		var kept []string
		for _, f := range fields {
			if f != "" {
				kept = append(kept, f)
			}
		}
		return strings.Join(kept, "  ")
	}
	return []string{
		join(amount, rate, left, parts),
		join(rate, left, parts),
		join(rate, left, short),
		join(rate, left),
		join(left),
		"",
	}
}

// clip cuts text to width columns, never through a grapheme.
func clip(text string, width int) string {
	if uniseg.StringWidth(text) <= width {
		return text
	}
	var b strings.Builder
	used := 0
	for g := uniseg.NewGraphemes(text); g.Next(); {
		if used += g.Width(); used > width {
			break
		}
		b.WriteString(g.Str())
	}
	return b.String()
}

// clipMiddle shortens a path to width columns, keeping its end.
func clipMiddle(path string, width int) string {
	total := uniseg.StringWidth(path)
	if total <= width {
		return path
	}
	skip := total - width + len("...")
	used := 0
	for g := uniseg.NewGraphemes(path); g.Next(); {
		if used >= skip {
			from, _ := g.Positions()
			return "..." + path[from:]
		}
		used += g.Width()
	}
	return clip(path, width)
}
