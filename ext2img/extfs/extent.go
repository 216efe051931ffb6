package extfs

import (
	"fmt"
	"sort"

	"purebundle/ext2img/internal/ondisk"
)

// endBlock is behind the last logical block that can be counted.
const endBlock = uint64(1) << 32

// segment is a run of logical blocks that lie together, or a hole.
type segment struct {
	block, count uint64 // logical
	phys         uint64 // where they lie; 0: a hole
	unwritten    bool   // allocated, but reads as zero
}

func (s segment) end() uint64 { return s.block + s.count }

// data says whether the segment has content to read.
func (s segment) data() bool { return s.phys != 0 && !s.unwritten }

// extent is a leaf entry of an extent tree.
type extent struct {
	block, count, start uint64
	unwritten           bool
}

func nodeEntries(node []byte) int { return int(le16(node, ondisk.EhEntries)) }
func nodeDepth(node []byte) int   { return int(le16(node, ondisk.EhDepth)) }

// nodeKey returns the first logical block of entry i: ee_block or ei_block.
func nodeKey(node []byte, i int) uint64 {
	return uint64(le32(node, ondisk.ExtentHeaderSize+i*ondisk.ExtentSize))
}

// nodeChild returns the block of the node below index entry i.
func nodeChild(node []byte, i int) uint64 {
	off := ondisk.ExtentHeaderSize + i*ondisk.ExtentSize
	return uint64(le32(node, off+ondisk.EiLeafLo)) | uint64(le16(node, off+ondisk.EiLeafHi))<<32
}

func nodeExtent(node []byte, i int) extent {
	off := ondisk.ExtentHeaderSize + i*ondisk.ExtentSize
	e := extent{
		block: uint64(le32(node, off+ondisk.EeBlock)),
		count: uint64(le16(node, off+ondisk.EeLen)),
		start: uint64(le32(node, off+ondisk.EeStartLo)) | uint64(le16(node, off+ondisk.EeStartHi))<<32,
	}
	if e.count > ondisk.MaxExtentLen {
		e.count -= ondisk.MaxExtentLen
		e.unwritten = true
	}
	return e
}

// checkNode checks a node of depth levels above the leaves against the range
// [lo, hi) of logical blocks that its parent gives it: entries ascending,
// without overlap, within the range and within the file system.
func (f *FS) checkNode(node []byte, depth int, lo, hi uint64) error {
	entries, room := nodeEntries(node), (len(node)-ondisk.ExtentHeaderSize)/ondisk.ExtentSize
	switch {
	case le16(node, ondisk.EhMagic) != ondisk.ExtentMagic:
		return fmt.Errorf("extent magic number is %#x", le16(node, ondisk.EhMagic))
	case int(le16(node, ondisk.EhMax)) > room || int(le16(node, ondisk.EhMax)) < room-2 || entries > int(le16(node, ondisk.EhMax)): // two may be missing for a tail
		return fmt.Errorf("%d of %d extent entries, room for %d", entries, le16(node, ondisk.EhMax), room)
	case nodeDepth(node) != depth:
		return fmt.Errorf("extent depth is %d, want %d", nodeDepth(node), depth)
	case depth > 0 && entries == 0:
		return fmt.Errorf("empty extent index")
	}
	for i := range entries {
		key := nodeKey(node, i)
		if key < lo || key >= hi {
			return fmt.Errorf("extent entry %d: logical block %d is not in [%d, %d)", i, key, lo, hi)
		}
		lo = key + 1
		if depth > 0 {
			if !f.inBounds(nodeChild(node, i), 1) {
				return fmt.Errorf("extent index %d: block %d is outside of the file system", i, nodeChild(node, i))
			}
			continue
		}
		e := nodeExtent(node, i)
		if e.count == 0 || e.count > hi-key {
			return fmt.Errorf("extent %d: %d logical blocks from %d", i, e.count, key)
		}
		if !f.inBounds(e.start, e.count) {
			return fmt.Errorf("extent %d: blocks %d+%d are outside of the file system", i, e.start, e.count)
		}
		lo = key + e.count
	}
	return nil
}

// mapper finds where the blocks of one inode lie. It keeps the nodes of the
// last path from the root, so that walking a file reads each node once. It is
// not safe for concurrent use.
type mapper struct {
	f     *FS
	n     *Inode
	nodes [ondisk.MaxExtentDepth]cachedNode
}

// cachedNode is an extent node or an indirect block that was checked, for
// the range [lo, hi).
type cachedNode struct {
	number, lo, hi uint64
	data           []byte
}

// at gives the segment that starts with a logical block below endBlock; it
// has at least one block.
func (m *mapper) at(block uint64) (segment, error) {
	var s segment
	var err error
	if m.n.Flags&ondisk.ExtentsFl != 0 {
		s, err = m.extentAt(block)
	} else {
		s, err = m.mappedAt(block)
	}
	if err != nil {
		return s, fmt.Errorf("inode %d: %w", m.n.Ino, err)
	}
	return s, nil
}

func (m *mapper) extentAt(block uint64) (segment, error) {
	node := m.n.iblock[:]
	lo, hi := uint64(0), endBlock
	depth := nodeDepth(node)
	if depth > ondisk.MaxExtentDepth {
		return segment{}, fmt.Errorf("extent depth is %d, at most %d", depth, ondisk.MaxExtentDepth)
	}
	if err := m.f.checkNode(node, depth, lo, hi); err != nil {
		return segment{}, err
	}
	for {
		count := nodeEntries(node)
		i := sort.Search(count, func(i int) bool { return nodeKey(node, i) > block }) - 1
		next := hi
		if i+1 < count {
			next = nodeKey(node, i+1)
		}
		if i < 0 {
			return segment{block: block, count: next - block}, nil
		}
		if depth == 0 {
			e := nodeExtent(node, i)
			skip := block - e.block
			if skip >= e.count {
				return segment{block: block, count: next - block}, nil
			}
			return segment{block: block, count: e.count - skip, phys: e.start + skip, unwritten: e.unwritten}, nil
		}
		depth--
		lo, hi = nodeKey(node, i), next
		var err error
		if node, err = m.extentNode(nodeChild(node, i), depth, lo, hi); err != nil {
			return segment{}, err
		}
	}
}

// extentNode reads and checks a node, or gives the one that is kept.
func (m *mapper) extentNode(number uint64, depth int, lo, hi uint64) ([]byte, error) {
	c := &m.nodes[depth]
	if c.number == number && c.lo == lo && c.hi == hi {
		return c.data, nil
	}
	if err := c.read(m.f, number); err != nil {
		return nil, err
	}
	if err := m.f.checkNode(c.data, depth, lo, hi); err != nil {
		c.number = 0
		return nil, fmt.Errorf("block %d: %w", number, err)
	}
	if !m.f.extentChecksumOK(m.n, c.data) {
		c.number = 0
		return nil, fmt.Errorf("block %d: bad checksum of an extent node", number)
	}
	c.lo, c.hi = lo, hi
	return c.data, nil
}

func (c *cachedNode) read(f *FS, number uint64) error {
	if c.data == nil {
		c.data = make([]byte, f.sb.blockSize)
	}
	c.number = 0
	if err := f.readBlocks(c.data, number); err != nil {
		return err
	}
	c.number = number
	return nil
}
