package create

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
	"purebundle/walker"
)

// planJSON holds what --dry-run adds to the summary in JSON.
type planJSON struct {
	Mounts   []chunk.Mount   `json:"mounts"`
	Filtered []chunk.Left    `json:"filtered"`
	Keys     []chunk.Left    `json:"keys"` // would be in the image, and look like keys
	Excluded []excludedSize  `json:"excluded"`
	Largest  []directorySize `json:"largest"`
	Warnings []chunk.Warning `json:"warnings"`
}

// directorySize is a directory and the bytes in the files below it.
type directorySize struct {
	Path  chunk.Path `json:"path"`
	Bytes int64      `json:"bytes"`
}

// directorySizes adds up the files below each directory, in the order of the
// walk: a directory is complete when the walk has left it.
type directorySizes struct {
	open []directorySize // the directories that the walk is in
	done []directorySize
}

// listedDirectories is how many directories a dry run lists.
const listedDirectories = 20

func (d *directorySizes) add(e *walker.Entry) {
	for len(d.open) > 0 && !below(e.Path, string(d.open[len(d.open)-1].Path)) {
		d.close()
	}
	switch e.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		d.open = append(d.open, directorySize{Path: chunk.Path(e.Path)})
	case unix.S_IFREG:
		if e.Link == "" && len(d.open) > 0 {
			d.open[len(d.open)-1].Bytes += dataBytes(e)
		}
	}
}

// close ends the innermost directory and adds it to the one around it.
func (d *directorySizes) close() {
	last := d.open[len(d.open)-1]
	d.open = d.open[:len(d.open)-1]
	if len(d.open) > 0 {
		d.open[len(d.open)-1].Bytes += last.Bytes
		d.done = append(d.done, last)
	}
	if len(d.done) > 50*listedDirectories {
		d.trim()
	}
}

// largest ends all directories and gives the largest, SOURCE itself left out.
func (d *directorySizes) largest() []directorySize {
	for len(d.open) > 0 {
		d.close()
	}
	d.trim()
	return d.done
}

func (d *directorySizes) trim() {
	slices.SortStableFunc(d.done, func(a, b directorySize) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Path, b.Path))
	})
	d.done = d.done[:min(len(d.done), listedDirectories)]
}

func below(name, dir string) bool {
	return dir == "/" || path.Dir(name) == dir || len(name) > len(dir) && name[:len(dir)] == dir && name[len(dir)] == '/'
}

// dataBytes returns how many bytes of a file are not holes.
func dataBytes(e *walker.Entry) int64 {
	if e.Data == nil {
		return e.Size
	}
	var n int64
	for _, r := range e.Data {
		n += r.Len
	}
	return n
}

// DryRun says what run would do, and writes nothing.
func (r *Run) DryRun(ctx context.Context) error {
	s, err := r.Foresee(ctx)
	switch {
	case err != nil:
		return err
	case r.Opt.JSON:
		return cli.PrintJSON(r.App.Stdout, s)
	case r.App.Quiet:
		return nil
	}
	return r.PrintPlan(s)
}

// Foresee returns what run would do, and writes nothing.
func (r *Run) Foresee(ctx context.Context) (Summary, error) {
	r.sizes = &directorySizes{}
	err := r.Plan(ctx)
	if err == nil {
		defer r.Tree.Close()
	}
	if err = r.judged(ctx, err); err != nil {
		return Summary{}, err
	}
	defer r.Measure(ctx)()
	r.UI.Close()

	s := r.Summarize()
	parts := r.Image.Parts()
	s.ZeroParts = len(parts.Zero)
	r.target().note(&s, r.target().need(r.Image))
	s.Plan = &planJSON{Mounts: MountsJSON(r.Tree.Mounts), Filtered: leftJSON(r.Tree.Filtered), Keys: leftJSON(r.Tree.Keys),
		Excluded: r.excluded.wait(ctx.Done()), Largest: r.sizes.largest(), Warnings: warningsJSON(r.Tree.Warnings)}
	return s, nil
}

func leftJSON(left []walker.Left) []chunk.Left {
	list := make([]chunk.Left, 0, len(left))
	for _, l := range left {
		list = append(list, chunk.Left{Path: chunk.Path(l.Path), Rule: l.Rule})
	}
	return list
}

// bar draws n of most in so many columns: at least one #, unless n is zero.
func bar(n, most int64, columns int) string {
	length := 0
	if n > 0 {
		length = max(1, int(float64(n)/float64(most)*float64(columns)+0.5))
	}
	return strings.Repeat("#", length) + strings.Repeat(" ", columns-length)
}

// PrintPlan writes the dry run for people.
func (r *Run) PrintPlan(s Summary) error {
	w, plan := r.App.Stdout, s.Plan
	section := func(title string, rows [][2]string) error {
		if len(rows) == 0 {
			return nil
		}
		if _, err := fmt.Fprintf(w, "\n%s\n", title); err != nil {
			return err
		}
		return cli.PrintRows(w, rows)
	}
	err := cli.PrintRows(w, slices.Concat([][2]string{{"would bundle", r.ContentLine()}}, r.Opt.Disk.rows(), [][2]string{
		{"image", r.ImageLine(s)},
		{"inodes", inodesLine(s)},
		{"parts", fmt.Sprintf("%s of 10 MiB, %s of them all zero", words.Count(int64(s.Parts)), words.Count(int64(s.ZeroParts)))},
		{r.target().needs(), words.Size(r.target().need(r.Image)) + " at most"},
	}, r.baseRows(&s)))
	if err != nil {
		return err
	}
	var mounts, edits, filtered, keys, excluded, largest [][2]string
	for _, m := range r.Tree.Mounts {
		mounts = append(mounts, [2]string{"  " + string(m.Action), words.Printable(m.Path) + " (" + m.FSType + "): " + m.Reason})
	}
	for _, e := range s.Edits {
		edits = append(edits, [2]string{"  " + words.Printable(string(e.Path)), e.Name + ": " + words.Printable(e.What)})
	}
	for _, l := range plan.Filtered {
		filtered = append(filtered, [2]string{"  " + words.Printable(string(l.Path)), l.Rule})
	}
	for _, l := range plan.Keys {
		keys = append(keys, [2]string{"  " + words.Printable(string(l.Path)), l.Rule})
	}
	for _, l := range plan.Excluded {
		excluded = append(excluded, [2]string{"  " + words.Size(l.Bytes), words.Printable(string(l.Path)) + ": " + l.Rule})
	}
	for _, d := range plan.Largest {
		largest = append(largest, [2]string{"  " + words.Size(d.Bytes), bar(d.Bytes, plan.Largest[0].Bytes, r.App.Columns()/6) + "  " + words.Printable(string(d.Path))})
	}
	for _, s := range []struct {
		title string
		rows  [][2]string
	}{{"Mounts:", mounts}, {"Edited (--keep-files edits none, --edit-out NAME leaves one out):", edits}, {"Filtered (--no-filter keeps them):", filtered}, {"In the image, and look like keys:", keys}, {"Excluded:", excluded}, {"Largest directories:", largest}} {
		if err := section(s.title, s.rows); err != nil {
			return err
		}
	}
	return nil
}
