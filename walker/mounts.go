package walker

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// Action says what a walk does with a mount below SOURCE.
type Action string

const (
	// Crossed mounts are walked as if their file system were part of SOURCE's.
	Crossed Action = "crossed"
	// LeftOut mounts appear as their empty mount point.
	LeftOut Action = "left out"
	// Refused mounts appear as their empty mount point, and no option changes that.
	Refused Action = "refused"
)

// Mount is one line of the kernel's mount table that concerns SOURCE, with the decision.
type Mount struct {
	ID, Parent   int
	Path         string // below SOURCE; "/" for the mount that SOURCE lies on
	FSType       string
	Source       string // as the mounter named it: a device, "proc", "host:/export", anything
	Root         string // the directory or file inside the file system that is mounted here
	Major, Minor int    // of the file system's device
	Options      string // of the mount and of its file system, as the kernel writes them, each once
	Action       Action
	Reason       string // a clause that explains Action
	Missing      Missing
	Lacks        string // a clause that says what is not in the tree because of Missing, and what to do about it
}

// mount is a Mount while the table is being judged.
type mount struct {
	Mount
	class   class
	point   string // the mount point as the process sees it; SOURCE's own path for the mount it lies on
	order   int    // in the kernel's table: older mounts first
	top     *mount // the mount seen at this mount point: itself unless hidden
	cause   cause
	twinAt  string   // the path below SOURCE at which the tree has what it shows, if that is why nothing is missing without it
	above   *mount   // what peak has found
	layers  []string // of an overlay, as who mounted it wrote them
	judging bool     // decide is at work on it
	hollow  bool     // it is crossed, but nothing in it is taken
	own     bool     // Options.Own names it, and it is crossed
	takes   privileges
	options string // of the file system, as the kernel writes them
}

// table is the part of the kernel's mount table that lies below SOURCE.
type table struct {
	source *mount
	mounts []*mount // descendants of source, in the kernel's order
	all    []*mount // source and mounts
	kids   map[slot]*mount
	stacks map[string][]*mount  // by mount point
	shows  map[content][]*mount // the visible ones of all, in their order
}

// content identifies what a mount shows: a directory or file of a file system.
type content struct {
	major, minor int
	root         string
}

// slot identifies a mount by its mount point and its parent. Mounts stack by being each other's parent, so no
// two share a slot.
type slot struct {
	parent int
	point  string
}

// newTable picks from lines the mount with the given ID, on which the directory point lies, and all mounts below point that hang on
// it. A mount that is not among the lines (the kernel hides the one that a chroot lies on) is made up.
func newTable(lines []*mountinfo.Info, id int, point string) *table {
	t := &table{kids: make(map[slot]*mount), stacks: make(map[string][]*mount), shows: make(map[content][]*mount)}
	byID := make(map[int]*mountinfo.Info, len(lines))
	for _, l := range lines {
		byID[l.ID] = l
	}
	src := byID[id]
	if src == nil {
		src = &mountinfo.Info{ID: id, Mountpoint: point, FSType: "unknown", Source: "unknown"}
	}
	t.source = newMount(src, "/")
	t.source.point = point
	if rel, ok := below(src.Mountpoint, point); ok && src.Root != "" {
		t.source.Root = path.Join(src.Root, rel)
	}
	t.source.order = -1
	hang := map[int]bool{id: false}
	for i, l := range lines {
		rel, ok := below(point, l.Mountpoint)
		if !ok || !hangsOn(byID, hang, l, id) {
			continue
		}
		m := newMount(l, rel)
		m.order = i
		t.mounts = append(t.mounts, m)
		t.kids[slot{l.Parent, l.Mountpoint}] = m
		t.stacks[m.point] = append(t.stacks[m.point], m)
	}
	t.all = append([]*mount{t.source}, t.mounts...)
	for _, m := range t.all {
		m.top = t.at(m.point)
		if m.visible() {
			key := content{m.Major, m.Minor, m.Root}
			t.shows[key] = append(t.shows[key], m)
		}
	}
	return t
}

func newMount(l *mountinfo.Info, rel string) *mount {
	m := &mount{point: l.Mountpoint, options: l.VFSOptions, takes: privilegesOf(strings.Split(l.Options, ",")), Mount: Mount{
		ID: l.ID, Parent: l.Parent, Path: rel, FSType: l.FSType, Source: l.Source, Root: l.Root,
		Major: l.Major, Minor: l.Minor, Options: joinOptions(l.Options, l.VFSOptions),
	}}
	if m.class = classify(&m.Mount); m.class == classLayers {
		m.layers = layersOf(l.VFSOptions)
	}
	return m
}

// joinOptions returns the options of two lists, each once.
func joinOptions(lists ...string) string {
	var all []string
	for _, list := range lists {
		for o := range strings.SplitSeq(list, ",") {
			if o != "" && !slices.Contains(all, o) {
				all = append(all, o)
			}
		}
	}
	return strings.Join(all, ",")
}

// hangsOn returns true if the mount with the given ID is an ancestor of l. It keeps in hang what it found out about each mount on the way.
func hangsOn(byID map[int]*mountinfo.Info, hang map[int]bool, l *mountinfo.Info, id int) bool {
	var way []int
	found := false
	for l != nil && len(way) <= len(byID) {
		if known, ok := hang[l.ID]; ok {
			found = known
			break
		}
		way = append(way, l.ID)
		if found = l.Parent == id; found {
			break
		}
		l = byID[l.Parent]
	}
	for _, n := range way {
		hang[n] = found
	}
	return found
}

// at returns the mount that a path resolution which passes SOURCE ends on at the given path, which must be SOURCE or below.
func (t *table) at(p string) *mount {
	cur := t.source
	for i := len(t.source.point); i <= len(p); i++ {
		if i < len(p) && p[i] != '/' && i != 1 { // p[:1] is "/"
			continue
		}
		if m := t.kids[slot{cur.ID, p[:i]}]; m != nil {
			cur = t.peak(m)
		}
	}
	return cur
}

// peak returns the topmost of the mounts that are stacked on m. Each mount of the stack remembers it.
func (t *table) peak(m *mount) *mount {
	top := m
	for top.above == nil {
		next := t.kids[slot{top.ID, top.point}]
		if next == nil {
			break
		}
		top = next
	}
	if top.above != nil {
		top = top.above
	}
	for m != top && m.above == nil {
		m.above = top
		m = t.kids[slot{m.ID, m.point}]
	}
	return top
}

// holder returns the mount that a visible mount's mount point lies on.
func (t *table) holder(m *mount) *mount {
	return t.at(path.Dir(m.point))
}

// visible returns true if m is seen at its mount point, and not another mount on top of it.
func (m *mount) visible() bool { return m.top == m }

// below returns what to append to dir to get p, as a path that begins with "/", and whether p is dir or below it. Both are clean
// absolute paths.
func below(dir, p string) (string, bool) {
	if dir == "/" {
		return p, true
	}
	rest, ok := strings.CutPrefix(p, dir)
	switch {
	case !ok:
		return "", false
	case rest == "":
		return "/", true
	default:
		return rest, rest[0] == '/'
	}
}

// list returns the decisions, SOURCE's mount first, then by path; stacked mounts from bottom to top.
func (t *table) list() []Mount {
	sorted := slices.Clone(t.mounts)
	slices.SortStableFunc(sorted, func(a, b *mount) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.order, b.order))
	})
	out := []Mount{t.source.Mount}
	for _, m := range sorted {
		out = append(out, m.Mount)
	}
	return out
}
