package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// target is a row of what is to be reached.
type target struct {
	what, most string // most is "" if there is no aim
	limit      float64
	got        []float64 // one a round; none: a program did not run
	format     string    // of a figure
}

// atMost adds a target for a ratio.
func (b *bench) atMost(what string, limit float64, got []float64) {
	b.add(what, fmt.Sprint(limit), limit, got, "%.3g")
}

func (b *bench) add(what, most string, limit float64, got []float64, format string) {
	b.reach = append(b.reach, target{what, most, limit, got, format})
}

// seconds adds a target for a wall time.
func (b *bench) seconds(what string, limit float64, p *program) {
	b.add(what, fmt.Sprintf("%g s", limit), limit, p.walls(), "%.3f")
}

// walls returns the wall times in seconds.
func (p *program) walls() []float64 {
	list := make([]float64, len(p.runs))
	for i, u := range p.runs {
		list[i] = u.wall.Seconds()
	}
	return list
}

// peaks returns what counts of the peak RSS: the highest, in MiB.
func peaks(p *program) []float64 {
	var most int64
	for _, u := range p.runs {
		most = max(most, u.rss)
	}
	return []float64{float64(most) / (1 << 20)}
}

// ratios returns those of the wall times of p and q, round by round.
func ratios(p, q *program) []float64 {
	if p == nil || q == nil || len(p.runs) != len(q.runs) {
		return nil
	}
	list := p.walls()
	for i, u := range q.runs {
		list[i] /= u.wall.Seconds()
	}
	return list
}

// median returns the median of a list, and does not sort it; 0 of an empty list.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(list))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// spread returns the median of a list, with the smallest and the largest.
func spread(list []float64, format string) string {
	switch len(list) {
	case 0:
		return "not measured"
	case 1:
		return fmt.Sprintf(format, list[0])
	}
	return fmt.Sprintf(format+" ("+format+"–"+format+")", median(list), slices.Min(list), slices.Max(list))
}

// medianOf returns the median of one figure of the runs.
func (p *program) medianOf(figure func(usage) float64) float64 {
	list := make([]float64, len(p.runs))
	for i, u := range p.runs {
		list[i] = figure(u)
	}
	return median(list)
}

// report prints all that was measured.
func (b *bench) report(w io.Writer) {
	if len(b.cases) == 0 {
		return
	}
	fmt.Fprintf(w, "%s; %s; %d rounds after a warm-up, seed %d.\n", time.Now().UTC().Format(time.DateOnly), machine(b.dir), b.rounds, b.seed)
	if load := loadAverage(); load != "" {
		fmt.Fprintf(w, "Load average at the end, this run included: %s.\n", load)
	}
	for _, m := range b.missing {
		fmt.Fprintf(w, "Not measured: %s.\n", m)
	}
	for _, c := range b.cases {
		c.print(w)
	}
	fmt.Fprint(w, "\nThe last column is purebundle's wall time divided by that of the row: the median of the rounds' ratios, the smallest and the largest. "+
		"Peak RSS is the highest of all rounds. Read and written are the bytes of system calls, of all files; in brackets, those of the device.\n")
	if len(b.reach) == 0 {
		return
	}
	fmt.Fprint(w, "\n| reach | at most | measured | |\n|---|---|---|---|\n")
	for _, t := range b.reach {
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", t.what, t.most, spread(t.got, t.format), t.verdict())
	}
}

func (t *target) verdict() string {
	switch {
	case len(t.got) == 0 || t.most == "":
		return ""
	case median(t.got) <= t.limit:
		return "PASS"
	}
	return "**MISS**"
}

// print writes the table of one contest.
func (c *contest) print(w io.Writer) {
	fmt.Fprintf(w, "\n### %s\n\n", c.title)
	for _, t := range c.trees {
		fmt.Fprintf(w, "%s: %s; %d entries, %s MiB of file data.\n", t.letter, t.what, t.Entries, mib(float64(t.Data)))
	}
	fmt.Fprint(w, "\n| tree | program | wall s | CPU s | peak RSS MiB | read MiB | written MiB | purebundle ÷ it |\n|---|---|---:|---:|---:|---:|---:|---:|\n")
	for _, p := range c.programs {
		if len(p.runs) == 0 {
			continue
		}
		ratio := "1"
		if own := c.reference(p); own != p {
			ratio = spread(ratios(own, p), "%.2f")
		}
		fmt.Fprintf(w, "| %s | %s | %.2f | %.2f | %.0f | %s (%s) | %s (%s) | %s |\n", p.tree.letter, p.name,
			median(p.walls()),
			p.medianOf(func(u usage) float64 { return u.cpu.Seconds() }),
			peaks(p)[0],
			mib(p.medianOf(func(u usage) float64 { return float64(u.read) })),
			mib(p.medianOf(func(u usage) float64 { return float64(u.devRead) })),
			mib(p.medianOf(func(u usage) float64 { return float64(u.written) })),
			mib(p.medianOf(func(u usage) float64 { return float64(u.devWrite) })),
			ratio)
	}
}

// reference returns the run of purebundle that another program is compared with.
func (c *contest) reference(p *program) *program {
	for _, q := range c.programs {
		if q.tree == p.tree {
			return q // purebundle comes first
		}
	}
	return p
}

func mib(bytes float64) string {
	if m := bytes / (1 << 20); m < 99.95 {
		return fmt.Sprintf("%.1f", m)
	}
	return fmt.Sprintf("%.0f", bytes/(1<<20))
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 3 {
		return strings.Join(fields[:3], " ")
	}
	return ""
}
