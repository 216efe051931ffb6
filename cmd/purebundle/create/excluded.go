package create

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/work"
	"purebundle/cmd/purebundle/words"
	"purebundle/walker"
)

// excludedSize is a path that is left out, its rule, and the bytes below it.
type excludedSize struct {
	chunk.Left
	Bytes int64 `json:"bytes"`
}

// measuring is the measuring of what is left out, which goes on beside the work.
type measuring struct{ done chan []excludedSize } // gets one list

// Measure begins to measure what is left out; stop ends that, and waits no longer than
// patience for it.
func (r *Run) Measure(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan []excludedSize, 1)
	r.excluded = measuring{done}
	tree, source := r.Tree, r.Opt.Source
	go func() {
		var list []excludedSize
		_ = work.Catch(func() { list = excludedSizes(ctx, tree, source) }) // sizes are a courtesy
		if ctx.Err() != nil {                                              // it is not whole
			list = nil
		}
		done <- list
	}()
	return func() {
		late := time.AfterFunc(patience, cancel)
		r.excluded.wait(ctx.Done())
		late.Stop()
		cancel()
	}
}

// patience bounds how long a run waits for what it only tells: behind an exclude may
// be a disk that does not answer, or millions of files.
const patience = 2 * time.Second

// wait returns the list, nil if stop is closed before it is there.
func (m measuring) wait(stop <-chan struct{}) []excludedSize {
	select {
	case list := <-m.done:
		m.done <- list // for the next who asks
		return list
	case <-stop:
		return nil
	}
}

// known returns the list if it is there.
func (m measuring) known() []excludedSize {
	select {
	case list := <-m.done:
		m.done <- list
		return list
	default:
		return nil
	}
}

// excludedSizes measures what is left out, but for DEST. It enters no mount: there may
// be a server behind it that does not answer.
func excludedSizes(ctx context.Context, tree *walker.Tree, source string) []excludedSize {
	mounts := map[string]bool{}
	for _, m := range tree.Mounts {
		mounts[m.Path] = true
	}
	list := make([]excludedSize, 0, len(tree.Excluded))
	for _, l := range tree.Excluded {
		size := excludedSize{Left: chunk.Left{Path: chunk.Path(l.Path), Rule: l.Rule}, Bytes: l.Bytes}
		top := filepath.Join(source, l.Path)
		_ = filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
			rel := l.Path + strings.TrimPrefix(name, top)
			switch {
			case ctx.Err() != nil:
				return filepath.SkipAll
			case err != nil:
				return nil // what cannot be read counts as nothing
			case mounts[rel]:
				if d.IsDir() {
					return filepath.SkipDir
				}
			case d.Type().IsRegular():
				if info, err := d.Info(); err == nil {
					size.Bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
				}
			}
			return nil
		})
		list = append(list, size)
	}
	return list
}

// largestExcluded names the largest of what is left out: ": 21.7 GiB of /var/tmp, 1.5
// GiB of /tmp"; it returns "" if nothing is as large as a MiB. Older bundles have a row of
// their own.
func (r *Run) largestExcluded() string {
	const most, least = 3, 1 << 20
	list := slices.Clone(r.excluded.known())
	list = slices.DeleteFunc(list, func(e excludedSize) bool {
		return e.Bytes < least || e.Rule == walker.OutputRule || e.Rule == walker.BundleRule
	})
	slices.SortStableFunc(list, func(a, b excludedSize) int { return cmp.Compare(b.Bytes, a.Bytes) })
	var largest []string
	for _, e := range list[:min(len(list), most)] {
		largest = append(largest, fmt.Sprintf("%s of %s", words.Size(e.Bytes), words.Printable(string(e.Path))))
	}
	if len(largest) == 0 {
		return ""
	}
	return ": " + strings.Join(largest, ", ")
}
