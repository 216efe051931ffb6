package extfs

import (
	"fmt"
	"hash/maphash"
	"slices"

	"purebundle/ext2img/internal/ondisk"
)

// xattrBlock counts the inodes that share an xattr block.
type xattrBlock struct {
	want uint32 // h_refcount
	seen uint32
	ino  uint32 // the first of them
	// names has a hash of each name, sorted.
	names []uint64
}

// inodeXattrs checks the xattrs in an inode, and those in its block when it
// is the first that has it.
func (c *checker) inodeXattrs(n *Inode) {
	var names []uint64
	if hasInlineXattrs(n) {
		list, err := xattrEntries(n.inlineEA[4:], 0)
		if err != nil {
			c.inInode(n.Ino, "xattrs: %v", err)
		}
		for _, e := range list {
			c.xattrEntry(n, &e)
		}
		names = c.xattrNames(list)
	}
	switch {
	case n.fileACL != 0 && c.f.sb.compat&ondisk.CompatExtAttr == 0:
		c.inInode(n.Ino, "xattr block %d, without the feature ext_attr", n.fileACL)
	case n.fileACL != 0:
		names = append(names, c.xattrBlock(n)...)
		slices.Sort(names)
	}
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			c.inInode(n.Ino, "an xattr twice")
			return
		}
	}
}

// xattrNames gives a hash of each name, sorted.
func (c *checker) xattrNames(list []xattrEntry) []uint64 {
	names := make([]uint64, len(list))
	for i, e := range list {
		names[i] = maphash.Bytes(c.seed, append([]byte{e.index}, e.name...))
	}
	slices.Sort(names)
	return names
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

// xattrEntry checks the hash of an entry, which those in inodes may go
// without, and that it can be given back.
func (c *checker) xattrEntry(n *Inode, e *xattrEntry) {
	if _, err := e.decode(); err != nil {
		c.inInode(n.Ino, "xattr: %v", err)
	}
	if e.hash != 0 && !e.hashOK() {
		c.inInode(n.Ino, "xattr %q: hash is %#x, want %#x", e.name, e.hash, ondisk.XattrHash(string(e.name), e.wholeWords(), ondisk.Unsigned))
	}
}

// xattrBlock gives the names in an inode's xattr block; it reads the block
// only once.
func (c *checker) xattrBlock(n *Inode) []uint64 {
	f := c.f
	if x := c.xattrs[n.fileACL]; x != nil {
		x.seen++
		return x.names
	}
	if !f.inBounds(n.fileACL, 1) {
		c.inInode(n.Ino, "xattr block %d is outside of the file system", n.fileACL)
		return nil
	}
	if !c.claim(n.fileACL, 1, c.aboutInode(n.Ino), "xattr block") {
		return nil
	}
	block := c.node(0)
	if !c.read(block, n.fileACL) {
		return nil
	}
	x := &xattrBlock{want: le32(block, ondisk.XattrHRefcount), seen: 1, ino: n.Ino}
	c.xattrs[n.fileACL] = x
	if err := f.checkXattrBlock(n.fileACL, block); err != nil {
		c.inInode(n.Ino, "xattr block %d: %v", n.fileACL, err)
	}
	list, err := xattrEntries(block, ondisk.XattrHeaderSize)
	if err != nil {
		c.inInode(n.Ino, "xattr block %d: %v", n.fileACL, err)
		return nil
	}
	x.names = c.xattrNames(list)
	total := uint32(0)
	for i, e := range list {
		c.xattrEntry(n, &e)
		if i > 0 && compareXattrs(&list[i-1], &e) >= 0 {
			c.inInode(n.Ino, "xattr block %d: %q is out of order", n.fileACL, e.name)
		}
		total = ondisk.XattrBlockHash(total, e.hash)
	}
	// Zero is for blocks that are not to be shared.
	if hash := le32(block, ondisk.XattrHHash); hash != total && hash != 0 {
		c.inInode(n.Ino, "xattr block %d: hash is %#x, want %#x", n.fileACL, hash, total)
	}
	return x.names
}

func compareXattrs(a, b *xattrEntry) int {
	return ondisk.CompareXattrs(a.index, string(a.name), b.index, string(b.name))
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
		if x.want != x.seen || x.want > ondisk.XattrRefcountMax {
			c.add(Problem{Ino: x.ino, Where: fmt.Sprintf("xattr block %d", number),
				Text: fmt.Sprintf("reference count is %d, want %d", x.want, x.seen)})
		}
	}
}
