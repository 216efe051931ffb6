package walker

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"purebundle/walker/filter"
)

// enterSystem tells the rules if f's directory is a root: SOURCE, or one with an etc/passwd or an os-release. The filter holds in each; the
// defaults, which hold in SOURCE anyway, in btrfs subvolumes as well.
func (w *walker) enterSystem(f *frame) {
	defaults := f.pathLen > 0 && len(w.rules.defaults.Top()) > 0 && f.rootSubvolume()
	if !w.rules.filtering && !defaults {
		return
	}
	etc := w.openKid(f, "etc")
	if etc.fd >= 0 {
		defer unix.Close(etc.fd)
	}
	if f.pathLen > 0 && !etc.has("passwd") && !etc.has("os-release") && !w.hasRelease(f) {
		return
	}
	if defaults {
		f.scope.sub = w.rules.defaults.Top()
	}
	if !w.rules.filtering {
		return
	}
	l := links{tree: w.tree, root: string(w.path[:f.pathLen]), known: make(map[string]string)}
	outer := f.scope.fil
	if f.pathLen == 0 {
		outer = filter.Scope{}
	}
	f.scope.fil = w.rules.filter.Root(outer, filter.NewHomes(etc.read("passwd"), l.real))
}

// hasRelease says whether f's directory has a usr/lib/os-release.
func (w *walker) hasRelease(f *frame) bool {
	usr := w.openKid(f, "usr")
	if usr.fd < 0 {
		return false
	}
	defer unix.Close(usr.fd)
	lib, err := usr.root.open(usr.fd, "lib", pathFlags)
	if err != nil {
		return false
	}
	defer unix.Close(lib)
	return kid{usr.root, lib}.has("os-release")
}

// kid is a directory in one that is being walked.
type kid struct {
	root *root
	fd   int // O_PATH; -1 if there is no such directory
}

// openKid opens a directory by its name in f's directory, or the mount that is crossed there.
func (w *walker) openKid(f *frame, name string) kid {
	r, dir, at := f.root, f.fd, name
	switch sp := f.spot.kid([]byte(name)); {
	case f.fd < 0 || !f.lists(name):
		return kid{fd: -1}
	case sp != nil && sp.root != nil:
		r, dir, at = sp.root, sp.root.fd, "."
	case sp != nil && sp.mount != nil:
		return kid{fd: -1}
	}
	fd, err := r.open(dir, at, pathFlags)
	if err != nil {
		fd = -1
	}
	return kid{r, fd}
}

// lists says whether the directory has the name, for what may be a directory.
func (n *names) lists(text string) bool {
	i, ok := n.find(text)
	return ok && (n.list[i].typ == unix.DT_DIR || n.list[i].typ == unix.DT_UNKNOWN)
}

// has says whether the directory has a file or a symbolic link of that name.
func (k kid) has(name string) bool {
	var st unix.Statx_t
	if k.fd < 0 || statx(k.fd, name, k.root.statFlags, &st) != nil || k.root.otherMount(&st) {
		return false
	}
	kind := st.Mode & unix.S_IFMT
	return kind == unix.S_IFREG || kind == unix.S_IFLNK
}

// maxAccounts bounds how many bytes of an etc/passwd are read.
const maxAccounts = 1 << 20

// read returns the content of a regular file in the directory, nil if there is none that can be read.
func (k kid) read(name string) []byte {
	if k.fd < 0 {
		return nil
	}
	var st unix.Stat_t
	fd, err := k.root.openFile(k.fd, name, &st)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	b := make([]byte, min(st.Size, maxAccounts))
	return b[:pread(fd, b)]
}

// links follows symbolic links as the root at a path of the tree would. The filter asks it about homes: /home may be a link to another
// directory, and the walk meets what is in it there.
type links struct {
	tree  *Tree
	root  string            // "" for SOURCE itself
	known map[string]string // targets of paths, "" if it is no link
}

// maxLinks bounds how many links of a path are followed, as the kernel does.
const maxLinks = 40

// real returns the path of a directory without symbolic links in it.
func (l *links) real(dir string) string {
	done, rest := "", path.Clean("/"+dir)
	for followed := 0; rest != ""; {
		name, more, _ := strings.Cut(rest[1:], "/")
		if more != "" {
			more = "/" + more
		}
		at := path.Join("/", done, name)
		target := l.target(at)
		if target == "" {
			done, rest = at, more
			continue
		}
		if followed++; followed > maxLinks {
			return dir
		}
		if !path.IsAbs(target) {
			target = path.Join("/", done, target)
		}
		done, rest = "", path.Clean(target+more)
	}
	return done
}

// target returns the target of a symbolic link of the root, "" if there is no link.
func (l *links) target(p string) string {
	t, ok := l.known[p]
	if !ok {
		t = l.tree.linkAt(l.root + p)
		l.known[p] = t
	}
	return t
}

// linkAt returns the target of the symbolic link at a path of the tree, "" if there is none.
func (t *Tree) linkAt(name string) string {
	r, rel := t.locate(name)
	if r == nil || rel == "" {
		return ""
	}
	dir, err := t.dir(r, name, rel)
	if err != nil {
		return ""
	}
	defer t.dirs.release(dir, nil)
	target, err := readlink(dir.fd, path.Base(rel), make([]byte, unix.PathMax))
	if err != nil {
		return ""
	}
	return target
}
