package progress

import (
	"fmt"
	"io"
	"strings"
	"time"

	"purebundle/cmd/purebundle/words"
)

// plainPainter prints whole lines: for logs, cron and pipes.
type plainPainter struct{ w io.Writer }

func (p *plainPainter) every() time.Duration { return 10 * time.Second }

func (p *plainPainter) begin(s snapshot) {
	switch s.phase {
	case Writing:
		p.println(fmt.Sprintf("scanned: %s, %s in files", words.Plural(s.entries, "entry", "entries"), words.Size(s.found)))
		p.println(fmt.Sprintf("writing: %s in %s", words.Size(s.allBytes), words.Plural(s.allParts, "part")))
	case Reading, Uploading, Downloading:
		p.println(fmt.Sprintf("%s: %s in %s", s.phase, words.Size(s.allBytes), words.Plural(s.allParts, "part")))
	default:
		p.println(s.phase.String())
	}
}

func (p *plainPainter) paint(s snapshot) {
	switch s.phase {
	case Scanning:
		p.println(fmt.Sprintf("scanning: %s, %s in files", words.Plural(s.entries, "entry", "entries"), words.Size(s.found)))
	case Writing, Reading, Uploading, Downloading:
		fields := []string{fmt.Sprintf("%s: %d%%", s.phase, s.bytes*100/max(s.allBytes, 1)),
			words.Size(s.bytes) + " of " + words.Size(s.allBytes),
			fmt.Sprintf("part %s of %s", words.Count(s.parts), words.Count(s.allParts))}
		if s.rate > 0 {
			fields = append(fields, words.Rate(s.rate))
		}
		if s.remaining >= 0 {
			fields = append(fields, words.Duration(s.remaining)+" left")
		}
		p.println(strings.Join(fields, ", "))
	case Finishing:
		p.println("finishing: " + words.Duration(s.elapsed))
	}
}

func (p *plainPainter) note(n Note) { p.println(n.String()) }
func (p *plainPainter) end()        {}

func (p *plainPainter) println(line string) { _, _ = io.WriteString(p.w, line+"\n") }
