package walker

import "golang.org/x/sys/unix"

const (
	appearedText = "a file system was mounted here during the walk; it was not entered"
	coveredText  = "without open_tree (Linux 5.2, CAP_SYS_ADMIN) the directory under this mount cannot be seen; mode and owner are made up"
)

// covered reports a mount point whose mount is left out if the file below it cannot be seen: its type is known from the directory that
// has it, mode and owner are taken from the mount if it is sure to answer, and the times are the directory's.
func (w *walker) covered(o *object, n name) error {
	if mayHang(o.spot.mount) {
		w.warn(w.entry.Path, coveredText)
		w.st = unix.Statx_t{Mode: 0o755}
		if n.typ == unix.DT_REG {
			w.st.Mode = 0o644
		}
	} else if err := statx(o.dir, o.name, o.root.statFlags, &w.st); err != nil {
		return w.cannotStat(err)
	}
	return w.standIn(o, n)
}

// appeared reports a name on which something was mounted after the mount table was read.
func (w *walker) appeared(o *object, n name) error {
	w.warn(w.entry.Path, appearedText)
	o.bare = true
	return w.standIn(o, n)
}

// standIn reports an entry made from w.st's mode and owner.
func (w *walker) standIn(o *object, n name) error {
	typ, links := uint32(unix.S_IFREG), uint32(1)
	mounted := w.st.Mode & unix.S_IFMT // a directory is mounted on a directory, anything else on anything else
	if n.typ == unix.DT_DIR || n.typ == unix.DT_UNKNOWN && (mounted == unix.S_IFDIR || mounted == 0) {
		typ, links = unix.S_IFDIR, 2
	}
	o.covered = true
	w.entry = Entry{
		Path: w.entry.Path, Mode: typ | uint32(w.st.Mode)&^unix.S_IFMT, UID: w.st.Uid, GID: w.st.Gid, Nlink: links,
		Dev: o.frame.id.dev, Ino: n.ino,
		Atime: o.frame.times[0], Mtime: o.frame.times[1], Ctime: o.frame.times[2],
	}
	return w.report(o)
}

// under reports the directory that a mount of Options.Own lies on. Where it cannot be seen, mode and owner are those of the mount's own.
func (w *walker) under(o *object) error {
	u := object{frame: o.frame, name: o.name, root: o.root, dir: o.dir, bare: true}
	if o.frame.made || o.root.mode != cloneMode {
		u.name, u.root, u.dir, u.covered = "", o.spot.root, o.spot.root.fd, true
	}
	if err := statx(u.dir, u.name, u.root.statFlags, &w.st); err != nil {
		return w.cannotStat(err)
	}
	p := w.entry.Path
	w.entry.set(&w.st)
	w.entry.Path, w.entry.Under = p, true
	if err := w.readXattrs(&u); err != nil {
		return err
	}
	return w.emit()
}
