package ext2img

import "purebundle/ext2img/internal/ondisk"

// treeSize returns the number of blocks that so many extents need below i_block.
func treeSize(extents int) (blocks int) {
	for n := extents; n > ondisk.RootExtents; {
		n = (n + ondisk.BlockExtents - 1) / ondisk.BlockExtents
		blocks += n
	}
	return blocks
}

// eachExtent calls fn for the extents of a node, up to its size: what was read
// may be less than what was placed.
func (m *Plan) eachExtent(nd *node, fn func(ondisk.Extent)) {
	end := int64(1) << 32
	if nd.fmt() == ondisk.SIFREG {
		end = ceilDiv(nd.size, BlockSize)
	}
	for _, s := range m.spans[nd.span : nd.span+nd.spans] {
		count := min(int64(s.count), end-int64(s.logical))
		for done := int64(0); done < count; done += ondisk.MaxExtentLen {
			fn(ondisk.Extent{
				Logical: s.logical + uint32(done),
				Len:     uint16(min(count-done, ondisk.MaxExtentLen)),
				Phys:    uint64(s.phys) + uint64(done),
			})
		}
	}
}

// encodeTree encodes the extents of a node: the root for i_block, the blocks
// below it, leaves first, into places. It returns how many of those it used:
// none if the extents fit in the root.
func (m *Plan) encodeTree(n int32, places []treeBlock) (root [60]byte, used int) {
	var es []ondisk.Extent
	m.eachExtent(m.nodes.at(n), func(e ondisk.Extent) { es = append(es, e) })
	if len(es) <= ondisk.RootExtents {
		ondisk.PutExtents(root[:], es)
		return root, 0
	}
	add := func(put func(b []byte), logical uint32) ondisk.ExtentIndex {
		phys := int64(places[used].phys)
		b := m.st.Block(phys)[:]
		put(b)
		ondisk.SumExtentBlock(b, m.ino(n), m.generation(m.nodes.at(n)), m.seed)
		used++
		return ondisk.ExtentIndex{Logical: logical, Leaf: uint64(phys)}
	}
	var level []ondisk.ExtentIndex
	for len(es) > 0 {
		leaf := es[:min(len(es), ondisk.BlockExtents)]
		es = es[len(leaf):]
		level = append(level, add(func(b []byte) { ondisk.PutExtents(b, leaf) }, leaf[0].Logical))
	}
	depth := 1
	for ; len(level) > ondisk.RootExtents; depth++ {
		var above []ondisk.ExtentIndex
		for len(level) > 0 {
			inner := level[:min(len(level), ondisk.BlockExtents)]
			level = level[len(inner):]
			above = append(above, add(func(b []byte) { ondisk.PutExtentIndexes(b, inner, depth) }, inner[0].Logical))
		}
		level = above
	}
	ondisk.PutExtentIndexes(root[:], level, depth)
	return root, used
}
