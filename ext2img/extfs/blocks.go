package extfs

import (
	"fmt"
	"iter"

	"purebundle/ext2img/internal/ondisk"
)

// Extent is a run of blocks of an inode.
type Extent struct {
	Logical, Count uint64 // blocks in the file
	Phys           uint64 // where the first of them lies
}

// Extents gives the blocks of a file, a directory or a slow symlink that hold data, up
// to its size, ascending by Logical. It stops after an error.
func (f *FS) Extents(n *Inode) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		if !n.hasBlocks() {
			return
		}
		if err := n.readable(); err != nil {
			yield(Extent{}, err)
			return
		}
		for s, err := range f.segments(n) {
			if !yield(Extent{s.block, s.count, s.phys}, err) || err != nil {
				return
			}
		}
	}
}

// ExtentNodes lists the blocks of an inode's extent tree: those of the leaves, then of
// each level above them, within a level as the file goes. There are none if the extents
// fit in the inode.
func (f *FS) ExtentNodes(n *Inode) ([]uint64, error) {
	if n.Flags&ondisk.ExtentsFl == 0 || !n.hasBlocks() {
		return nil, nil
	}
	node := n.iblock[:]
	depth := nodeDepth(node)
	if depth > ondisk.MaxExtentDepth {
		return nil, fmt.Errorf("inode %d: extent depth is %d, at most %d", n.Ino, depth, ondisk.MaxExtentDepth)
	}
	levels := make([][]uint64, depth)
	budget := f.sb.blocksCount
	var walk func(node []byte, depth int, lo, hi uint64) error
	walk = func(node []byte, depth int, lo, hi uint64) error {
		if err := f.checkNode(node, depth, lo, hi); err != nil {
			return fmt.Errorf("inode %d: %w", n.Ino, err)
		}
		if depth == 0 {
			return nil
		}
		for i, count := 0, nodeEntries(node); i < count; i++ {
			if budget == 0 {
				return fmt.Errorf("inode %d: more extent nodes than the file system has blocks", n.Ino)
			}
			budget--
			next := hi
			if i+1 < count {
				next = nodeKey(node, i+1)
			}
			number, child := nodeChild(node, i), make([]byte, f.sb.blockSize)
			if err := f.readBlocks(child, number); err != nil {
				return err
			}
			if !f.extentChecksumOK(n, child) {
				return fmt.Errorf("inode %d: block %d: bad checksum of an extent node", n.Ino, number)
			}
			levels[depth-1] = append(levels[depth-1], number)
			if err := walk(child, depth-1, nodeKey(node, i), next); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(node, depth, 0, endBlock); err != nil {
		return nil, err
	}
	var list []uint64
	for _, level := range levels {
		list = append(list, level...)
	}
	return list, nil
}

// XattrBlock returns the block of an inode's attributes, 0 if it has none.
func (n *Inode) XattrBlock() uint64 { return n.fileACL }

// InUse fills p, one block, with the block bitmap of a group. ok is false if the bitmap
// is not on disk: only the file system's own blocks are in use then.
func (f *FS) InUse(group uint32, p []byte) (ok bool, err error) {
	g, err := f.group(group)
	if err != nil || g.flags&ondisk.BlockUninit != 0 {
		return false, err
	}
	if !f.inBounds(g.blockBitmap, 1) {
		return false, fmt.Errorf("descriptor of group %d: block bitmap outside of the file system", group)
	}
	if err := f.readBlocks(p[:f.sb.blockSize], g.blockBitmap); err != nil {
		return false, err
	}
	if f.sb.metadataCsum() && f.sb.descSize >= 64 && uint32(f.seed.Add(p[:f.sb.blocksPerGroup/8])) != g.blockBitmapCsum {
		return false, fmt.Errorf("block bitmap of group %d: bad checksum", group)
	}
	return true, nil
}
