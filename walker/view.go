package walker

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Open opens the source of the plan without a walk: for a look at some of its files. The plan is used up by it.
func (p *Plan) Open() (*Tree, error) {
	if err := p.leave(); err != nil {
		return nil, err
	}
	t := new(Tree)
	if err := p.openRoots(t, p.Options.mode); err != nil {
		t.Close()
		return nil, err
	}
	t.Mounts, t.spots = p.list(), p.spots(t)
	return t, nil
}

// View looks at single files of a tree by the names that programs in it use: symbolic links are followed as the tree's own root would, and
// lead nowhere else. All else is guarded like Tree.Open. It is not for use by several goroutines.
type View struct{ links }

// View returns a view of the tree, which must stay open.
func (t *Tree) View() *View { return &View{links{tree: t, known: make(map[string]string)}} }

// Real returns the path of a file without symbolic links in it, whether it is there or not.
func (v *View) Real(name string) string { return v.real(name) }

// Kind returns the type (S_IFMT) of the file at a path, never that of a symbolic link unless it leads nowhere; 0 if there is none or it
// cannot be looked at.
func (v *View) Kind(name string) uint32 { return v.tree.kindAt(v.real(name)) }

// IsFile says whether a path leads to a regular file.
func (v *View) IsFile(name string) bool { return v.Kind(name) == unix.S_IFREG }

// IsDir says whether a path leads to a directory.
func (v *View) IsDir(name string) bool { return v.Kind(name) == unix.S_IFDIR }

// Open opens the regular file that a path leads to.
func (v *View) Open(name string) (*os.File, error) {
	var st unix.Stat_t
	real := v.real(name)
	fd, err := v.tree.Open(real, &st)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), real), nil
}

// ReadFile returns the content of the regular file that a path leads to. One that has more than limit bytes is an error.
func (v *View) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := v.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("has more than %d bytes", limit)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return b, nil
}

// maxViewed bounds the names of a directory that is listed, in bytes with 8 for each name.
const maxViewed = 4 << 20

// Names returns the names in the directory that a path leads to, in byte order. Names of mounts are among them.
func (v *View) Names(name string) ([]string, error) {
	fd, err := v.tree.openDirAt(v.real(name))
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	var n names
	if err := n.read(fd, make([]byte, 32<<10), maxViewed); err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	list := make([]string, 0, len(n.list))
	for _, e := range n.list {
		list = append(list, string(n.text[e.off:e.end]))
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// Has says whether the regular file that a path leads to has an extended attribute, as Tree.Xattrs gives them. The error says that it is
// not known.
func (v *View) Has(name, attribute string) (bool, error) {
	f, err := v.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	list, err := v.tree.Xattrs(v.real(name), int(f.Fd()))
	return slices.ContainsFunc(list, func(x Xattr) bool { return x.Name == attribute }), err
}

// MakesHostKeys says whether something in the tree makes new SSH host keys at boot if there are none.
func (v *View) MakesHostKeys() bool { return makesHostKeys(v.tree, "") }

// kindAt is kindOf, and knows the type of what is crossed as well.
func (t *Tree) kindAt(name string) uint32 {
	r, rel := t.locate(name)
	if r == nil || rel != "" {
		return t.kindOf(name)
	}
	var st unix.Stat_t
	if unix.Fstat(r.fd, &st) != nil {
		return 0
	}
	return st.Mode & unix.S_IFMT
}

// openDirAt opens a directory of the tree to be listed.
func (t *Tree) openDirAt(name string) (int, error) {
	r, rel := t.locate(name)
	if r == nil {
		return -1, fs.ErrClosed
	}
	dir, err := r.openDir(rel)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	return r.open(dir, ".", dirFlags)
}
