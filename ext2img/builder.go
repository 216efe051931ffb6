package ext2img

import (
	"fmt"
	"math"
	"strings"

	"purebundle/ext2img/internal/ondisk"
)

// Builder collects the entries of a tree.
type Builder struct {
	*tree
	stack  []frame // the directories from the root down to the last entry's
	dir    []byte  // path of the last of them, "" for the root
	last   []byte  // name that was added last to it
	unfit  string  // a directory that is not in the image; "": none
	linked map[inode]int32

	hasLostFound bool // a name /lost+found was added
}

// inode is the identity of a file in the source.
type inode struct{ dev, ino uint64 }

// frame is a directory that entries are still being added to.
type frame struct {
	node    int32
	end     int   // of its path in Builder.dir
	size    int64 // bytes of its entries
	longest int   // bytes of the longest entry
}

// NewBuilder starts a tree without entries.
func NewBuilder(p Params) *Builder {
	return &Builder{tree: newTree(p), linked: make(map[inode]int32)}
}

// Resize changes Params.Size, which Layout alone needs: it may depend on how large another
// image becomes.
func (b *Builder) Resize(size int64) { b.p.Size = size }

// KeepTo changes Params.Base, likewise.
func (b *Builder) KeepTo(base *Base) { b.p.Base = base }

// Add adds the inode f under path. The root, "/", comes first, a directory
// before what is in it and directly after its last older sibling's content, and
// names of a directory ascend in byte order. A path that was just added is not
// added again.
//
// What is wrong with one entry is that entry's fault alone: it is not in the
// image, nor is anything below it, and the report has it as Unfit. The error is
// about the tree as a whole: it has no root directory, or a second one.
func (b *Builder) Add(path string, f File) error {
	if path == "/" {
		return b.addRoot(f)
	}
	if len(b.stack) == 0 {
		return fmt.Errorf("add %.200q: no root directory was added before", path)
	}
	nm, ok := b.enter(path, f.UID)
	if !ok {
		return nil
	}
	b.addInode(path, nm, f)
	return nil
}

// Link adds path as another name of the file that was added with the same Dev
// and Ino, if one was; f is what Add takes. Past 65,000 names a new inode with
// the same content begins, with a warning.
func (b *Builder) Link(path string, f File) error {
	target, ok := b.linked[inode{f.Dev, f.Ino}]
	if !ok {
		return b.Add(path, f) // its other names are not in the image
	}
	if len(b.stack) == 0 {
		return fmt.Errorf("link %.200q: no root directory was added before", path)
	}
	nm, ok := b.enter(path, f.UID)
	if !ok {
		return nil
	}
	b.hasLostFound = b.hasLostFound || path == lostFoundPath
	nm.node = target
	if nd := b.nodes.at(target); nd.links < ondisk.LinkMax {
		nd.links++
		b.names.add(nm)
		return nil
	}
	b.warn(path, fmt.Sprintf("more than %d links to %s: a copy of it, with links of its own", ondisk.LinkMax, shorten(b.path(b.nodes.at(target).name))))
	twin := *b.nodes.at(target)
	twin.links = 1
	nm.node = b.nodes.add(twin)
	b.nodes.at(nm.node).name = b.names.add(nm)
	b.xattrs.share(twin.acl)
	if data, ok := b.sparse[target]; ok {
		b.sparse[nm.node] = data
	}
	if content, ok := b.content[target]; ok {
		b.content[nm.node] = content
	}
	b.linked[inode{f.Dev, f.Ino}] = nm.node
	return nil
}

// addRoot fills the root directory's node.
func (b *Builder) addRoot(f File) error {
	if b.stack != nil {
		return fmt.Errorf("add /: added already")
	}
	nd, err := b.newNode("/", f)
	if err != nil {
		return fmt.Errorf("add /: %w", err)
	}
	if nd.fmt() != ondisk.SIFDIR {
		return fmt.Errorf("add /: not a directory")
	}
	nd.links = 2
	*b.nodes.at(rootNode) = nd
	b.stack = []frame{{node: rootNode, size: dotsSize}}
	return nil
}

// addInode adds the node of f and its name nm.
func (b *Builder) addInode(path string, nm name, f File) {
	nd, err := b.newNode(path, f)
	if err != nil {
		b.text.cut(nm.ref)
		b.leaveOut(path, f.UID, err)
		return
	}
	if path == lostFoundPath {
		b.hasLostFound = true
		nm.node = lostFoundNode
		if nd.fmt() != ondisk.SIFDIR {
			b.warn(path, "is no directory: e2fsck will ask to make one")
		}
		*b.nodes.at(lostFoundNode) = nd
	} else {
		nm.node = b.nodes.add(nd)
	}
	b.finish(path, nm, f)
}

// finish enters the name of a node that has just been made.
func (b *Builder) finish(path string, nm name, f File) {
	nd := b.nodes.at(nm.node)
	nd.name = b.names.add(nm)
	switch nd.fmt() {
	case ondisk.SIFDIR:
		nd.links = 2
		b.nodes.at(nm.parent).links++
		b.dir = append(b.dir[:0], path...)
		b.last = b.last[:0]
		b.stack = append(b.stack, frame{node: nm.node, end: len(path), size: dotsSize})
	default:
		nd.links = 1
		if f.Nlink > 1 {
			b.linked[inode{f.Dev, f.Ino}] = nm.node
		}
	}
	if f.Mark != 0 {
		b.marks[nm.node] = f.Mark
	}
	if f.Data != nil && nd.fmt() == ondisk.SIFREG {
		b.sparse[nm.node] = f.Data
	}
	if f.Content != nil {
		b.content[nm.node] = f.Content
	}
}

// leaveOut reports an entry that the image cannot hold; what lies below it goes
// with it.
func (b *Builder) leaveOut(path string, uid uint32, cause error) {
	b.unfit = path
	b.change(path, uid, Unfit, cause.Error())
}

// Limits of what an image takes; each leaves out one entry and what is below it.
const (
	maxPath    = 64 << 10                                                      // bytes of a path: of each entry all names above it are looked at
	maxEntries = math.MaxInt32 - 1                                             // names, and inodes
	maxTarget  = 4095                                                          // bytes: a symlink's target is a path, below PATH_MAX
	maxLeaves  = ondisk.HtreeRootLimit * ondisk.HtreeNodeLimit                 // blocks of names in a directory without large_dir, which GRUB before 2.12 cannot read
	dotsSize   = (ondisk.DirHeaderSize+1+3)&^3 + (ondisk.DirHeaderSize+2+3)&^3 // bytes of "." and ".."
)

// Names and targets stay in memory until their blocks are written: anybody can make
// a million of them as long as they may be, and nobody needs that. A name and a target
// of textEach bytes together are taken in any case, so that nobody's long ones are in
// the way of usual ones; of the longest names, half a million are within the bounds.
const (
	textEach = 140      // bytes of an entry
	textMore = 64 << 20 // bytes of all entries besides
)

var (
	errLongText = fmt.Errorf("the names and symlink targets before it take %d MiB more than %d bytes each, the most that one image takes", textMore>>20, textEach)
	errTextFull = fmt.Errorf("the names and symlink targets before it take %d GiB, the most that one image takes", maxText>>30)
)

// textOf is how many bytes the name and the target of an entry have.
func textOf(path string, f File) int {
	return len(path) - strings.LastIndexByte(path, '/') - 1 + len(f.Target)
}

// addText stores a name or a target, with which its entry has so many bytes.
func (b *Builder) addText(s string, entry int) (ref uint32, err error) {
	if entry > textEach && b.text.bytes+int64(len(s)) > textMore+textEach*int64(b.names.len()) {
		return 0, errLongText
	}
	ref, ok := b.text.add(s)
	if !ok {
		return 0, errTextFull
	}
	return ref, nil
}

// enter finds the directory of path and stores its name. ok is false if it is not
// to be in the image.
func (b *Builder) enter(path string, uid uint32) (nm name, ok bool) {
	if b.unfit != "" {
		if rest, below := strings.CutPrefix(path, b.unfit); below && (rest == "" || rest[0] == '/') {
			return name{}, false
		}
		b.unfit = ""
	}
	nm, err := b.place(path)
	if err != nil {
		b.leaveOut(path, uid, err)
		return name{}, false
	}
	return nm, nm.ref != noText
}

// place returns the name for a path, as enter does, which reports its error. A name
// without text was added before.
func (b *Builder) place(path string) (nm name, err error) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return nm, fmt.Errorf("no absolute path")
	}
	if len(path) > maxPath {
		return nm, fmt.Errorf("its path of %d bytes is longer than %d", len(path), maxPath)
	}
	parent, base := path[:i], path[i+1:]
	switch {
	case len(base) > ondisk.NameMax:
		return nm, fmt.Errorf("its name of %d bytes is longer than the %d that ext4 takes", len(base), ondisk.NameMax)
	case base == "" || base == "." || base == ".." || strings.IndexByte(base, 0) >= 0:
		return nm, fmt.Errorf("no name that a directory can hold")
	}
	if !b.goUp(parent) {
		return nm, fmt.Errorf("its directory was not added before it, or is complete")
	}
	top := &b.stack[len(b.stack)-1]
	nm.parent, nm.ref = top.node, noText
	switch {
	case base == string(b.last):
		b.unfit = path // what is below it was added before, too
		return nm, nil
	case base < string(b.last):
		return nm, fmt.Errorf("comes after %q: not in byte order", b.last)
	case b.names.len() >= maxEntries || b.nodes.len() >= maxEntries:
		return nm, fmt.Errorf("more than %d names", maxEntries)
	}
	size := ondisk.DirentSize(len(base))
	longest := max(top.longest, size)
	// A block of names has less room left than its next entry needs.
	if top.size+int64(size) > maxLeaves*int64(ondisk.DirLeafSize-(longest-4)) {
		return nm, fmt.Errorf("the names before it fill its directory: %d blocks of names are the most of an ext4 directory without large_dir", maxLeaves)
	}
	if nm.ref, err = b.addText(base, len(base)); err != nil {
		return nm, err
	}
	top.size, top.longest = top.size+int64(size), longest
	b.last = append(b.last[:0], base...)
	return nm, nil
}

// goUp ends directories until the last one is that of path parent, and says
// whether it is among them.
func (b *Builder) goUp(parent string) bool {
	n := len(b.stack)
	for b.stack[n-1].end > len(parent) {
		n--
	}
	end := b.stack[n-1].end
	if end != len(parent) || string(b.dir[:end]) != parent {
		return false
	}
	if n < len(b.stack) {
		// The name after the one that is complete must come behind it.
		rest := b.dir[end+1 : b.stack[n].end]
		b.last = append(b.last[:0], rest...)
		b.stack, b.dir = b.stack[:n], b.dir[:end]
	}
	return true
}

// newNode makes the node of f; an error says why ext4 cannot hold it.
func (b *Builder) newNode(path string, f File) (node, error) {
	nd := node{
		mode:  uint16(f.Mode),
		uid:   f.UID,
		gid:   f.GID,
		id:    f.Ino,
		flags: f.Flags & ondisk.ChattrFl,
	}
	b.countLost(path, f.Flags)
	switch f.Mode & ondisk.SIFMT {
	case ondisk.SIFREG:
		if f.Size < 0 || f.Size > ondisk.MaxFileBlocks*BlockSize {
			return nd, fmt.Errorf("%d bytes are more than an ext4 file holds", uint64(f.Size))
		}
		if f.Content != nil && int64(len(f.Content)) != f.Size {
			return nd, fmt.Errorf("its content has %d bytes instead of %d", len(f.Content), f.Size)
		}
		nd.size = f.Size
	case ondisk.SIFLNK:
		if f.Target == "" || len(f.Target) > maxTarget {
			return nd, fmt.Errorf("its target has %d bytes: a symlink's has 1 to %d", len(f.Target), maxTarget)
		}
		if strings.IndexByte(f.Target, 0) >= 0 {
			return nd, fmt.Errorf("its target has a NUL byte")
		}
		nd.size = int64(len(f.Target))
		ref, err := b.addText(f.Target, textOf(path, f))
		if err != nil {
			return nd, err
		}
		nd.ref = ref
	case ondisk.SIFCHR, ondisk.SIFBLK:
		if f.Major >= 1<<12 || f.Minor >= 1<<20 {
			return nd, fmt.Errorf("device number %d:%d is beyond 12 and 20 bits", f.Major, f.Minor)
		}
		nd.ref = f.Major<<20 | f.Minor
	case ondisk.SIFDIR, ondisk.SIFIFO, ondisk.SIFSOCK:
	default:
		return nd, fmt.Errorf("mode %#o has no file type", f.Mode)
	}
	if nd.fmt() != ondisk.SIFREG && nd.fmt() != ondisk.SIFDIR {
		nd.flags &= ondisk.NodumpFl | ondisk.NoatimeFl // e2fsck clears the others of devices, sockets and symlinks
	}
	if nd.fmt() != ondisk.SIFDIR {
		nd.flags &^= ondisk.DirsyncFl | ondisk.TopdirFl
	}
	if f.Btime == (Time{}) {
		f.Btime, nd.traits = b.p.Now, nd.traits|unborn
	}
	if f.Steady && f.Content == nil && f.Ino != 0 {
		nd.traits |= steady
	}
	nd.atime = b.stamp(path, f.Atime)
	nd.mtime = b.stamp(path, f.Mtime)
	nd.ctime = b.stamp(path, f.Ctime)
	nd.crtime = b.stamp(path, f.Btime)
	var err error
	nd.xattrs, nd.acl, err = b.planXattrs(path, f.Xattrs, textOf(path, f))
	return nd, err
}
