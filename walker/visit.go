package walker

import (
	"slices"

	"golang.org/x/sys/unix"
)

// visit decides about one name of f's directory and reports it with all that lies below.
func (w *walker) visit(f *frame, n name) error {
	w.path = append(append(w.path, '/'), f.text[n.off:n.end]...)
	if n.typ == typeMade {
		return w.device(f, standardDevices()[n.ino])
	}
	sp := f.spot.kid(f.text[n.off:n.end])
	for range maxLooks {
		err := w.look(f, n, string(w.path), sp) // no copy of the path stays here while the walk is below it
		if err != errReplaced {
			return err
		}
		n.typ = unix.DT_UNKNOWN
	}
	w.unreadable(w.here(), noOwner, errReplaced)
	return nil
}

// maxLooks bounds how often a name is looked at that leads to another inode each time.
const maxLooks = 5

// look does what visit does, for the name at p. It returns errReplaced, with nothing reported, if the name got another inode meanwhile.
func (w *walker) look(f *frame, n name, p string, sp *spot) error {
	name := p[f.pathLen+1:]
	looked := false
	if n.typ == unix.DT_UNKNOWN && (sp == nil || sp.mount == nil) {
		if err := statx(f.fd, name, f.root.statFlags, &w.st); err != nil {
			return w.cannotStat(err)
		}
		looked = true
		n.typ = uint8(w.st.Mode >> 12) // DT_* are the bits of S_IFMT
	}
	dir := n.typ == unix.DT_DIR || n.typ == unix.DT_UNKNOWN
	v := w.rules.judge(&f.scope, name, dir)
	if v.nested && sp.leads() {
		v = verdict{}
	}
	w.unused.name(&f.scope, name, dir, v)
	var below scope
	if dir {
		below = w.rules.child(&f.scope, name, v)
	}
	if n.bundled && !v.kept {
		return nil
	}
	if v.fate == drop && (!dir || w.rules.hopeless(&below)) {
		w.unused.skip(&below)
		w.leftOut(v)
		return nil
	}
	o := object{frame: f, name: name, spot: sp, root: f.root, dir: f.fd, verdict: v, scope: below}
	w.entry.Path = p
	switch {
	case sp != nil && sp.root != nil:
		if sp.mount.own {
			if err := w.under(&o); err != nil {
				return err
			}
			w.entry.Path = p
		}
		o.root, o.dir, o.name = sp.root, sp.root.fd, ""
	case f.made:
		o.bare, o.road = true, true
		w.st = unix.Statx_t{Mode: 0o755}
		return w.standIn(&o, n)
	case sp != nil && sp.mount != nil:
		o.bare, o.road = true, sp.mount.class == classAuto
		if f.root.mode != cloneMode {
			return w.covered(&o, n)
		}
	}
	if !looked {
		if err := statx(o.dir, o.name, o.root.statFlags, &w.st); err != nil {
			return w.cannotStat(err)
		}
	}
	if o.root.otherMount(&w.st) {
		return w.appeared(&o, n)
	}
	if isDir := w.st.Mode&unix.S_IFMT == unix.S_IFDIR; isDir != dir && (sp == nil || sp.mount == nil) {
		return errReplaced // the rules were asked about something else
	}
	if v.fate == drop {
		w.leftOut(v)
	}
	w.entry.set(&w.st)
	w.entry.Path = p
	return w.report(&o)
}

// object is the file, directory or other thing behind a name, before it becomes an entry.
type object struct {
	frame   *frame // of the directory that has the name
	name    string // in dir; "" if dir is the object itself, as for the root of a crossed mount
	dir     int
	root    *root // of the mount that the object is on
	spot    *spot
	verdict verdict
	scope   scope  // of the names below
	key     string // which key the file is, "" if none or not looked at
	road    bool   // it is an automount point or on one: of its names, those that lead to crossed mounts are walked
	bare    bool   // something is mounted on it: contents and data are not taken
	covered bool   // it is under a mount and cannot be seen: nothing of it can be read
}

// report completes the entry, whose metadata is set, and walks it if it is a directory.
func (w *walker) report(o *object) error {
	e := &w.entry
	switch e.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK:
		if o.root.takes.device(e) && !o.covered {
			w.warn(e.Path, deviceText)
			return nil
		}
	case unix.S_IFDIR:
		return w.directory(o)
	case unix.S_IFREG:
		if skip := w.regular(o); skip {
			return nil
		}
	case unix.S_IFLNK:
		fd, err := w.pin(o)
		if err == nil {
			e.Target, err = readlink(fd, "", w.link)
			unix.Close(fd)
		}
		switch {
		case err == errReplaced || fatal(err):
			return err
		case err != nil:
			w.unreadable(e.Path, int64(e.UID), err)
			return nil
		}
		e.Size = int64(len(e.Target))
	}
	if w.dropsHostKey(o) {
		w.leftOut(o.verdict)
		return nil
	}
	if o.verdict.fate == drop { // taken for a directory, but it is none
		return nil
	}
	if err := w.readXattrs(o); err != nil {
		return err
	}
	if mode := o.root.takes.mode(e.Mode); mode != e.Mode {
		w.warn(e.Path, setIDText)
		e.Mode = mode
	}
	if e.Nlink > 1 {
		e.Link = w.hard.link(e)
	}
	w.tellKept(o)
	if !o.bare {
		w.meet(e.Path)
	}
	return w.emit()
}

// pin opens the object that w.entry is made from with O_PATH, and brings the entry's owner, permissions and times up to date. It returns
// errReplaced if the name has another inode by now, or none: the next look tells.
func (w *walker) pin(o *object) (fd int, err error) {
	fd, err = o.root.openRaw(o.dir, o.name, pinFlags)
	if err != nil {
		if gone(err) {
			err = errReplaced
		}
		return -1, err
	}
	if err = w.refresh(fd, o.root); err != nil {
		unix.Close(fd)
	}
	return fd, err
}

// refresh does what pin does, for what is open already.
func (w *walker) refresh(fd int, r *root) error {
	if err := statx(fd, "", r.statFlags, &w.st); err != nil {
		return err
	}
	var now Entry
	now.set(&w.st)
	e := &w.entry
	if now.id() != e.id() || !maySame(now.Btime, e.Btime) || (now.Mode^e.Mode)&unix.S_IFMT != 0 {
		return errReplaced
	}
	e.Mode, e.UID, e.GID = now.Mode, now.UID, now.GID
	e.Flags = now.Flags | e.Flags&^(FlagImmutable|FlagAppend|FlagNodump)
	e.Atime, e.Mtime, e.Ctime = now.Atime, now.Mtime, now.Ctime
	return nil
}

// maybeUnwritten is the size in bytes from which on a file that has all of its blocks is asked for those that were allocated but never
// written (fallocate): they read as zeros, and are holes to lseek. To ask for smaller ones costs more than to write their zeros.
const maybeUnwritten = 128 << 10

// regular completes a regular file, or says that it is left out.
func (w *walker) regular(o *object) (skip bool) {
	e := &w.entry
	switch {
	case w.secret[e.id()]:
		w.leftOut(verdict{rule: "named as a secret", secret: true})
		return true
	case o.verdict.fate == dropFile:
		w.leftOut(o.verdict)
		return true
	case len(w.swap) > 0 && w.swap[e.id()] && !o.verdict.kept:
		w.leftOut(verdict{rule: "active swap file"})
		return true
	case o.verdict.fate == blank:
		w.leftOut(o.verdict)
		o.bare = true
	}
	if o.bare {
		if o.hides() && e.Size > 0 && o.verdict.fate != blank {
			w.warn(e.Path, underText)
		}
		e.Size, e.Nlink = 0, 1
		return false
	}
	if v, is := w.lookForKey(o); is {
		w.leftOut(v)
		return true
	}
	if int64(w.st.Blocks)*512 < e.Size || e.Size >= maybeUnwritten { // st_blocks counts 512 bytes whatever the block size
		e.Data = w.sparse(o)
	}
	if e.Size == 0 {
		w.emptyFlags(o)
	}
	e.Mark, e.Steady = w.mark(o), o.root.steady && !o.covered
	return false
}

// sparse returns the data ranges of a regular file, nil if they cannot be had: then all of it counts as data.
func (w *walker) sparse(o *object) []Range {
	fd, err := w.openEntry(o)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	ranges, err := dataRanges(fd, w.entry.Size, w.data)
	if err != nil {
		return nil
	}
	if ranges != nil {
		w.data = ranges
	}
	return ranges
}

// directory reports a directory and what lies in it.
func (w *walker) directory(o *object) error {
	e := &w.entry
	if !o.bare && len(e.Path) > maxDirPath {
		w.unreadable(e.Path, int64(e.UID), errLongPath)
		o.bare = true
	}
	devices := e.Path == "/dev" && (o.bare || o.verdict.fate == hollow) || o.verdict.nested && o.base() == "dev"
	fd, skip, err := w.enter(o)
	if err != nil || skip {
		return err
	}
	if o.bare && o.verdict.fate == drop {
		return nil
	}
	if o.hides() && o.verdict.fate == keep {
		w.tellUnder(o)
	}
	if fd >= 0 {
		w.readXattrsFD(o.root, fd)
	} else if err := w.readXattrs(o); err != nil {
		return err
	}
	if o.verdict.fate == hollow {
		w.leftOut(o.verdict)
	}
	var held *Entry
	if o.verdict.fate == drop {
		held = e.clone()
	} else if err := w.emit(); err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return err
	}
	road := o.road && !w.rules.hopeless(&o.scope) && len(o.spot.roads()) > 0
	if fd < 0 && !devices && !road {
		return nil
	}
	f := w.push(fd, o.root, o.scope, o.spot)
	if held != nil {
		f.held = held
		w.held++
	}
	f.devices, f.road = devices, road
	return w.visitAll(f)
}

// enter opens the directory of w.entry if what lies in it belongs in the image; else fd is -1, and the reason has been told. skip says
// that it does not exist any more.
func (w *walker) enter(o *object) (fd int, skip bool, err error) {
	fd = -1
	if !o.bare && !w.rules.hopeless(&o.scope) {
		if fd, skip, err = w.openDirectory(o); err != nil || skip {
			return -1, skip, err
		}
	}
	shut := func() {
		o.bare = true
		if fd >= 0 {
			unix.Close(fd)
			fd = -1
		}
	}
	if w.leave[w.entry.id()] && !o.covered {
		w.leftOut(verdict{rule: OutputRule})
		shut()
	}
	if fd < 0 {
		w.unused.skip(&o.scope)
		return -1, false, nil
	}
	w.unused.enter(&o.scope)
	if w.tellLocked(fd) {
		shut()
	} else if rule := w.subvolume(o, fd); rule != "" {
		w.leftOut(verdict{rule: rule})
		shut()
	}
	return fd, false, nil
}

// openDirectory opens the directory of w.entry for reading, and makes the entry from what was opened: another directory may have got the
// name since it was looked at. Without an error the result may be -1: its contents are not to be had, which has been noted. skip says that
// it does not exist any more.
func (w *walker) openDirectory(o *object) (fd int, skip bool, err error) {
	name := o.name
	if name == "" {
		name = "."
	}
	fd, err = o.root.open(o.dir, name, dirFlags)
	switch {
	case err == nil:
		p := w.entry.Path
		if err := statx(fd, "", o.root.statFlags, &w.st); err != nil {
			unix.Close(fd)
			return -1, true, w.cannotStat(err)
		}
		w.entry.set(&w.st)
		w.entry.Path = p
		w.entry.Flags |= Flags(fd)
		return fd, false, nil
	case fatal(err):
		return -1, false, w.failed("open", err)
	case gone(err):
		w.vanished()
		return -1, true, nil
	case err == errOtherMount:
		w.warn(w.entry.Path, appearedText)
	case err == errRefusedFS:
		w.warn(w.entry.Path, err.Error())
	default:
		w.unreadable(w.entry.Path, int64(w.entry.UID), err)
	}
	return -1, false, nil
}

func (w *walker) cannotStat(err error) error {
	switch {
	case fatal(err):
		return w.failed("stat", err)
	case gone(err):
		w.vanished()
	default:
		w.unreadable(w.here(), noOwner, err)
	}
	return nil
}

// device reports a standard node of /dev, unless an exclude names it or the directory has one that was kept. Its times are those of the
// directory.
func (w *walker) device(f *frame, d device) error {
	p := w.here()
	w.unused.name(&f.scope, d.name, other, verdict{})
	if p == w.last || w.rules.excludes(&f.scope, d.name) {
		return nil
	}
	w.entry = Entry{
		Path: p, Mode: unix.S_IFCHR | d.perm, GID: d.gid, Nlink: 1, Major: d.major, Minor: d.minor,
		Atime: f.times[0], Mtime: f.times[1], Ctime: f.times[2],
	}
	return w.emit()
}

// clone returns a copy that does not share memory which the walk uses again.
func (e *Entry) clone() *Entry {
	c := *e
	c.Xattrs = slices.Clone(e.Xattrs)
	c.Data = slices.Clone(e.Data)
	return &c
}
