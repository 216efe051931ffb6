package walker

import (
	"strings"

	"golang.org/x/sys/unix"
)

// frame is a directory whose names are being visited.
type frame struct {
	names
	fd      int  // -1: parked, or made
	made    bool // nothing of the directory is read: it was never open
	road    bool // of its names, those that lead to crossed mounts are walked
	devices bool // the standard nodes are among its names
	lost    bool // moved away while it was parked
	root    *root
	id      identity
	btime   Time
	times   [3]Time // of the directory: access, modification, change
	pathLen int     // of the directory in walker.path
	scope   scope
	spot    *spot
	held    *Entry // the directory's own entry until something below it turns out to be kept
}

// maxOpenDirs bounds the directories that are open at a time; those further up are opened again on the way back.
const maxOpenDirs = 64

// push makes the directory of w.entry the one whose names are visited next.
func (w *walker) push(fd int, r *root, sc scope, sp *spot) *frame {
	if w.depth == len(w.frames) {
		w.frames = append(w.frames, new(frame))
	}
	f := w.frames[w.depth]
	w.depth++
	*f = frame{
		names: f.names, fd: fd, root: r, id: w.entry.id(), btime: w.entry.Btime, made: fd < 0, pathLen: len(w.path), scope: sc, spot: sp,
		times: [3]Time{w.entry.Atime, w.entry.Mtime, w.entry.Ctime},
	}
	w.park()
	return f
}

// park closes the directory maxOpenDirs above the deepest one.
func (w *walker) park() {
	if i := w.depth - 1 - maxOpenDirs; i >= 0 {
		if f := w.frames[i]; f.fd >= 0 {
			unix.Close(f.fd)
			f.fd = -1
		}
	}
}

// pop ends the deepest directory and makes sure that the one above is open again.
func (w *walker) pop() {
	w.depth--
	f := w.frames[w.depth]
	if f.held != nil {
		w.held--
	}
	f.spot, f.held, f.scope = nil, nil, scope{}
	if cap(f.text) > dentsSize { // one huge directory must not cost its memory until the end
		f.names = names{}
	}
	if w.depth > 0 {
		if up := w.frames[w.depth-1]; up.fd < 0 && !up.made {
			up.lost = !w.reopen(up, f)
		}
	}
	if f.fd >= 0 {
		w.xattrs.leave(f.fd)
		unix.Close(f.fd)
	}
}

// reopen opens the directory of a parked frame, whose names are known, from the one below, or by its path if that one has been moved. It
// returns false if the directory itself is elsewhere.
func (w *walker) reopen(f, from *frame) bool {
	if from.fd >= 0 {
		if fd, err := f.root.open(from.fd, "..", pathFlags); err == nil && f.take(fd) {
			return true
		}
	}
	rel, _ := below(f.root.path, w.pathOf(f))
	fd, err := f.root.openDir(strings.TrimPrefix(rel, "/"))
	return err == nil && f.take(fd)
}

// take makes fd the frame's if it is the frame's directory, else closes it.
func (f *frame) take(fd int) bool {
	var st unix.Statx_t
	var now Entry
	err := statx(fd, "", f.root.statFlags, &st)
	if now.set(&st); err != nil || now.id() != f.id || !maySame(now.Btime, f.btime) {
		unix.Close(fd)
		return false
	}
	f.fd = fd
	return true
}
