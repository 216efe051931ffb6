package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"purebundle/chunk"
	"purebundle/ext2img"
)

// manifest fills in all of the manifest but what the chunk package knows.
func (r *bundleRun) manifest() *chunk.Manifest {
	stats := r.image.Stats()
	now := r.params.Now
	m := &chunk.Manifest{
		Tool:    "purebundle " + version,
		Created: time.Unix(now.Sec, int64(now.Nsec)).UTC().Truncate(time.Second),
		Source:  chunk.Path(absolute(r.cfg.source)),
		Image: chunk.Image{
			Size: r.image.Size(), FSSize: stats.FSSize, BlockSize: ext2img.BlockSize,
			Blocks: stats.Blocks, FreeBlocks: stats.FreeBlocks,
			Inodes: stats.Inodes, FreeInodes: stats.FreeInodes,
			Type: "ext4", Label: r.params.Label, UUID: formatUUID(r.params.UUID),
		},
		Counts: r.counts,
		Mounts: []chunk.Mount{}, Filtered: []chunk.Left{}, Excluded: []chunk.Left{},
		Unreadable: []chunk.Problem{}, Changes: []chunk.Change{}, Warnings: []chunk.Warning{},
	}
	m.Host, _ = os.Hostname() // a manifest without it is as good
	for _, t := range r.tree.Mounts {
		m.Mounts = append(m.Mounts, chunk.Mount{
			Path: chunk.Path(t.Path), FSType: t.FSType, Source: chunk.Path(t.Source), Root: chunk.Path(t.Root),
			Action: string(t.Action), Reason: t.Reason,
		})
	}
	for _, l := range r.tree.Filtered {
		m.Filtered = append(m.Filtered, chunk.Left{Path: chunk.Path(l.Path), Rule: l.Rule})
	}
	for _, l := range r.tree.Excluded {
		m.Excluded = append(m.Excluded, chunk.Left{Path: chunk.Path(l.Path), Rule: l.Rule})
	}
	for _, p := range r.tree.Unreadable {
		m.Unreadable = append(m.Unreadable, chunk.Problem{Path: chunk.Path(p.Path), Cause: p.Err.Error()})
	}
	m.Changes = r.changes()
	for _, w := range r.tree.Warnings {
		m.Warnings = append(m.Warnings, chunk.Warning{Path: chunk.Path(w.Path), Text: countedText(w.Text, w.Count)})
	}
	for _, w := range r.report.Warnings {
		m.Warnings = append(m.Warnings, chunk.Warning{Path: chunk.Path(w.Path), Text: w.Text})
	}
	return m
}

// changes are the files that moved under the walk or under the read, by path.
func (r *bundleRun) changes() []chunk.Change {
	list := []chunk.Change{}
	for _, path := range r.tree.Vanished {
		list = append(list, chunk.Change{Path: chunk.Path(path), Kind: ext2img.Vanished.String(), Detail: "gone when the walk came to it"})
	}
	for _, c := range r.report.Changes {
		list = append(list, chunk.Change{Path: chunk.Path(c.Path), Kind: c.Kind.String(), Detail: c.Detail})
	}
	slices.SortStableFunc(list, func(a, b chunk.Change) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return list
}

// absolute is path from the root, or path itself where the working directory is gone.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
