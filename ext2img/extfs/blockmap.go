package extfs

import "fmt"

// directBlocks is the length of the first level of a block map, which inodes without
// extents have: 12 block numbers in i_block, then those of an indirect, a double and a triple indirect block.
const directBlocks = 12

// mappedAt does what at does, for block maps.
func (m *mapper) mappedAt(block uint64) (segment, error) {
	perBlock := uint64(m.f.sb.blockSize / 4)
	if block < directBlocks {
		return m.run(m.n.iblock[:4*directBlocks], block, block)
	}
	rest := block - directBlocks
	span := perBlock // logical blocks below the root of this level
	level := 1
	for ; level <= 3 && rest >= span; level++ {
		rest -= span
		span *= perBlock
	}
	if level > 3 {
		return segment{block: block, count: endBlock - block}, nil
	}
	number := uint64(le32(m.n.iblock[:], 4*(directBlocks+level-1)))
	for ; ; level-- {
		if number == 0 {
			return segment{block: block, count: min(span-rest, endBlock-block)}, nil
		}
		if !m.f.inBounds(number, 1) {
			return segment{}, fmt.Errorf("indirect block %d is outside of the file system", number)
		}
		c := &m.nodes[level-1]
		if c.number != number {
			if err := c.read(m.f, number); err != nil {
				return segment{}, err
			}
		}
		span /= perBlock
		index := rest / span
		rest %= span
		if level == 1 {
			return m.run(c.data, index, block)
		}
		number = uint64(le32(c.data, int(4*index)))
	}
}

// run gives the segment that starts at entry index of an array of block
// numbers, as far as the array tells.
func (m *mapper) run(array []byte, index, block uint64) (segment, error) {
	at := func(i uint64) uint64 { return uint64(le32(array, int(4*i))) }
	s := segment{block: block, phys: at(index)}
	for i := index; i < uint64(len(array)/4) && block+s.count < endBlock; i++ {
		if s.phys == 0 && at(i) != 0 || s.phys != 0 && at(i) != s.phys+s.count {
			break
		}
		s.count++
	}
	if s.phys != 0 && !m.f.inBounds(s.phys, s.count) {
		return s, fmt.Errorf("mapped blocks %d+%d are outside of the file system", s.phys, s.count)
	}
	return s, nil
}
