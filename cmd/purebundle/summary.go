package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/ext2img"
	"purebundle/walker"
)

// summaryJSON is what --json prints: fields are added, never changed. Sizes are
// bytes, times seconds.
type summaryJSON struct {
	Source     chunk.Path     `json:"source"`
	Dest       chunk.Path     `json:"dest,omitempty"`
	DryRun     bool           `json:"dry_run"`
	Prefix     string         `json:"prefix"`
	ImageSize  int64          `json:"image_size"`
	UsedBytes  int64          `json:"used_bytes"`
	Label      string         `json:"label"`
	UUID       string         `json:"uuid"`
	Inodes     int64          `json:"inodes"`
	FreeInodes int64          `json:"free_inodes"`
	Parts      int            `json:"parts"`
	ZeroParts  int            `json:"zero_parts"`
	DiskBytes  int64          `json:"disk_bytes"`           // written, or with --dry-run needed at most
	SentBytes  int64          `json:"sent_bytes,omitempty"` // to S3, or with --dry-run at most
	Seconds    float64        `json:"seconds"`
	Counts     chunk.Counts   `json:"counts"`
	Mounts     map[string]int `json:"mounts"` // by action
	Filtered   int            `json:"filtered"`
	Excluded   int            `json:"excluded"`
	Unreadable int            `json:"unreadable"`
	Changes    map[string]int `json:"changes"` // by kind
	Warnings   int            `json:"warnings"`
	Plan       *planJSON      `json:"plan,omitempty"` // with --dry-run
}

// summarize gathers the figures of a run; parts and bytes come from the caller.
func (r *bundleRun) summarize() summaryJSON {
	stats := r.image.Stats()
	s := summaryJSON{
		Source: chunk.Path(absolute(r.cfg.source)), DryRun: r.cfg.dryRun, Prefix: r.cfg.prefix,
		ImageSize: r.image.Size(), UsedBytes: (stats.Blocks - stats.FreeBlocks) * ext2img.BlockSize,
		Label: r.params.Label, UUID: formatUUID(r.params.UUID),
		Inodes: stats.Inodes, FreeInodes: stats.FreeInodes,
		Parts: int(r.image.Size() / chunk.Size), Seconds: time.Since(r.began).Round(time.Millisecond).Seconds(),
		Counts: r.counts, Mounts: map[string]int{}, Changes: map[string]int{},
		Filtered: len(r.tree.Filtered), Excluded: len(r.tree.Excluded), Unreadable: len(r.tree.Unreadable),
		Warnings: len(r.tree.Warnings) + len(r.report.Warnings),
	}
	switch {
	case s3.IsURL(r.cfg.dest):
		s.Dest = chunk.Path(r.cfg.place.String())
	case r.cfg.dest != "":
		s.Dest = chunk.Path(absolute(r.cfg.dest))
	}
	for _, m := range r.tree.Mounts {
		s.Mounts[string(m.Action)]++
	}
	for _, c := range r.changes() {
		s.Changes[c.Kind]++
	}
	return s
}

// finished gives the figures of a run that is over.
func (r *bundleRun) finished(out chunk.Stats) summaryJSON {
	s := r.summarize()
	s.ZeroParts = out.ZeroParts
	if s3.IsURL(r.cfg.dest) {
		s.SentBytes = out.Bytes
	} else {
		s.DiskBytes = out.Bytes
	}
	return s
}

// summary tells on stdout what was made, and what to type next.
func (r *bundleRun) summary(out chunk.Stats) error {
	s := r.finished(out)
	if r.cfg.json {
		return printJSON(r.app.stdout, s)
	}
	if r.app.quiet {
		return nil
	}
	rows := r.rows("bundled", s)
	rows = append(rows, [2]string{"next", "purebundle verify" + r.cfg.s3.again() + " " + shellQuote(r.bundleName())})
	return printRows(r.app.stdout, rows)
}

// rows are the summary for people; done is what was done with SOURCE.
func (r *bundleRun) rows(done string, s summaryJSON) [][2]string {
	where := printable(r.cfg.dest) + ", "
	if s3.IsURL(r.cfg.dest) {
		where += formatSize(s.SentBytes) + " sent"
	} else {
		where += formatSize(s.DiskBytes) + " on disk"
	}
	return append([][2]string{
		{done, r.contentLine()},
		{"image", r.imageLine(s)},
		{"parts", fmt.Sprintf("%s of 10 MiB in %s", formatCount(int64(s.Parts)), where)},
	}, r.commonRows(s)...)
}

// contentLine says what of SOURCE is in the image.
func (r *bundleRun) contentLine() string {
	return fmt.Sprintf("%s: %s, %s of data", printable(r.cfg.source), plural(r.counts.Entries, "entry", "entries"), formatSize(r.counts.DataBytes))
}

// commonRows are what there is to say of a run whatever became of the parts.
func (r *bundleRun) commonRows(s summaryJSON) [][2]string {
	rate := float64(r.counts.DataBytes) / max(s.Seconds, 0.001)
	rows := append([][2]string{{"time", fmt.Sprintf("%s, %s", formatSeconds(s.Seconds), formatRate(rate))}}, r.leftOutRows()...)
	if n := len(r.changes()); n > 0 {
		rows = append(rows, [2]string{"changed", changesLine(s.Changes)})
	}
	return rows
}

// bundleName is what BUNDLE is for the other commands: DEST, or the manifest
// where DEST may hold several bundles.
func (r *bundleRun) bundleName() string {
	switch {
	case r.cfg.prefix == "image":
		return r.cfg.dest
	case s3.IsURL(r.cfg.dest):
		return bundleURL(r.cfg.place, r.cfg.prefix)
	}
	return strings.TrimSuffix(r.cfg.dest, "/") + "/" + chunk.ManifestName(r.cfg.prefix)
}

func (r *bundleRun) imageLine(s summaryJSON) string {
	name := "no label"
	if s.Label != "" {
		name = fmt.Sprintf("label %q", s.Label)
	}
	return fmt.Sprintf("ext4, %s, %s used, %s, UUID %s", formatSize(s.ImageSize), formatSize(s.UsedBytes), name, s.UUID)
}

// leftOutRows say what the image does not have.
func (r *bundleRun) leftOutRows() [][2]string {
	var rows [][2]string
	left, refused := 0, 0
	for _, m := range r.tree.Mounts {
		switch m.Action {
		case walker.Refused:
			refused++
		case walker.LeftOut:
			left++
		}
	}
	if left+refused > 0 {
		rows = append(rows, [2]string{"mounts", fmt.Sprintf("%d crossed, %d refused, %d left out",
			len(r.tree.Mounts)-left-refused, refused, left)})
	}
	if n := len(r.tree.Filtered); n > 0 {
		rows = append(rows, [2]string{"filtered", plural(int64(n), "path") + r.filteredAs()})
	}
	if n := len(r.tree.Excluded); n > 0 {
		rows = append(rows, [2]string{"excluded", plural(int64(n), "path")})
	}
	return rows
}

// changesLine counts the changes by kind, in a fixed order.
func changesLine(kinds map[string]int) string {
	var fields []string
	for k := ext2img.Vanished; k <= ext2img.Unreadable; k++ {
		if n := kinds[k.String()]; n > 0 {
			fields = append(fields, fmt.Sprintf("%s %s", formatCount(int64(n)), k))
		}
	}
	return strings.Join(fields, ", ")
}

// printRows writes two columns.
func printRows(w io.Writer, rows [][2]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
	}
	return t.Flush()
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// formatSeconds writes a run's time: tenths while they matter.
func formatSeconds(seconds float64) string {
	if seconds < 60 {
		return fmt.Sprintf("%.1fs", seconds)
	}
	return formatDuration(time.Duration(seconds * float64(time.Second)))
}

// shellQuote writes a word so that a shell reads it back.
func shellQuote(word string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=:,@%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !safe(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(printable(word), "'", `'\''`) + "'"
}

// filteredAs says what the filtered paths are, and how to keep them.
func (r *bundleRun) filteredAs() string {
	classes := r.cfg.walk.Filter.InForce()
	if classes == 0 { // walker.Options.Secret alone
		return ", named as secrets on the command line"
	}
	return ": " + classes.String() + "; --no-filter keeps them"
}
