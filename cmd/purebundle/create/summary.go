package create

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img"
	"purebundle/walker"
)

// Summary holds what --json prints: fields are added, never changed. Sizes are
// bytes, times seconds.
type Summary struct {
	Source        chunk.Path     `json:"source"`
	Dest          chunk.Path     `json:"dest,omitempty"`
	DryRun        bool           `json:"dry_run"`
	Prefix        string         `json:"prefix"`
	ImageSize     int64          `json:"image_size"`
	UsedBytes     int64          `json:"used_bytes"`
	Disk          *chunk.Disk    `json:"disk,omitempty"` // with --disk
	Label         string         `json:"label"`
	UUID          string         `json:"uuid"`
	Inodes        int64          `json:"inodes"`
	FreeInodes    int64          `json:"free_inodes"`
	Parts         int            `json:"parts"`
	ZeroParts     int            `json:"zero_parts"`
	DiskBytes     int64          `json:"disk_bytes"`              // written, or with --dry-run needed at most
	SentBytes     int64          `json:"sent_bytes,omitempty"`    // to S3, or with --dry-run at most
	SkippedParts  int            `json:"skipped_parts,omitempty"` // in S3 already
	Base          chunk.Path     `json:"base,omitempty"`          // the older bundle that this one keeps to
	NoBase        string         `json:"no_base,omitempty"`       // why it has none, though one was looked for
	KeptParts     int            `json:"kept_parts,omitempty"`    // that are the base's
	FilesRead     int64          `json:"files_read"`              // of which content was read
	BytesRead     int64          `json:"bytes_read"`              // of them
	Seconds       float64        `json:"seconds"`
	Counts        chunk.Counts   `json:"counts"`
	Mounts        map[string]int `json:"mounts"` // by action
	Filtered      int            `json:"filtered"`
	Keys          int            `json:"keys"` // in the image, and look like keys
	Excluded      int            `json:"excluded"`
	ExcludedBytes int64          `json:"excluded_bytes,omitempty"` // on disk, if that was known in time
	Bundles       int            `json:"bundles,omitempty"`        // older ones among the excluded
	Unreadable    int            `json:"unreadable"`
	Changes       map[string]int `json:"changes"` // by kind
	Edits         []chunk.Edit   `json:"edits,omitempty"`
	Warnings      int            `json:"warnings"`
	Plan          *planJSON      `json:"plan,omitempty"` // with --dry-run
}

// Summarize gathers the figures of a run; parts and bytes come from the caller.
func (r *Run) Summarize() Summary {
	stats, more := r.Image.Stats(), r.Tree.Omitted
	s := Summary{
		Source: chunk.Path(cli.Absolute(r.Opt.Source)), Dest: r.target().full(), DryRun: r.Opt.DryRun, Prefix: r.Opt.Prefix,
		ImageSize: r.Image.Size(), UsedBytes: (stats.Blocks - stats.FreeBlocks) * ext2img.BlockSize,
		Disk: r.Opt.Disk.manifest(r.Tree.Mounts), Label: r.Opt.Image.Label, UUID: uuid.UUID(r.Opt.Image.UUID).String(),
		Inodes: stats.Inodes, FreeInodes: stats.FreeInodes,
		Parts: int(r.Image.Size() / chunk.Size), Seconds: cli.Seconds(r.Began),
		Counts: r.counts, Mounts: map[string]int{}, Changes: map[string]int{},
		Filtered: len(r.Tree.Filtered) + more.Filtered, Keys: len(r.Tree.Keys) + r.Tree.Omitted.Keys, Excluded: len(r.Tree.Excluded) + more.Excluded,
		Bundles: r.Tree.Bundles.Count, Edits: r.edits.done,
		Unreadable: len(r.Tree.Unreadable) + more.Unreadable,
		Warnings:   r.warnings(),
	}
	s.FilesRead, s.BytesRead = r.Report.FilesRead, r.Report.BytesRead
	if m := r.base.manifest(len(r.Image.Parts().Kept)); m != nil {
		s.Base, s.KeptParts = m.Bundle, m.Kept
	} else {
		s.NoBase = r.baseless
	}
	for _, e := range r.excluded.known() {
		if e.Rule != walker.OutputRule {
			s.ExcludedBytes += e.Bytes
		}
	}
	for _, m := range r.Tree.Mounts {
		s.Mounts[string(m.Action)]++
	}
	for _, c := range r.Changes() {
		s.Changes[c.Kind]++
	}
	for kind, more := range r.Report.More {
		s.Changes[kind.String()] += more
	}
	if more.Vanished > 0 {
		s.Changes[ext2img.Vanished.String()] += more.Vanished
	}
	return s
}

// Finished returns the figures of a run that is over.
func (r *Run) Finished(out chunk.Stats) Summary {
	s := r.Summarize()
	s.ZeroParts, s.SkippedParts = out.ZeroParts, out.Kept
	if s.Base != "" {
		s.KeptParts = out.Taken
	}
	r.target().note(&s, out.Bytes)
	return s
}

// summary tells on stdout what was made, and what to type next.
func (r *Run) summary(out chunk.Stats) error {
	s := r.Finished(out)
	if r.Opt.JSON {
		return cli.PrintJSON(r.App.Stdout, s)
	}
	if r.App.Quiet {
		return nil
	}
	rows := r.Rows("bundled", s)
	rows = append(rows, [2]string{"next", "purebundle verify" + r.Opt.S3.Again() + " " + words.Quote(r.BundleName())})
	return cli.PrintRows(r.App.Stdout, rows)
}

// Rows returns the summary for people; done says what was done with SOURCE.
func (r *Run) Rows(done string, s Summary) [][2]string {
	return slices.Concat([][2]string{{done, r.ContentLine()}}, r.Opt.Disk.rows(), [][2]string{
		{"image", r.ImageLine(s)},
		{"inodes", inodesLine(s)},
		{"parts", fmt.Sprintf("%s of 10 MiB in %s, %s", words.Count(int64(s.Parts)), words.Printable(r.target().shown()), r.target().took(&s))},
	}, r.CommonRows(s))
}

// ContentLine says what of SOURCE is in the image.
func (r *Run) ContentLine() string {
	return fmt.Sprintf("%s: %s, %s of data", words.Printable(r.Opt.Source), words.Plural(r.counts.Entries, "entry", "entries"), words.Size(r.counts.DataBytes))
}

// CommonRows returns what is to be said of a run whatever became of the parts.
func (r *Run) CommonRows(s Summary) [][2]string {
	rate := float64(r.counts.DataBytes) / max(s.Seconds, 0.001)
	rows := append(append(r.baseRows(&s), [2]string{"time", fmt.Sprintf("%s, %s", words.Seconds(s.Seconds), words.Rate(rate))}), r.LeftOutRows()...)
	if n := len(r.Changes()); n > 0 {
		rows = append(rows, [2]string{"changed", ChangesLine(s.Changes)})
	}
	return rows
}

// BundleName returns what the other commands take as BUNDLE: DEST, or the manifest
// if DEST may hold several bundles.
func (r *Run) BundleName() string {
	if r.Opt.Prefix == "image" && r.volume == nil {
		return r.Opt.Dest
	}
	return r.target().bundle(r.Opt.Prefix)
}

func (r *Run) ImageLine(s Summary) string {
	name := "no label"
	if s.Label != "" {
		name = fmt.Sprintf("label %q", s.Label)
	}
	size := s.ImageSize
	if s.Disk != nil {
		size = r.Image.Stats().FSSize
	}
	return fmt.Sprintf("ext4, %s, %s used, %s, UUID %s", words.Size(size), words.Size(s.UsedBytes), name, s.UUID)
}

func inodesLine(s Summary) string {
	return fmt.Sprintf("%s, %s free", words.Count(s.Inodes), words.Count(s.FreeInodes))
}

// LeftOutRows returns what the image does not have.
func (r *Run) LeftOutRows() [][2]string {
	var rows [][2]string
	left, refused := 0, 0
	for _, m := range r.Tree.Mounts {
		switch m.Action {
		case walker.Refused:
			refused++
		case walker.LeftOut:
			left++
		}
	}
	if left+refused > 0 {
		rows = append(rows, [2]string{"mounts", fmt.Sprintf("%d crossed, %d refused, %d left out",
			len(r.Tree.Mounts)-left-refused, refused, left)})
	}
	rows = append(rows, r.missingRows()...)
	if n := len(r.Tree.Filtered) + r.Tree.Omitted.Filtered; n > 0 {
		rows = append(rows, [2]string{"filtered", words.Plural(int64(n), "path") + r.filteredAs()})
	}
	if n := len(r.Tree.Excluded) + r.Tree.Omitted.Excluded; n > 0 {
		rows = append(rows, [2]string{"excluded", words.Plural(int64(n), "path") + r.largestExcluded()})
	}
	rows = append(rows, r.bundleRows()...)
	rows = append(rows, r.editRows()...)
	switch n := len(r.Tree.Keys) + r.Tree.Omitted.Keys; n {
	case 0:
	case 1:
		rows = append(rows, [2]string{"keys", "1 file that looks like a key is in the image; -v names it"})
	default:
		rows = append(rows, [2]string{"keys", words.Count(int64(n)) + " files that look like keys are in the image; -v names them"})
	}
	return rows
}

// ChangesLine counts the changes by kind, in a fixed order.
func ChangesLine(kinds map[string]int) string {
	var fields []string
	for k := ext2img.Vanished; k <= ext2img.Unreadable; k++ {
		if n := kinds[k.String()]; n > 0 {
			fields = append(fields, fmt.Sprintf("%s %s", words.Count(int64(n)), k))
		}
	}
	return strings.Join(fields, ", ")
}

// filteredAs says what the filtered paths are, and how to keep them.
func (r *Run) filteredAs() string {
	classes := r.Opt.Walk.Filter.InForce()
	if classes == 0 { // walker.Options.Secret alone
		return ", named as secrets on the command line"
	}
	return ": " + classes.String() + "; --no-filter keeps them"
}

// bundleRows name the older bundles that are not in the image.
func (r *Run) bundleRows() [][2]string {
	if r.Tree.Bundles.Count == 0 {
		return nil
	}
	var paths []string
	for _, l := range r.Tree.Excluded {
		if l.Rule == walker.BundleRule {
			paths = append(paths, words.Printable(l.Path))
		}
	}
	return [][2]string{{"bundles", fmt.Sprintf("%s of %s left out: %s; --bundles keeps them",
		words.Plural(int64(r.Tree.Bundles.Count), "older bundle"), words.Size(r.Tree.Bundles.Bytes), someOf(paths))}}
}

// someOf lists the first few paths.
func someOf(paths []string) string {
	const most = 5
	text := strings.Join(paths[:min(len(paths), most)], ", ")
	if len(paths) > most {
		text += ", …"
	}
	return text
}

// editRows name the files that are not as SOURCE has them.
func (r *Run) editRows() [][2]string {
	var paths []string
	for _, e := range r.edits.done {
		if path := words.Printable(string(e.Path)); !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	switch {
	case len(paths) == 0:
		return nil
	case len(r.edits.files) == 0: // the one that was asked for
		return [][2]string{{"edited", someOf(paths)}}
	}
	why := ""
	if kind := r.Tree.Mounts[0].FSType; kind != "ext4" {
		why = fmt.Sprintf(", as %s is %s and the image ext4", words.Printable(r.Opt.Source), kind)
	}
	return [][2]string{{"edited", words.Plural(int64(len(paths)), "file") + why + ": " + someOf(paths) + "; --keep-files edits none"}}
}

// missingRows name the local disks and overlays that are not in the image.
func (r *Run) missingRows() [][2]string {
	var paths []string
	for _, m := range r.Tree.Mounts {
		if m.Missing == walker.MissingDisk || m.Missing == walker.MissingNamed {
			paths = append(paths, words.Printable(m.Path))
		}
	}
	if len(paths) == 0 {
		return nil
	}
	return [][2]string{{"missing", words.Plural(int64(len(paths)), "local disk") + " left out: " + someOf(paths) + "; --cross PATH takes one"}}
}
