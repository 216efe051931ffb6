package walker

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"purebundle/walker/mounttable"
)

// Plan holds what is decided about mounts before a walk looks at its first entry. The mount table is read and judged once, by NewPlan.
type Plan struct {
	// Options are those of NewPlan. Until Walk, LeaveOut and Opened may be set: they may not be known earlier.
	Options Options

	policy
	name  string // of SOURCE
	fd    int    // SOURCE, open with O_PATH; -1 when the walk has it
	lines []*mountinfo.Info
	shown []string // other directories that show one of Options.LeaveOut
}

// Mounts returns the decision about the mount that source lies on and about each mount below it, as Walk would take them with the same
// options.
func Mounts(source string, opt Options) ([]Mount, error) {
	p, err := NewPlan(source, opt)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Mounts(), nil
}

// NewPlan decides about the mounts below source. Its errors are those of Walk. Close it after use.
func NewPlan(source string, opt Options) (*Plan, error) {
	if _, err := newRules(opt, nil); err != nil { // a bad pattern is said first
		return nil, err
	}
	fd, err := retry(nil, func() (int, error) {
		return unix.Open(source, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: source, Err: err}
	}
	p := &Plan{Options: opt, name: source, fd: fd}
	if err := p.prepare(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Mounts returns the decisions, the mount that the source lies on first.
func (p *Plan) Mounts() []Mount { return p.list() }

// Close releases the source, unless Walk has taken it over.
func (p *Plan) Close() error {
	if p.fd < 0 {
		return nil
	}
	fd := p.fd
	p.fd = -1
	return unix.Close(fd)
}

func (p *Plan) prepare() error {
	if _, err := fsMagic(p.fd); errors.Is(err, errRefusedFS) {
		return &RefusedError{"walk", p.name, "on a proc or sysfs file system"}
	} else if err != nil {
		return &os.PathError{Op: "statfs", Path: p.name, Err: err}
	}
	lines, err := mounttable.Read()
	if err != nil {
		return &MountTableError{err}
	}
	point, err := os.Readlink(fdPath(p.fd))
	if err != nil {
		return &MountTableError{err}
	}
	id, err := mounttable.ID(p.fd)
	if err != nil {
		return &MountTableError{err}
	}
	if here, err := inThisNamespace(lines, int(id)); err != nil {
		return &MountTableError{err}
	} else if !here {
		return &NamespaceError{p.name}
	}
	opt := &p.Options
	p.lines, p.table = lines, newTable(lines, int(id), point)
	p.alone, p.crossAll, p.snapshots, p.snapshot = opt.OneFileSystem, opt.CrossAll, opt.Snapshots, mountedSnapshot
	if slices.ContainsFunc(p.mounts, func(m *mount) bool { return m.class == classAuto && m.visible() }) {
		p.fstab = readFstab(p.fd)
	}
	return p.judgeAll(p.name, *opt)
}

// leave judges again if a directory of Options.LeaveOut holds what some mount shows: most do not.
func (p *Plan) leave() error {
	for _, dir := range p.Options.LeaveOut {
		if err := p.addLeaveOut(dir); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(p.mounts, p.dependsOnLeaveOut) {
		return nil
	}
	for _, m := range p.all {
		m.Action, m.Reason, m.Missing, m.Lacks, m.cause, m.twinAt, m.own = "", "", NotMissing, "", byNothing, "", false
	}
	return p.judgeAll(p.name, p.Options)
}

// dependsOnLeaveOut returns true if what m shows, or maybe a layer of it, lies in a directory of Options.LeaveOut.
func (p *Plan) dependsOnLeaveOut(m *mount) bool {
	return m.class == classLayers && len(p.leaveOut) > 0 || p.inLeaveOut(content{m.Major, m.Minor, m.Root})
}

// inThisNamespace returns true if the mount with the given ID is in this process's table. The kernel does not show there the mount that a
// chroot lies on: that is the one of "/".
func inThisNamespace(lines []*mountinfo.Info, id int) (bool, error) {
	if slices.ContainsFunc(lines, func(l *mountinfo.Info) bool { return l.ID == id }) {
		return true, nil
	}
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, &os.PathError{Op: "open", Path: "/", Err: err}
	}
	defer unix.Close(fd)
	own, err := mounttable.ID(fd)
	return own == uint64(id), err
}

// addLeaveOut notes which directory of which file system one of Options.LeaveOut is.
func (p *Plan) addLeaveOut(dir string) error {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	point, err := os.Readlink(fdPath(fd))
	if err != nil {
		return err
	}
	id, err := mounttable.ID(fd)
	if err != nil {
		return &MountTableError{err}
	}
	for _, l := range p.lines {
		if rel, ok := below(l.Mountpoint, point); ok && l.ID == int(id) {
			p.leaveOut = append(p.leaveOut, content{l.Major, l.Minor, path.Join(l.Root, rel)})
		}
	}
	p.shown = append(p.shown, p.overlaid(point, int(id))...)
	return nil
}

// openRoots opens SOURCE's mount and all others that are crossed. A mount that cannot be opened is left out, and t says why.
func (p *Plan) openRoots(t *Tree, want mode) error {
	r, err := newRoot(p.source, p.fd, want)
	p.fd = -1
	if err != nil {
		return err
	}
	t.roots = append(t.roots, r)
	for _, m := range p.mounts {
		if m.Action != Crossed {
			continue
		}
		if h := p.holder(m); !p.passes(h) { // it could not be opened
			m.Action, m.Reason = p.unreachable(h)
			continue
		}
		if r, err = openRoot(m, want); fatal(err) {
			return err
		} else if err != nil {
			m.Action, m.Reason = LeftOut, fmt.Sprintf("cannot be opened: %v", err)
			t.Unreadable = append(t.Unreadable, Problem{m.Path, noOwner, err})
			continue
		}
		t.roots = append(t.roots, r)
	}
	return nil
}
