package ext2img

import (
	"slices"
	"sort"

	"purebundle/ext2img/internal/ondisk"
)

// InUse says whether any of n bytes of the image from off on belong to a file or to
// metadata, whatever they hold: zeros there must be stored as zeros. What is not in use
// may be stored as anything, or not at all. With Params.BareTables the unused ends of
// inode tables are not in use. A file that turns out not to be in the image counts.
func (m *Plan) InUse(off, n int64) bool {
	start, end := off/BlockSize, min(ceilDiv(off+n, BlockSize), m.g.blocks)
	if start >= end {
		return false
	}
	m.fixedOnce.Do(m.findFixed)
	i := sort.Search(len(m.fixed), func(i int) bool { return m.fixed[i].end() > start })
	if i < len(m.fixed) && m.fixed[i].start < end {
		return true
	}
	i = sort.Search(len(m.spans), func(i int) bool { return m.spans[i].end() > start })
	if i < len(m.spans) && int64(m.spans[i].phys) < end {
		return true
	}
	i = sort.Search(len(m.trees), func(i int) bool { return int64(m.trees[i].phys) >= start })
	return i < len(m.trees) && int64(m.trees[i].phys) < end
}

// findFixed lists the blocks of the file system itself, ascending.
func (m *Plan) findFixed() {
	var unused []run
	for n, g := range m.groups {
		if used := ceilDiv(m.usedInodes(int64(n)), ondisk.InodesPerBlock); m.p.BareTables && used < m.g.tableBlocks {
			unused = append(unused, run{int64(g.InodeTable) + used, m.g.tableBlocks - used})
		}
	}
	j, _ := m.g.journal()
	m.fixed = append(m.g.supers(), j)
	for _, f := range m.g.flexes() {
		m.fixed = append(m.fixed, gaps(f, unused)...)
	}
	slices.SortFunc(m.fixed, func(a, b run) int { return int(a.start - b.start) })
}
