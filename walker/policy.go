package walker

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// policy decides about every mount of a table.
type policy struct {
	*table
	rules     *rules
	alone     bool                 // Options.OneFileSystem
	crossAll  bool                 // Options.CrossAll
	snapshot  func(*mount) bool    // says that a mount shows a read-only snapshot; nil: none does
	snapshots bool                 // Options.Snapshots: they are taken
	cross     map[string]bool      // mount points below SOURCE named by Options.Cross
	apart     map[string]bool      // those of Options.Apart
	own       map[string]bool      // those of Options.Own
	leaveOut  []content            // the directories of Options.LeaveOut
	open      map[content][]*mount // what shows it, as p.shows; see prune
	fstab     map[string]string    // sources by mount point, of SOURCE's etc/fstab, if an automount is idle
}

// judgeAll fills in Action and Reason of all mounts. An Options.Cross that cannot be obeyed is an error. SOURCE is called source in
// errors.
func (p *policy) judgeAll(source string, opt Options) error {
	if src := p.source; src.class == classRefused || src.class == classKernel || src.class == classAuto {
		return &RefusedError{"walk", source, p.nature(src)}
	}
	p.source.Action, p.source.Reason = Crossed, "the source lies on it"
	p.cross, p.apart, p.own, p.open = make(map[string]bool), make(map[string]bool), make(map[string]bool), maps.Clone(p.shows)
	for _, a := range opt.Apart {
		p.apart[path.Join("/", a)] = true
	}
	for _, o := range opt.Own {
		p.own[path.Join("/", o)] = true
	}
	var named []*mount
	var paths []string
	for _, c := range opt.Cross {
		m := p.named(c)
		if m == nil {
			return &NotMountError{"cross", c}
		}
		named, paths = append(named, m), append(paths, m.Path)
		p.cross[m.Path] = true
	}
	var err error
	if p.rules, err = newRules(opt, paths); err != nil {
		return err
	}
	for _, c := range opt.KeepPrivileges {
		m := p.named(c)
		if m == nil {
			return &NotMountError{"keep privileges", c}
		}
		m.takes = privileges{}
	}
	for _, m := range p.mounts {
		p.decide(m)
	}
	for _, m := range p.mounts {
		if m.Missing = p.missing(m); m.Missing != NotMissing {
			m.Lacks = p.lacks(m)
		}
	}
	for _, m := range p.all {
		if text := m.takes.String(); text != "" && m.Action == Crossed {
			m.Reason += "; " + text
		}
	}
	for i, m := range named {
		switch {
		case m.Action == Crossed:
		case m.Action == Refused || m.class == classKernel || m.class == classAuto:
			return &RefusedError{"cross", opt.Cross[i], m.Reason}
		default:
			return &LeftOutError{opt.Cross[i], m.Reason}
		}
	}
	return nil
}

// named returns the mount that is seen at a path that an option names, nil if there is none. The path is meant below SOURCE; one of the
// running system is understood too.
func (p *policy) named(c string) *mount {
	rel := path.Join("/", c)
	paths := []string{rel}
	if r, ok := below(p.source.point, rel); ok {
		paths = append(paths, r)
	}
	for _, rel := range paths {
		var hidden *mount
		for _, m := range p.all {
			switch {
			case m.Path != rel:
			case m.visible():
				return m
			default:
				hidden = m
			}
		}
		if hidden != nil {
			return hidden
		}
	}
	return nil
}

// decide sets m.Action and m.Reason, and before that those of the mounts that they depend on.
func (p *policy) decide(m *mount) {
	if m.Action != "" || m.judging {
		return
	}
	m.judging = true
	m.Action, m.Reason = p.judge(m)
	m.judging = false
	if m.Action == Crossed {
		_, taken := p.rules.takes(m.Path)
		m.hollow, m.own = !taken, p.own[m.Path]
	}
}

// judge decides on a mount by the policy table, strictest rule first.
func (p *policy) judge(m *mount) (Action, string) {
	switch {
	case m.class == classRefused:
		return Refused, p.nature(m) + p.hiddenBy(m)
	case m.class == classKernel:
		return LeftOut, p.nature(m) + p.hiddenBy(m)
	case !m.visible():
		m.cause = hidden
		return LeftOut, fmt.Sprintf("%s hidden by the %s on %s", m.FSType, m.top.FSType, m.top.Path)
	}
	if under := p.refusedUnder(m); under != nil {
		return Refused, fmt.Sprintf("%s mounted over %s", m.FSType, p.nature(under))
	}
	holder := p.holder(m)
	p.decide(holder)
	if !p.passes(holder) {
		m.cause = byHolder
		return p.unreachable(holder)
	}
	if rule, kept := p.rules.reaches(m.Path); !kept {
		m.cause = byRule
		return LeftOut, "left out by " + rule
	}
	switch {
	case m.class == classAuto:
		m.cause = byNature
		return LeftOut, p.nature(m)
	case p.cross[m.Path]:
		return Crossed, fmt.Sprintf("%s, to be crossed by request", p.nature(m))
	case p.apart[m.Path]:
		m.cause = byApart
		return LeftOut, p.nature(m) + ", a partition of its own on the disk that is made"
	case p.own[m.Path] && m.class == classDisk:
		return Crossed, p.nature(m) + ", a file system of its own on the disk that is made"
	case p.alone:
		m.cause = byOption
		return LeftOut, "another file system than the source's"
	case p.snapshot != nil && !p.snapshots && !p.rules.keeps(m.Path) && p.snapshot(m):
		m.cause = bySnapshot
		return LeftOut, snapshotRule
	case p.showsSource(m) && !(p.snapshots && path.Base(m.Root) == snapperName): // of what it holds, the walk leaves SOURCE out
		m.cause = bySource
		return LeftOut, "shows the source's own file system once more"
	case m.class == classLayers && p.overOwn(m):
		return Crossed, fmt.Sprintf("layered file system (%s) over its own directory", m.FSType)
	case m.class != classDisk && !p.crossAll:
		m.cause = byNature
		return LeftOut, p.nature(m)
	}
	switch at, secret := p.twin(m); {
	case secret != "":
		m.cause = byTwin
		return LeftOut, fmt.Sprintf("shows %s, which is left out: %s", at, secret)
	case at != "" && !p.crossAll:
		m.cause, m.twinAt = byTwin, at
		return LeftOut, fmt.Sprintf("shows what is in the tree at %s already", at)
	}
	if rule := p.rules.empties(m.Path); rule != "" {
		return Crossed, fmt.Sprintf("%s, but %s", p.nature(m), rule)
	}
	return Crossed, p.nature(m)
}

// passes returns true if the walk gets to what is mounted on m: it crosses m, or m is an automount, whose directories it makes up.
func (p *policy) passes(m *mount) bool {
	return m.Action == Crossed || m.class == classAuto && m.cause == byNature
}

// unreachable returns the decision about a mount whose mount point lies on one that is not crossed.
func (p *policy) unreachable(holder *mount) (Action, string) {
	return LeftOut, fmt.Sprintf("below %s (%s), which is %s", holder.Path, holder.FSType, holder.Action)
}

// nature says in a few words what m is.
func (p *policy) nature(m *mount) string {
	switch m.class {
	case classRefused:
		kind := m.FSType
		if kind != "proc" && kind != "sysfs" {
			return fmt.Sprintf("%s file system with the source name %s", m.FSType, m.Source)
		}
		switch {
		case m.Root != "/" && m.Root != "":
			return fmt.Sprintf("bind of %s of the %s file system", m.Root, kind)
		case m.Source != kind:
			return fmt.Sprintf("%s file system under the source name %s", kind, m.Source)
		}
		return kind + " file system"
	case classKernel:
		return fmt.Sprintf("kernel file system (%s)", m.FSType)
	case classAuto:
		return fmt.Sprintf("automount point (autofs of %s)", m.Source)
	case classMemory:
		return fmt.Sprintf("file system in memory (%s)", m.FSType)
	case classRemote:
		return fmt.Sprintf("network or FUSE file system (%s)", m.FSType)
	case classImage:
		return fmt.Sprintf("read-only image (%s)", m.FSType)
	case classLayers:
		return fmt.Sprintf("layered file system (%s) made of directories elsewhere", m.FSType)
	case classDisk:
		return fmt.Sprintf("local disk file system (%s)", m.FSType)
	default:
		return fmt.Sprintf("file system of an unknown type (%s)", m.FSType)
	}
}

func (p *policy) hiddenBy(m *mount) string {
	if m.visible() {
		return ""
	}
	return fmt.Sprintf(", hidden by the %s on %s", m.top.FSType, m.top.Path)
}

// refusedUnder returns the refused mount that m is stacked on, directly or with others between: its mount point belongs to it.
func (p *policy) refusedUnder(m *mount) *mount {
	for _, o := range p.stacks[m.point] {
		if o != m && o.class == classRefused && o.top == m {
			return o
		}
	}
	return nil
}

// showsSource returns true if m shows the directory that SOURCE is, or one above it: btrfs' top level with SOURCE's subvolume in it, or
// the host's / inside of a chroot. All of SOURCE would be there once more.
func (p *policy) showsSource(m *mount) bool {
	src := p.source
	if m.Major != src.Major || m.Minor != src.Minor || src.Root == "" {
		return false
	}
	_, ok := below(m.Root, src.Root)
	return ok
}

// overOwn returns true if m is an overlay of which a layer is, holds or lies in its own mount point: what is below it is one of its
// layers, and the merged view is the tree's. Early boot mounts them with SOURCE at /sysroot.
func (p *policy) overOwn(m *mount) bool {
	for _, dir := range m.layers {
		dir = path.Clean(dir)
		if rest, ok := below("/sysroot", dir); ok && p.related(rest, m.point) {
			return true
		}
		if p.related(dir, m.point) {
			return true
		}
		if _, ok := below(p.source.point, dir); !ok || path.Dir(m.point) == m.point {
			continue
		}
		// The layer may be reached by another path: a bind of the mount point's directory.
		at, holder := p.at(dir), p.holder(m)
		if at != m && at.Major == holder.Major && at.Minor == holder.Minor && p.related(at.inside(dir), holder.inside(m.point)) {
			return true
		}
	}
	return false
}

// related returns true if one of two clean absolute paths is or holds the other.
func (p *policy) related(a, b string) bool {
	_, in := below(a, b)
	_, around := below(b, a)
	return in || around
}

// inside returns the path, within m's file system, of what is at a path below m's mount point.
func (m *mount) inside(p string) string {
	rel, _ := below(m.point, p)
	return path.Join(m.Root, rel)
}

// twin looks for another crossed mount of m's file system in which the walk meets m's contents anyway, and returns their path there, ""
// if there is none. If the filter leaves them out there, twin returns its rule. Of two mounts with the same root the older one is walked.
func (p *policy) twin(m *mount) (at, secret string) {
	if p.inLeaveOut(content{m.Major, m.Minor, m.Root}) || strings.HasSuffix(m.Root, "//deleted") { // how the kernel shows what has no name any more
		return "", ""
	}
	for root := m.Root; ; root = path.Dir(root) {
		key := content{m.Major, m.Minor, root}
		if at, secret = p.twinAmong(m, key); at != "" || root == "/" || root == "." || root == "" {
			return at, secret
		}
	}
}

// twinAmong is twin for the mounts that show one directory.
func (p *policy) twinAmong(m *mount, key content) (at, secret string) {
	passed := 0
	for _, o := range p.open[key] {
		if o.Root == m.Root && o.order >= m.order {
			break
		}
		if !o.mayBeTwin() {
			if passed++; passed > maxPassed {
				p.prune(key)
				passed = 0
			}
			continue
		}
		rel, ok := below(o.Root, m.Root)
		if !ok {
			continue
		}
		at := path.Join(o.Path, rel)
		if p.at(path.Join(o.point, rel)) != o || above(m, o) { // covered by a mount, maybe by m itself: a bind of a directory onto itself
			continue
		}
		secret, ok := p.rules.takes(at)
		if !ok {
			continue
		}
		if p.decide(o); o.Action == Crossed {
			return at, secret
		}
	}
	return "", ""
}

// mayBeTwin returns false if it is decided that m is not crossed, or that nothing in it is taken.
func (m *mount) mayBeTwin() bool { return m.Action == "" || m.Action == Crossed && !m.hollow }

// maxPassed is how many mounts that are no twins stay among those that may be: one directory may be bound at thousands of places.
const maxPassed = 32

// prune makes a new list of the mounts that show something, without those that are no twins. Who goes through the old one goes on.
func (p *policy) prune(key content) {
	p.open[key] = slices.DeleteFunc(slices.Clone(p.open[key]), func(m *mount) bool { return !m.mayBeTwin() })
}

// inLeaveOut returns true if something lies in a directory of Options.LeaveOut.
func (p *policy) inLeaveOut(c content) bool {
	for _, dir := range p.leaveOut {
		if _, in := below(dir.root, c.root); in && dir.major == c.major && dir.minor == c.minor {
			return true
		}
	}
	return false
}

// above says whether the walk can reach o only by crossing m.
func above(m, o *mount) bool {
	return o.Path == m.Path || strings.HasPrefix(o.Path, m.Path+"/")
}
