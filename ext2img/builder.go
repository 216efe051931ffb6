package ext2img

import (
	"fmt"
	"strings"

	"purebundle/ext2img/internal/ondisk"
)

// Builder collects the entries of a tree.
type Builder struct {
	*tree
	stack  []frame          // the directories on the way to the last entry
	linked map[string]int32 // node of files with several names, by first path

	hasLostFound bool // a name /lost+found was added
}

// frame is a directory that entries are still being added to.
type frame struct {
	node int32
	path string
	last string // the name added last
}

// NewBuilder starts a tree without entries.
func NewBuilder(p Params) *Builder {
	return &Builder{tree: newTree(p), linked: make(map[string]int32)}
}

// Add adds the inode f under path. The root, "/", comes first, a directory
// before what is in it and directly after its last older sibling's content, and
// names of a directory ascend in byte order. Content that the image cannot
// carry whole is dropped and reported; an error means that f itself makes no
// sense, or came out of order.
func (b *Builder) Add(path string, f File) error {
	if path == "/" {
		return b.addRoot(f)
	}
	if f.Mode&ondisk.SIFMT == ondisk.SIFREG && f.Size > ondisk.MaxFileBlocks*BlockSize {
		b.change(path, Unreadable, fmt.Sprintf("%d bytes are more than an ext4 file holds", f.Size))
		return nil
	}
	nm, err := b.place(path)
	if err != nil {
		return err
	}
	nd, err := b.newNode(path, f)
	if err != nil {
		return err
	}
	if path == lostFoundPath {
		nm.node = lostFoundNode
		if nd.fmt() != ondisk.SIFDIR {
			b.warn(path, "is no directory: e2fsck will ask to make one")
		}
		*b.nodes.at(lostFoundNode) = nd
	} else {
		nm.node = b.nodes.add(nd)
	}
	b.finish(path, nm, f)
	return nil
}

// addRoot fills the root directory's node.
func (b *Builder) addRoot(f File) error {
	if b.stack != nil {
		return fmt.Errorf("add /: added already")
	}
	nd, err := b.newNode("/", f)
	if err != nil {
		return err
	}
	if nd.fmt() != ondisk.SIFDIR {
		return fmt.Errorf("add /: not a directory")
	}
	nd.links = 2
	*b.nodes.at(rootNode) = nd
	b.stack = []frame{{node: rootNode, path: "/"}}
	return nil
}

// finish enters the name of a node that has just been made.
func (b *Builder) finish(path string, nm name, f File) {
	nd := b.nodes.at(nm.node)
	nd.name = b.names.add(nm)
	switch nd.fmt() {
	case ondisk.SIFDIR:
		nd.links = 2
		b.nodes.at(nm.parent).links++
		b.stack = append(b.stack, frame{node: nm.node, path: path})
	default:
		nd.links = 1
		if f.Nlink > 1 {
			b.linked[path] = nm.node
		}
	}
	if f.Data != nil && nd.fmt() == ondisk.SIFREG {
		b.sparse[nm.node] = f.Data
	}
}

// Link adds newpath as another name of the file that was added as oldpath. Past
// 65,000 names a new inode with the same content begins, with a warning.
func (b *Builder) Link(oldpath, newpath string) error {
	target, ok := b.linked[oldpath]
	if !ok {
		return fmt.Errorf("link %s: %s was not added as a file with several links", newpath, oldpath)
	}
	nm, err := b.place(newpath)
	if err != nil {
		return err
	}
	nm.node = target
	if nd := b.nodes.at(target); nd.links < ondisk.LinkMax {
		nd.links++
		b.names.add(nm)
		return nil
	}
	b.warn(newpath, fmt.Sprintf("more than %d links to %s: a copy of it, with links of its own", ondisk.LinkMax, oldpath))
	twin := *b.nodes.at(target)
	twin.links = 1
	nm.node = b.nodes.add(twin)
	b.nodes.at(nm.node).name = b.names.add(nm)
	b.xattrs.share(twin.acl)
	if data, ok := b.sparse[target]; ok {
		b.sparse[nm.node] = data
	}
	b.linked[oldpath] = nm.node
	return nil
}

// place finds the directory of path and stores its name.
func (b *Builder) place(path string) (name, error) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 || len(b.stack) == 0 {
		return name{}, fmt.Errorf("add %q: no absolute path below an added root", path)
	}
	parent, base := path[:max(i, 1)], path[i+1:]
	if base == "" || base == "." || base == ".." || len(base) > ondisk.NameMax || strings.IndexByte(base, 0) >= 0 {
		return name{}, fmt.Errorf("add %q: no name that a directory can hold", path)
	}
	for b.stack[len(b.stack)-1].path != parent {
		if len(b.stack) == 1 {
			return name{}, fmt.Errorf("add %q: its directory was not added before, or is complete", path)
		}
		b.stack = b.stack[:len(b.stack)-1]
	}
	top := &b.stack[len(b.stack)-1]
	if base <= top.last {
		return name{}, fmt.Errorf("add %q: comes after %q", path, top.last)
	}
	top.last = base
	b.hasLostFound = b.hasLostFound || path == lostFoundPath
	return name{parent: top.node, ref: b.text.add(base)}, nil
}

// newNode makes the node of f.
func (b *Builder) newNode(path string, f File) (node, error) {
	nd := node{
		mode:  uint16(f.Mode),
		uid:   f.UID,
		gid:   f.GID,
		id:    f.Ino,
		flags: f.Flags & (ondisk.ImmutableFl | ondisk.AppendFl | ondisk.NodumpFl),
	}
	switch f.Mode & ondisk.SIFMT {
	case ondisk.SIFREG:
		if f.Size < 0 {
			return nd, fmt.Errorf("add %q: size %d", path, f.Size)
		}
		nd.size = f.Size
	case ondisk.SIFLNK:
		if f.Target == "" || len(f.Target) > maxTarget {
			return nd, fmt.Errorf("add %q: a symlink's target has 1 to %d bytes, not %d", path, maxTarget, len(f.Target))
		}
		nd.size = int64(len(f.Target))
		nd.ref = b.text.add(f.Target)
	case ondisk.SIFCHR, ondisk.SIFBLK:
		if f.Major >= 1<<12 || f.Minor >= 1<<20 {
			return nd, fmt.Errorf("add %q: device number %d:%d is beyond 12 and 20 bits", path, f.Major, f.Minor)
		}
		nd.ref = f.Major<<20 | f.Minor
	case ondisk.SIFDIR, ondisk.SIFIFO, ondisk.SIFSOCK:
	default:
		return nd, fmt.Errorf("add %q: mode %#o has no file type", path, f.Mode)
	}
	if f.Btime == (Time{}) {
		f.Btime = b.p.Now
	}
	nd.atime = b.stamp(path, f.Atime)
	nd.mtime = b.stamp(path, f.Mtime)
	nd.ctime = b.stamp(path, f.Ctime)
	nd.crtime = b.stamp(path, f.Btime)
	nd.xattrs, nd.acl = b.planXattrs(path, f.Xattrs)
	return nd, nil
}
