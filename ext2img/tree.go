package ext2img

import (
	"fmt"
	"strings"

	"purebundle/ext2img/internal/ondisk"
)

// tree has the entries that a Builder collects and an Image encodes.
type tree struct {
	p     Params
	nodes pages[node]
	names pages[name]
	text  arena // names and symlink targets

	lostFound uint32            // the name lost+found in text
	sparse    map[int32][]Range // data ranges of sparse files, by node
	marks     map[int32]uint64  // File.Mark, by node
	content   map[int32][]byte  // File.Content, by node
	lostFlags lostFlags
	dirs      []dir
	xattrs    xattrPlan
	report    Report
	listed    [kinds]int // changes of each kind, those that are not listed included
	byAge     []int32    // regular files, see dataOrder; nil: not known yet
	numbers   *numbers   // of inodes, if a base says them; nil: nodes have them in their order
}

// newTree makes a tree whose root and lost+found are still to be filled.
func newTree(p Params) *tree {
	t := &tree{p: p, sparse: make(map[int32][]Range), marks: make(map[int32]uint64), content: make(map[int32][]byte)}
	for range lostFoundNode + 1 {
		t.nodes.add(node{xattrs: -1, acl: -1})
	}
	t.names.add(name{})
	t.lostFound, _ = t.text.add(lostFoundPath[1:])
	return t
}

// node is an inode. Nodes are numbered in the order of their first names; the
// root is node 0 and lost+found node 1.
type node struct {
	mode     uint16
	gone     bool // found vanished or unreadable: not in the image
	traits   traits
	links    uint32
	uid, gid uint32
	size     int64  // bytes
	id       uint64 // inode number in the source
	ref      uint32 // symlink: target; device: number as major<<20|minor; directory: index in Builder.dirs
	flags    uint32
	name     int32 // its first name
	xattrs   int32 // index in xattrs.inode, -1: none
	acl      int32 // index in xattrs.block, -1: none
	span     int32 // first of its spans
	spans    int32 // number of them

	atime, mtime, ctime, crtime ondisk.Stamp
}

// traits are what is known of a node besides.
type traits uint8

const (
	steady traits = 1 << iota // File.Steady
	unborn                    // its birth time is not known
	kept                      // it has the content and the blocks that it has in the base
)

// is says whether the node has a trait.
func (n *node) is(t traits) bool { return n.traits&t != 0 }

// hasSpan says whether spans[i] is one of the node: those of a file that was placed
// anew are not.
func (n *node) hasSpan(i int32) bool { return n.span <= i && i < n.span+n.spans }

func (n *node) fmt() uint32 { return uint32(n.mode) & ondisk.SIFMT }

// name is a directory entry.
type name struct {
	parent int32 // node of the directory
	node   int32
	ref    uint32 // in Builder.text
}

const (
	lostFoundPath = "/lost+found"

	rootNode      = 0
	rootName      = 0 // stands for the root, which has no name
	lostFoundNode = 1
)

// ino returns the inode number of a node.
func (t *tree) ino(n int32) uint32 {
	switch {
	case n == rootNode:
		return ondisk.RootIno
	case t.numbers != nil:
		return t.numbers.of[n]
	}
	return ondisk.LostFoundIno - lostFoundNode + uint32(n)
}

// nodeOf returns the node that has an inode number from lost+found's on; ok is false if
// none has it.
func (t *tree) nodeOf(ino uint32) (n int32, ok bool) {
	if t.numbers == nil {
		n = int32(ino) - ondisk.LostFoundIno + lostFoundNode
		return n, n < t.nodes.len()
	}
	if int(ino) >= len(t.numbers.node) {
		return 0, false
	}
	n = t.numbers.node[ino]
	return n, n != rootNode
}

// generation returns i_generation of a node: of a file, which file of the source it is,
// so that the next image of it can tell it from another that has taken its name, with
// the same size and times. An image that is to be the same wherever the tree lies has none.
func (t *tree) generation(nd *node) uint32 {
	if t.p.Latest != nil || nd.fmt() != ondisk.SIFREG {
		return 0
	}
	return uint32(nd.id) ^ uint32(nd.id>>32)
}

func (t *tree) stamp(path string, at Time) ondisk.Stamp {
	s, exact := ondisk.NewStamp(at.Sec, at.Nsec)
	if !exact {
		t.warn(path, fmt.Sprintf("time %d s since 1970 is outside 1901 to 2446: clamped", at.Sec))
	}
	return s
}

// maxListed bounds the changes of each kind, and the warnings, that a report
// names: anybody can plant files that give one.
const maxListed = 10_000

func (t *tree) warn(path, text string) {
	if len(t.report.Warnings) == maxListed {
		t.report.MoreWarnings++
		return
	}
	t.report.Warnings = append(t.report.Warnings, Warning{shorten(path), text})
}

func (t *tree) change(path string, uid uint32, k Kind, detail string) {
	if t.listed[k]++; t.listed[k] > maxListed {
		if t.report.More == nil {
			t.report.More = make(map[Kind]int)
		}
		t.report.More[k]++
		return
	}
	t.report.Changes = append(t.report.Changes, Change{shorten(path), uid, k, detail})
}

// shorten returns a path of at most 4,096 bytes, dots in the middle of a longer one.
func shorten(path string) string {
	const most = 4096
	if len(path) <= most {
		return strings.Clone(path)
	}
	return path[:most/2-3] + "..." + path[len(path)-most/2:]
}

// path builds the path of a name from its parents.
func (t *tree) path(nm int32) string {
	var refs []uint32
	size := 0
	for n := nm; n != rootName; {
		e := t.names.at(n)
		refs = append(refs, e.ref)
		size += 1 + t.text.size(e.ref)
		n = t.nodes.at(e.parent).name
	}
	if size == 0 {
		return "/"
	}
	var s strings.Builder
	s.Grow(size)
	for i := len(refs) - 1; i >= 0; i-- {
		s.WriteByte('/')
		s.WriteString(t.text.get(refs[i]))
	}
	return s.String()
}
