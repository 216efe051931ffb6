package ext2img

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"purebundle/ext2img/internal/ondisk"
)

// xattrPlan holds the attributes of all nodes, equal sets once.
type xattrPlan struct {
	inode      []string // encoded for the inode, from the magic on
	inodeIndex map[string]int32
	block      []xattrBlock
	blockIndex map[[sha256.Size]byte]int32 // by content; the one that still takes inodes
}

// xattrBlock is a block that inodes with equal attributes share.
type xattrBlock struct {
	xattrs []ondisk.Xattr
	refs   uint32 // h_refcount
	phys   int64  // block number
}

// planXattrs decides where attributes go, and drops what has no place with a
// warning. It returns indexes in the plan, -1 for none.
func (t *tree) planXattrs(path string, in []Xattr) (inode, block int32) {
	if len(in) == 0 {
		return -1, -1
	}
	xs := make([]ondisk.Xattr, 0, len(in))
	for _, x := range in {
		d, ok := ondisk.NewXattr(x.Name, x.Value)
		if !ok {
			t.warn(path, fmt.Sprintf("attribute %q dropped: ext4 has no form for it", x.Name))
			continue
		}
		if d.Size() > ondisk.XattrBlockSize {
			t.warn(path, fmt.Sprintf("attribute %q dropped: its %d bytes do not fit in a block", x.Name, len(x.Value)))
			continue
		}
		xs = append(xs, d)
	}
	ondisk.SortXattrs(xs)
	xs = slices.CompactFunc(xs, func(a, b ondisk.Xattr) bool { return a.Index == b.Index && a.Name == b.Name }) // FUSE may list a name twice
	inInode, inBlock, dropped := ondisk.FitXattrs(xs)
	for _, x := range dropped {
		t.warn(path, fmt.Sprintf("an attribute of %d bytes (%q) dropped: the attributes of a file fit in its inode and one block", len(x.Value), x.FullName()))
	}
	return t.xattrs.toInode(inInode), t.xattrs.toBlock(inBlock)
}

func (p *xattrPlan) toInode(xs []ondisk.Xattr) int32 {
	if len(xs) == 0 {
		return -1
	}
	key := string(ondisk.InodeXattrs(xs))
	if i, ok := p.inodeIndex[key]; ok {
		return i
	}
	if p.inodeIndex == nil {
		p.inodeIndex = make(map[string]int32)
	}
	i := int32(len(p.inode))
	p.inode = append(p.inode, key)
	p.inodeIndex[key] = i
	return i
}

func (p *xattrPlan) toBlock(xs []ondisk.Xattr) int32 {
	if len(xs) == 0 {
		return -1
	}
	h := sha256.New()
	for _, x := range xs {
		fmt.Fprintf(h, "%d %d %d %s%s", x.Index, len(x.Name), len(x.Value), x.Name, x.Value)
	}
	key := [sha256.Size]byte(h.Sum(nil))
	if i, ok := p.blockIndex[key]; ok && p.block[i].refs < ondisk.XattrRefcountMax {
		p.block[i].refs++
		return i
	}
	if p.blockIndex == nil {
		p.blockIndex = make(map[[sha256.Size]byte]int32)
	}
	i := int32(len(p.block))
	p.block = append(p.block, xattrBlock{xattrs: xs, refs: 1})
	p.blockIndex[key] = i
	return i
}

// share counts one more inode that uses a block.
func (p *xattrPlan) share(block int32) {
	if block >= 0 {
		p.block[block].refs++
	}
}
