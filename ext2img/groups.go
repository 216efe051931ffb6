package ext2img

import (
	"math/bits"

	"purebundle/ext2img/internal/ondisk"
)

// findInUse notes which groups need their block bitmap on disk: all but those
// that hold nothing besides a superblock and descriptors (BLOCK_UNINIT).
func (m *Plan) findInUse() {
	m.inUse = make([]bool, len(m.groups))
	mark := func(start, count int64) {
		for n := start / ondisk.BlocksPerGroup; n*ondisk.BlocksPerGroup < start+count; n++ {
			m.inUse[n] = true
		}
	}
	m.inUse[m.g.groups-1] = true // its bitmap has padding
	for _, r := range m.g.flexes() {
		mark(r.start, r.count)
	}
	j, _ := m.g.journal()
	mark(j.start, j.count)
	for _, s := range m.spans {
		mark(int64(s.phys), int64(s.count))
	}
	for _, t := range m.trees {
		mark(int64(t.phys), 1)
	}
}

// encodeGroups computes the bitmaps, writes them, and encodes the group
// descriptors.
func (m *Plan) encodeGroups() {
	for n := range m.groups {
		m.startGroup(int64(n))
	}
	m.markBlocks()
	m.markInodes()
	m.freeBlocks, m.freeInodes = 0, 0
	m.desc = make([]byte, m.g.gdtBlocks*BlockSize)
	for n := range m.groups {
		g := &m.groups[n]
		m.finishGroup(int64(n))
		m.freeBlocks += int64(g.FreeBlocks)
		m.freeInodes += int64(g.FreeInodes)
		g.Put(m.desc[n*ondisk.GroupDescSize:(n+1)*ondisk.GroupDescSize], uint32(n), m.seed)
	}
}

// writeBackups writes the copies of the superblock and of the descriptors: those of a
// file system that holds nothing yet, and without a word on what need not be looked at.
// The kernel brings the first ones up to date only, so that who uses copies counts for
// himself; these are the same in the next image.
func (m *Plan) writeBackups() {
	m.freeBlocks, m.freeInodes = 0, 0
	m.desc = make([]byte, m.g.gdtBlocks*BlockSize)
	fixed := m.g.fixed()
	for n, g := range m.groups {
		own, used := m.g.group(int64(n)), int64(0)
		for _, r := range fixed {
			used += max(0, min(r.end(), own.end())-max(r.start, own.start))
		}
		g = ondisk.Group{BlockBitmap: g.BlockBitmap, InodeBitmap: g.InodeBitmap, InodeTable: g.InodeTable, Flags: ondisk.InodeZeroed}
		g.FreeBlocks, g.FreeInodes = uint32(own.count-used), uint32(m.g.inodesPerGroup)
		if n == 0 {
			g.FreeInodes -= ondisk.FirstIno - 1
		}
		m.freeBlocks += int64(g.FreeBlocks)
		m.freeInodes += int64(g.FreeInodes)
		g.Put(m.desc[n*ondisk.GroupDescSize:(n+1)*ondisk.GroupDescSize], uint32(n), m.seed)
	}
	for n := int64(1); n < m.g.groups; n++ {
		if hasSuper(n) {
			m.writeSuper(n)
		}
	}
}

// startGroup empties the bitmaps of a group, those on disk being in memory from
// then on.
func (m *Plan) startGroup(n int64) {
	g := &m.groups[n]
	*g = ondisk.Group{BlockBitmap: g.BlockBitmap, InodeBitmap: g.InodeBitmap, InodeTable: g.InodeTable}
	if !m.p.BareTables || ceilDiv(m.usedInodes(n), ondisk.InodesPerBlock) == m.g.tableBlocks {
		g.Flags |= ondisk.InodeZeroed
	}
	delete(m.st.Blocks, int64(g.BlockBitmap))
	delete(m.st.Blocks, int64(g.InodeBitmap))
	if m.inUse[n] {
		b := m.st.Block(int64(g.BlockBitmap))
		setBits(b, 0, m.g.superBlocks(n))
		setBits(b, m.g.group(n).count, ondisk.BlocksPerGroup)
	} else {
		g.Flags |= ondisk.BlockUninit
	}
	if m.usedInodes(n) > 0 {
		setBits(m.st.Block(int64(g.InodeBitmap)), m.g.inodesPerGroup, ondisk.MaxInodesGroup)
	} else {
		g.Flags |= ondisk.InodeUninit
	}
}

// markBlocks sets the bits of all blocks in use.
func (m *Plan) markBlocks() {
	for _, r := range m.g.flexes() {
		m.markRun(r.start, r.count)
	}
	j, _ := m.g.journal()
	m.markRun(j.start, j.count)
	for n := range m.nodes.len() {
		if nd := m.nodes.at(n); !nd.gone {
			m.eachExtent(nd, func(e ondisk.Extent) { m.markRun(int64(e.Phys), int64(e.Len)) })
		}
	}
	for i := range m.xattrs.block.len() {
		if x := m.xattrs.block.at(i); x.refs > 0 {
			m.markRun(int64(x.phys), 1)
		}
	}
	used := make(map[int32]int)
	for _, t := range m.trees {
		if used[t.owner] < m.treeUsed[t.owner] {
			used[t.owner]++
			m.markRun(int64(t.phys), 1)
		}
	}
}

func (m *Plan) markRun(start, count int64) {
	for count > 0 {
		n := start / ondisk.BlocksPerGroup
		from := start % ondisk.BlocksPerGroup
		to := min(from+count, ondisk.BlocksPerGroup)
		setBits(m.st.Block(int64(m.groups[n].BlockBitmap)), from, to)
		start, count = start+to-from, count-(to-from)
	}
}

// markInodes sets the bits of all inodes in use and counts directories.
func (m *Plan) markInodes() {
	mark := func(n uint32) *ondisk.Group {
		g := &m.groups[int64(n-1)/m.g.inodesPerGroup]
		bit := int64(n-1) % m.g.inodesPerGroup
		setBits(m.st.Block(int64(g.InodeBitmap)), bit, bit+1)
		return g
	}
	for n := uint32(1); n < ondisk.FirstIno; n++ {
		mark(n)
	}
	for n := range m.nodes.len() {
		if nd := m.nodes.at(n); !nd.gone {
			if g := mark(m.ino(n)); nd.fmt() == ondisk.SIFDIR {
				g.UsedDirs++
			}
		}
	}
}

// finishGroup counts what the bitmaps of a group left free.
func (m *Plan) finishGroup(n int64) {
	g := &m.groups[n]
	g.FreeBlocks = uint32(m.g.group(n).count - m.g.superBlocks(n))
	if m.inUse[n] {
		b := m.st.Block(int64(g.BlockBitmap))
		g.FreeBlocks = uint32(clearBits(b))
		g.BlockBitmapSum = m.seed.Add(b[:])
	}
	g.FreeInodes = uint32(m.g.inodesPerGroup)
	if used := m.usedInodes(n); used > 0 {
		b := m.st.Block(int64(g.InodeBitmap))
		g.FreeInodes = uint32(clearBits(b))
		g.InodeBitmapSum = m.seed.Add(b[:m.g.inodesPerGroup/8])
		g.UnusedInodes = uint32(m.g.inodesPerGroup - used)
	} else {
		g.UnusedInodes = g.FreeInodes
	}
}

// setBits sets bits [from, to) of a bitmap block.
func setBits(b *[BlockSize]byte, from, to int64) {
	for ; from < to && from%8 != 0; from++ {
		b[from/8] |= 1 << (from % 8)
	}
	for ; from+8 <= to; from += 8 {
		b[from/8] = 0xFF
	}
	for ; from < to; from++ {
		b[from/8] |= 1 << (from % 8)
	}
}

// clearBits counts the bits of a bitmap block that are not set.
func clearBits(b *[BlockSize]byte) (n int) {
	for _, c := range b {
		n += bits.OnesCount8(^c)
	}
	return n
}

// writeSuper writes the superblock and the group descriptors of a group, over
// what mkfs wrote.
func (m *Plan) writeSuper(group int64) {
	s := ondisk.Super{
		Blocks: uint64(m.g.blocks), FreeBlocks: uint64(m.freeBlocks), ReservedBlocks: uint64(m.g.reserved()),
		Inodes: uint32(m.g.inodes()), FreeInodes: uint32(m.freeInodes),
		ReservedGDT: uint16(m.g.reservedGDT),
		Overhead:    uint32(m.g.blocks - m.g.free() - m.g.resizeBlocks()),
		Label:       m.p.Label, UUID: m.p.UUID, HashSeed: m.hashSeed, Time: m.p.Now.Sec,
		JournalBlock: m.journalRoot(), JournalSize: uint64(m.g.journalBlocks) * BlockSize,
	}
	start := group * ondisk.BlocksPerGroup
	b := m.st.Block(0)[ondisk.SuperblockOffset:][:ondisk.SuperblockSize]
	if group > 0 {
		b = m.st.Block(start)[:copy(m.st.Block(start)[:], b)]
	}
	s.Patch(b, uint32(group))
	for i := range m.g.gdtBlocks {
		copy(m.st.Block(start + 1 + i)[:], m.desc[i*BlockSize:])
	}
}
