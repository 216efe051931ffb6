package create

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"purebundle/chunk"
	"purebundle/ext2img"
	"purebundle/walker"
)

// Manifest returns all of the manifest but what the chunk package knows.
func (r *Run) Manifest() *chunk.Manifest {
	stats := r.Image.Stats()
	now := r.Opt.Image.Now
	maker := MakerOf(r.Opt.Source)
	m := &chunk.Manifest{
		Synced: r.synced,
		Host:   maker.Host, Machine: maker.Machine, Source: maker.Source,
		SourceFS: r.sourceFS(),
		Tool:     "purebundle " + r.App.Version,
		Created:  time.Unix(now.Sec, int64(now.Nsec)).UTC(),
		Image: chunk.Image{
			Size: r.Image.Size(), FSSize: stats.FSSize, BlockSize: ext2img.BlockSize,
			Blocks: stats.Blocks, FreeBlocks: stats.FreeBlocks,
			Inodes: stats.Inodes, FreeInodes: stats.FreeInodes,
			Type: "ext4", Label: r.Opt.Image.Label, UUID: uuid.UUID(r.Opt.Image.UUID).String(),
		},
		Counts: r.counts,
		Disk:   r.Opt.Disk.manifest(r.Tree.Mounts),
	}
	r.list(m)
	return m
}

// sourceFS returns what is known of the file system of SOURCE.
func (r *Run) sourceFS() *chunk.SourceFS {
	m := r.Tree.Mounts[0]
	fs := &chunk.SourceFS{Type: m.FSType, Options: chunk.Path(m.Options)}
	if id := r.Opt.Names; id != nil {
		fs.UUID, fs.Label = textUUID(id.UUID), chunk.Path(id.Label)
	}
	return fs
}

// list fills in the lists of the manifest, and counts what they have no room for.
func (r *Run) list(m *chunk.Manifest) {
	m.Mounts, m.Edits = MountsJSON(r.Tree.Mounts), r.edits.done
	m.Filtered, m.Keys, m.Excluded = leftJSON(r.Tree.Filtered), leftJSON(r.Tree.Keys), leftJSON(r.Tree.Excluded)
	m.Unreadable = make([]chunk.Problem, 0, len(r.Tree.Unreadable))
	for _, p := range r.Tree.Unreadable {
		m.Unreadable = append(m.Unreadable, chunk.Problem{Path: chunk.Path(p.Path), Cause: p.Err.Error(), UID: ownerJSON(p.UID)})
	}
	m.Changes = r.Changes()
	for _, w := range r.Report.Warnings {
		m.Warnings = append(m.Warnings, chunk.Warning{Path: chunk.Path(w.Path), Text: w.Text})
	}
	m.Warnings = append(m.Warnings, warningsJSON(r.Tree.Warnings)...)
	more := r.Tree.Omitted
	omitted := chunk.Omitted{Filtered: more.Filtered, Keys: more.Keys, Excluded: more.Excluded, Unreadable: more.Unreadable,
		Edits:    cut(&m.Edits, func(e chunk.Edit) chunk.Path { return e.Path }),
		Changes:  more.Vanished + cut(&m.Changes, func(c chunk.Change) chunk.Path { return c.Path }),
		Warnings: more.Warnings + r.Report.MoreWarnings + cut(&m.Warnings, func(w chunk.Warning) chunk.Path { return w.Path })}
	for _, n := range r.Report.More {
		omitted.Changes += n
	}
	for _, w := range r.Tree.Warnings {
		omitted.Warnings += w.Unlisted()
	}
	if omitted != (chunk.Omitted{}) {
		omitted.Lost = r.Lost() - len(Losses(m))
		m.Omitted = &omitted
	}
}

// Bounds of each list of the manifest.
const (
	maxManifested     = 10_000  // entries
	maxManifestedText = 2 << 20 // bytes of their paths together
)

// cut shortens a list to what the manifest has room for, and returns how many
// entries that leaves out.
func cut[T any](list *[]T, path func(T) chunk.Path) int {
	n, text := len(*list), 0
	for i, e := range *list {
		if text += len(path(e)); text > maxManifestedText || i == maxManifested {
			*list = (*list)[:i]
			break
		}
	}
	return n - len(*list)
}

// Changes returns the files that changed under the walk or under the read, by path.
func (r *Run) Changes() []chunk.Change {
	list := []chunk.Change{}
	for _, path := range r.Tree.Vanished {
		list = append(list, chunk.Change{Path: chunk.Path(path), Kind: ext2img.Vanished.String(), Detail: "gone when the walk came to it"})
	}
	for _, c := range r.Report.Changes {
		change := chunk.Change{Path: chunk.Path(c.Path), Kind: c.Kind.String(), Detail: c.Detail}
		if c.Kind.Lost() {
			change.UID = ownerJSON(int64(c.UID))
		}
		list = append(list, change)
	}
	slices.SortStableFunc(list, func(a, b chunk.Change) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return list
}

// warningsJSON returns the warnings of the walk in the form of the manifest.
func warningsJSON(warnings []walker.Warning) []chunk.Warning {
	list := make([]chunk.Warning, 0, len(warnings))
	for _, w := range warnings {
		list = append(list, chunk.Warning{Path: chunk.Path(w.Path), Text: w.Text})
	}
	for _, w := range warnings { // behind all texts: they are what is cut
		for _, path := range w.More {
			list = append(list, chunk.Warning{Path: chunk.Path(path), Text: w.Text})
		}
	}
	return list
}

// MountsJSON returns the decisions in the form of the manifest.
func MountsJSON(mounts []walker.Mount) []chunk.Mount {
	list := make([]chunk.Mount, 0, len(mounts))
	for _, m := range mounts {
		list = append(list, chunk.Mount{
			Path: chunk.Path(m.Path), FSType: m.FSType, Source: chunk.Path(m.Source), Root: chunk.Path(m.Root),
			Action: string(m.Action), Reason: m.Reason,
		})
	}
	return list
}

// mountLine returns a decision as it stands in other output, after its path.
func mountLine(m walker.Mount) string {
	return fmt.Sprintf("%s mount %s: %s", m.FSType, m.Action, m.Reason)
}
