package extfs

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// xattrBlock counts the inodes that share an xattr block.
type xattrBlock struct {
	want uint32 // h_refcount
	seen uint32
	ino  uint32 // the first of them
}

// inodeXattrs checks the xattrs in an inode, and those in its block when it
// is the first that has it.
func (c *checker) inodeXattrs(n *Inode) {
	var names []string
	if hasInlineXattrs(n) {
		list, err := xattrEntries(n.inlineEA[4:], 0)
		if err != nil {
			c.inInode(n.Ino, "xattrs: %v", err)
		}
		for _, e := range list {
			// Entries in inodes may go without a hash.
			if e.hash != 0 {
				c.xattrEntry(n, &e)
			}
			names = append(names, string(e.index)+string(e.name))
		}
	}
	if n.fileACL != 0 {
		names = append(names, c.xattrBlock(n)...)
	}
	slices.Sort(names)
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			c.inInode(n.Ino, "xattr %q twice", names[i][1:])
		}
	}
}

// xattrEntries collects what parseXattrs gives.
func xattrEntries(area []byte, first int) ([]xattrEntry, error) {
	var list []xattrEntry
	err := parseXattrs(area, first, func(e xattrEntry) error {
		list = append(list, e)
		return nil
	})
	return list, err
}

// xattrEntry checks the hash of an entry, and that it has a meaning.
func (c *checker) xattrEntry(n *Inode, e *xattrEntry) {
	if e.hash != xattrHash(e) && e.hash != xattrHashSigned(e) {
		c.inInode(n.Ino, "xattr %q: hash is %#x, want %#x", e.name, e.hash, xattrHash(e))
	}
}

// xattrBlock gives the names in an inode's xattr block; it checks the block
// only once.
func (c *checker) xattrBlock(n *Inode) []string {
	f := c.f
	if !f.inBounds(n.fileACL, 1) {
		c.inInode(n.Ino, "xattr block %d is outside of the file system", n.fileACL)
		return nil
	}
	known := c.xattrs[n.fileACL]
	if known == nil && !c.claim(n.fileACL, 1, c.aboutInode(n.Ino), "xattr block") {
		return nil
	}
	block := make([]byte, f.sb.blockSize)
	if !c.read(block, n.fileACL) {
		return nil
	}
	if known == nil {
		known = &xattrBlock{want: le32(block, 4), ino: n.Ino}
		c.xattrs[n.fileACL] = known
		if err := f.checkXattrBlock(n.fileACL, block); err != nil {
			c.inInode(n.Ino, "xattr block %d: %v", n.fileACL, err)
		}
	}
	known.seen++
	list, err := xattrEntries(block, xattrHeaderSize)
	if err != nil && known.seen == 1 {
		c.inInode(n.Ino, "xattr block %d: %v", n.fileACL, err)
	}
	var names []string
	for _, e := range list {
		names = append(names, string(e.index)+string(e.name))
	}
	if known.seen > 1 || err != nil {
		return names
	}
	total := uint32(0)
	for i, e := range list {
		c.xattrEntry(n, &e)
		if i > 0 && compareXattrs(&list[i-1], &e) >= 0 {
			c.inInode(n.Ino, "xattr block %d: %q is out of order", n.fileACL, e.name)
		}
		total = total<<16 ^ total>>16 ^ e.hash
	}
	// Zero is for blocks that are not to be shared.
	if hash := le32(block, 12); hash != total && hash != 0 {
		c.inInode(n.Ino, "xattr block %d: hash is %#x, want %#x", n.fileACL, hash, total)
	}
	return names
}

// compareXattrs is the order of entries in a block, which the kernel's search
// relies on: name index, name length, name.
func compareXattrs(a, b *xattrEntry) int {
	return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(len(a.name), len(b.name)), bytes.Compare(a.name, b.name))
}

// sharedXattrs compares the counts of xattr blocks with the inodes that have
// them.
func (c *checker) sharedXattrs() {
	blocks := make([]uint64, 0, len(c.xattrs))
	for number := range c.xattrs {
		blocks = append(blocks, number)
	}
	slices.Sort(blocks)
	for _, number := range blocks {
		x := c.xattrs[number]
		if x.want != x.seen || x.want > xattrMaxRef {
			c.add(Problem{Ino: x.ino, Where: fmt.Sprintf("xattr block %d", number),
				Text: fmt.Sprintf("reference count is %d, want %d", x.want, x.seen)})
		}
	}
}
