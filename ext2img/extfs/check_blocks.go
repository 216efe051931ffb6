package extfs

import "purebundle/ext2img/internal/ondisk"

// blockWalk claims the blocks of one inode.
type blockWalk struct {
	c          *checker
	n          *Inode
	bad        bool   // not to be read: out of bounds, or in use elsewhere
	blocks     uint64 // all, tree nodes included
	data       uint64 // without them
	written    uint64 // end of the last written block, logical
	contiguous bool   // no hole up to written, and nothing unwritten
}

func (w *blockWalk) problem(format string, args ...any) {
	w.bad = true
	w.c.inInode(w.n.Ino, format, args...)
}

// claim takes a run of data blocks in logical order.
func (w *blockWalk) claim(s segment) {
	w.blocks += s.count
	w.data += s.count
	if !w.c.claim(s.phys, s.count, w.problem, "content") {
		return
	}
	if s.unwritten {
		w.contiguous = false
		return
	}
	if s.block != w.written {
		w.contiguous = false
	}
	w.written = s.end()
}

// claimNode takes a block of the tree; it is false if the block is not to
// be read.
func (w *blockWalk) claimNode(number uint64) bool {
	w.blocks++
	if !w.c.f.inBounds(number, 1) {
		w.problem("tree block %d is outside of the file system", number)
		return false
	}
	return w.c.claim(number, 1, w.problem, "tree")
}

// extents walks an extent tree. A block in use elsewhere is not entered, so
// all walks together read each block once.
func (w *blockWalk) extents() {
	root := w.n.iblock[:]
	depth := nodeDepth(root)
	if depth > ondisk.MaxExtentDepth {
		w.problem("extent depth is %d, at most %d", depth, ondisk.MaxExtentDepth)
		return
	}
	w.node(root, depth, 0, endBlock)
}

func (w *blockWalk) node(node []byte, depth int, lo, hi uint64) {
	f := w.c.f
	if err := f.checkNode(node, depth, lo, hi); err != nil {
		w.problem("%v", err)
		return
	}
	count := nodeEntries(node)
	for i := range count {
		if w.c.err != nil {
			return
		}
		if depth == 0 {
			e := nodeExtent(node, i)
			w.claim(segment{block: e.block, count: e.count, phys: e.start, unwritten: e.unwritten})
			continue
		}
		next := hi
		if i+1 < count {
			next = nodeKey(node, i+1)
		}
		key, number := nodeKey(node, i), nodeChild(node, i)
		if !w.claimNode(number) {
			continue
		}
		child := w.c.node(depth - 1)
		if !w.c.read(child, number) {
			return
		}
		if !f.extentChecksumOK(w.n, child) {
			w.c.inInode(w.n.Ino, "block %d: bad checksum of an extent node", number)
		}
		w.node(child, depth-1, key, next)
		if le16(child, ondisk.EhMagic) == ondisk.ExtentMagic && nodeEntries(child) > 0 && nodeKey(child, 0) != key {
			w.problem("block %d: the extent node starts with logical block %d, its parent says %d", number, nodeKey(child, 0), key)
		}
	}
}

// blockMap walks the block map of an inode without extents.
func (w *blockWalk) blockMap() {
	for i := range directBlocks {
		w.mapped(uint64(le32(w.n.iblock[:], 4*i)), uint64(i))
	}
	block := uint64(directBlocks)
	for level := 1; level <= 3; level++ {
		block = w.indirect(uint64(le32(w.n.iblock[:], 4*(directBlocks+level-1))), level, block)
	}
}

// mapped takes one data block, 0 being a hole.
func (w *blockWalk) mapped(number, block uint64) {
	if number == 0 {
		return
	}
	if !w.c.f.inBounds(number, 1) {
		w.problem("mapped block %d is outside of the file system", number)
		return
	}
	w.claim(segment{block: block, count: 1, phys: number})
}

// indirect takes an indirect block of a level and what it maps from a logical
// block on; it gives the logical block behind.
func (w *blockWalk) indirect(number uint64, level int, block uint64) uint64 {
	per := uint64(w.c.f.sb.blockSize / 4)
	span := uint64(1)
	for range level {
		span *= per
	}
	if number == 0 || !w.claimNode(number) {
		return block + span
	}
	data := w.c.node(level - 1)
	if !w.c.read(data, number) {
		return block + span
	}
	for i := range per {
		child := uint64(le32(data, int(4*i)))
		if level == 1 {
			w.mapped(child, block+i)
		} else {
			w.indirect(child, level-1, block+i*span/per)
		}
		if w.c.err != nil {
			break
		}
	}
	return block + span
}

// resizeInode checks inode 7, which keeps the room for more group
// descriptors: a double indirect block whose entries are the reserved blocks
// behind the descriptors of group 0, and each of these lists its copies in
// the other groups that have them. All but the first block were claimed with
// their groups.
func (w *blockWalk) resizeInode() {
	f := w.c.f
	per := int(f.sb.blockSize / 4)
	root := uint64(le32(w.n.iblock[:], 4*(directBlocks+1)))
	if w.n.Nlink == 0 || !w.n.IsRegular() || w.n.Flags&ondisk.ExtentsFl != 0 || root == 0 || !allZero(w.n.iblock[:4*(directBlocks+1)]) || le32(w.n.iblock[:], 4*(directBlocks+2)) != 0 {
		w.problem("the resize inode is not a file of a double indirect block alone")
		return
	}
	if !w.claimNode(root) {
		return
	}
	double, single := w.c.node(1), w.c.node(0)
	if !w.c.read(double, root) {
		return
	}
	first := uint64(f.sb.firstDataBlock) + 1 + f.sb.gdtBlocks() // reserved block of group 0
	reserved := uint64(f.sb.reservedGDT)
	offset := f.sb.gdtBlocks() % uint64(per)
	for i := range uint64(per) {
		got, want := uint64(le32(double, int(4*i))), uint64(0)
		if nth := (i + uint64(per) - offset) % uint64(per); nth < reserved {
			want = first + nth
		}
		if got != want {
			w.problem("the resize inode has block %d at %d, want %d", got, i, want)
			return
		}
		if want == 0 {
			continue
		}
		w.blocks++
		if !w.c.read(single, want) {
			return
		}
		at := 0
		for group := uint32(1); uint64(group) < f.sb.groups() && at < per; group++ {
			if !f.hasSuper(group) {
				continue
			}
			copied := want + uint64(group)*uint64(f.sb.blocksPerGroup)
			if uint64(le32(single, 4*at)) != copied {
				w.problem("the resize inode has block %d in block %d, want %d", le32(single, 4*at), want, copied)
				return
			}
			w.blocks++
			at++
		}
		if !allZero(single[4*at:]) {
			w.problem("the resize inode has more in block %d than there are copies", want)
			return
		}
	}
}
