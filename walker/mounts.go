package walker

import (
	"cmp"
	"errors"
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
	Action       Action
	Reason       string // a clause that explains Action
}

// mount is a Mount while the table is being judged.
type mount struct {
	Mount
	class   class
	point   string // the mount point as the process sees it; SOURCE's own path for the mount it lies on
	order   int    // in the kernel's table: older mounts first
	top     *mount // the mount seen at this mount point: itself unless hidden
	judging bool   // decide is at work on it
	takes   privileges
}

// table is the part of the kernel's mount table that lies below SOURCE.
type table struct {
	source *mount
	mounts []*mount // descendants of source, in the kernel's order
	all    []*mount // source and mounts
	kids   map[place]*mount
}

// place identifies a mount by its mount point and its parent. Mounts stack by being each other's parent, so no
// two share a place.
type place struct {
	parent int
	point  string
}

// maxTableReads bounds the wait for a mount table that holds still.
const maxTableReads = 100

// readMountTable reads the kernel's table until two reads in a row agree: one read is many system calls, and lines move while mounts
// come and go between them.
func readMountTable() ([]*mountinfo.Info, error) {
	last, err := mountinfo.GetMounts(nil)
	for range maxTableReads {
		if err != nil {
			return nil, &MountTableError{err}
		}
		var next []*mountinfo.Info
		next, err = mountinfo.GetMounts(nil)
		if err == nil && slices.EqualFunc(last, next, func(a, b *mountinfo.Info) bool { return *a == *b }) {
			return next, nil
		}
		last = next
	}
	return nil, &MountTableError{errors.New("it keeps changing")}
}

// newTable picks from infos the mount with the given ID, on which the directory point lies, and all mounts below point that hang on
// it. A mount that is not in infos (the kernel hides the one that a chroot lies on) is made up.
func newTable(infos []*mountinfo.Info, id int, point string) *table {
	t := &table{kids: make(map[place]*mount)}
	byID := make(map[int]*mountinfo.Info, len(infos))
	for _, info := range infos {
		byID[info.ID] = info
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
	for i, info := range infos {
		rel, ok := below(point, info.Mountpoint)
		if !ok || !hangsOn(byID, info, id) {
			continue
		}
		m := newMount(info, rel)
		m.order = i
		t.mounts = append(t.mounts, m)
		t.kids[place{info.Parent, info.Mountpoint}] = m
	}
	t.all = append([]*mount{t.source}, t.mounts...)
	for _, m := range t.all {
		m.top = t.at(m.point)
	}
	return t
}

func newMount(info *mountinfo.Info, rel string) *mount {
	m := &mount{point: info.Mountpoint, takes: privilegesOf(strings.Split(info.Options, ",")), Mount: Mount{
		ID: info.ID, Parent: info.Parent, Path: rel, FSType: info.FSType, Source: info.Source, Root: info.Root,
		Major: info.Major, Minor: info.Minor,
	}}
	m.class = classify(&m.Mount)
	return m
}

// hangsOn says whether the mount with the given ID is an ancestor of info.
func hangsOn(byID map[int]*mountinfo.Info, info *mountinfo.Info, id int) bool {
	for range len(byID) {
		if info.ID == id {
			return false
		}
		if info.Parent == id {
			return true
		}
		up := byID[info.Parent]
		if up == nil || up == info {
			return false
		}
		info = up
	}
	return false
}

// at returns the mount that a path resolution which passes SOURCE ends on at the given path, which must be SOURCE or below.
func (t *table) at(p string) *mount {
	cur := t.source
	for i := len(t.source.point); i <= len(p); i++ {
		if i < len(p) && p[i] != '/' && i != 1 { // p[:1] is "/"
			continue
		}
		for m := t.kids[place{cur.ID, p[:i]}]; m != nil; m = t.kids[place{cur.ID, p[:i]}] {
			cur = m
		}
	}
	return cur
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
