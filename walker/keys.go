package walker

import (
	"os"
	"path"

	"golang.org/x/sys/unix"

	"purebundle/walker/filter"
)

// keptLogin and keptKey are told of what the filter knows and leaves in the image.
const (
	keptLogin = "SSH authorized keys kept: who may log in here may log in to what is made of this image"
	keptKey   = "private key kept: it is in no home directory; --filter-keys leaves such keys out"
)

// lookForKey says whether the entry, a regular file, is left out for its content, and by which rule. A key that stays is noted in o.
func (w *walker) lookForKey(o *object) (verdict, bool) {
	e := &w.entry
	switch {
	case o.covered || e.Size == 0:
		return verdict{}, false
	case o.verdict.fate == keyfile:
		text := w.read(o, filter.MaxKey)
		return o.verdict, text != nil && filter.HoldsSecret(text)
	}
	finding := w.rules.filter.Key(&o.frame.scope.fil, o.verdict.place, o.base(), e.Mode, e.Size)
	if finding == filter.Unasked {
		return verdict{}, false
	}
	head := w.read(o, filter.HeadSize)
	o.key = filter.KeyKind(head)
	if o.key == "" && filter.PEM(head) {
		o.key = filter.KeyKind(w.read(o, filter.MaxKey))
	}
	return verdict{rule: o.key, secret: true}, o.key != "" && finding == filter.Goes && !o.verdict.kept
}

// tellKept tells of an entry that is in the image although it looks like a key, or lets somebody in.
func (w *walker) tellKept(o *object) {
	if p := o.verdict.place; p != nil && p.Take == filter.Login {
		w.warn(w.entry.Path, keptLogin)
	}
	if w.entry.Mode&unix.S_IFMT != unix.S_IFREG || w.entry.Size == 0 || !w.rules.filtering {
		return
	}
	switch {
	case o.key != "":
		if o.verdict.fate != hostKey && !o.verdict.kept {
			w.warn(w.entry.Path, keptKey)
		}
		w.listKey(o.key)
	case filter.NamedKey(o.base(), w.entry.Mode):
		w.listKey("name of a key")
	}
}

// listKey lists the entry as one that looks like a key.
func (w *walker) listKey(why string) {
	w.rooms.keys.add(w.entry.Path, &w.tree.Omitted.Keys, func(path string) {
		w.tree.Keys = append(w.tree.Keys, Left{Path: path, Rule: why})
	})
}

// base returns the name of the entry in its directory.
func (o *object) base() string {
	if o.name != "" {
		return o.name
	}
	return path.Base(o.root.path)
}

// read returns up to size bytes from the front of the entry, nil if it cannot be read: then its data will not be had either, which is told
// when that is tried.
func (w *walker) read(o *object, size int) []byte {
	fd, err := w.openEntry(o)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	if len(w.head) < size {
		w.head = make([]byte, size)
	}
	return w.head[:pread(fd, w.head[:size])]
}

// openEntry opens the regular file that the entry is made from.
func (w *walker) openEntry(o *object) (fd int, err error) {
	var st unix.Stat_t
	if o.name == "" {
		fd, err = o.root.openSelf(&st)
	} else {
		fd, err = o.root.openFile(o.dir, o.name, &st)
	}
	if err != nil {
		return -1, err
	}
	if (identity{st.Dev, st.Ino}) != w.entry.id() {
		unix.Close(fd)
		return -1, unix.ESTALE
	}
	return fd, nil
}

// pread fills b from the front of a file and returns how many bytes it got, as far as that goes without an error.
func pread(fd int, b []byte) int {
	got := 0
	for got < len(b) {
		n, err := unix.Pread(fd, b[got:], int64(got))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			break
		}
		got += n
	}
	return got
}

// identities returns what tells the files with these names, which must exist, from all others.
func identities(names []string) (map[identity]bool, error) {
	ids := make(map[identity]bool)
	for _, name := range names {
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil {
			return nil, &os.PathError{Op: "stat", Path: name, Err: err}
		}
		ids[identity{st.Dev, st.Ino}] = true
	}
	return ids, nil
}
