package ext2img

import (
	"purebundle/ext2img/internal/ondisk"
)

// geometry is the arithmetic of a file system of a given size: where go-diskfs'
// mkfs puts what belongs to the file system itself.
type geometry struct {
	blocks         int64 // s_blocks_count
	groups         int64
	inodesPerGroup int64 // a multiple of ondisk.InodesPerBlock
	logFlex        int   // a flex group has 1<<logFlex groups
	gdtBlocks      int64 // blocks of the group descriptor table
	reservedGDT    int64 // blocks behind them for more, s_reserved_gdt_blocks
	tableBlocks    int64 // blocks of a group's inode table
	journalBlocks  int64
}

// run is the blocks [start, start+count).
type run struct{ start, count int64 }

func (r run) end() int64 { return r.start + r.count }

const (
	inodeRatio    = 16384 // bytes of file system for one inode at least, as in mke2fs.conf
	minLastGroup  = 50    // blocks that a last group must have beyond its metadata, as in e2fsprogs
	minInodes     = 16    // inodes per group; go-diskfs v1.9.4 corrupts a file system with 8
	minJournal    = 1024  // blocks, JBD2_MIN_JOURNAL_BLOCKS
	maxJournal    = 32768 // blocks: go-diskfs' limit of 128 MiB
	journalShare  = 32    // go-diskfs gives the journal one block of so many
	maxLogFlex    = 4     // 16 groups, as mke2fs
	reservedShare = 20    // one block of so many is reserved for root, as mke2fs' 5%

	// Where the bitmaps of a large file system are: together, those of so many
	// groups at a time, as with mke2fs -E packed_meta_blocks. In each flex group
	// they would make a part of their own: 50 of 10 MiB in 100 GiB. 8 MiB of them
	// are in one place, for 128 GiB.
	packGroups = 1024
)

// packed says whether bitmaps are together. In a file system that go-diskfs makes
// whole, each is before its group's inode table.
func (g geometry) packed() bool { return g.groups > maxTemplate }

// bitmapBlocks returns the number of blocks of bitmaps in a flex group, which has n groups.
func (g geometry) bitmapBlocks(leader, n int64) int64 {
	switch {
	case !g.packed():
		return 2 * n
	case leader%packGroups == 0:
		return 2 * min(packGroups, g.groups-leader)
	}
	return 0
}

// newGeometry gives the file system of at most size bytes with room for at
// least inodes inodes. ok is false if no such file system exists: too small, or too many
// inodes for its size. Where the last groups would not hold their own metadata,
// the file system ends before them.
func newGeometry(size, inodes int64) (g geometry, ok bool) {
	blocks := size / BlockSize
	for blocks > 0 {
		g = geometry{blocks: blocks, groups: ceilDiv(blocks, ondisk.BlocksPerGroup)}
		want := max(inodes, size/inodeRatio)
		g.inodesPerGroup = max(minInodes, ceilDiv(ceilDiv(want, g.groups), ondisk.InodesPerBlock)*ondisk.InodesPerBlock)
		if g.inodesPerGroup > ondisk.MaxInodesGroup {
			return g, false
		}
		g.tableBlocks = g.inodesPerGroup / ondisk.InodesPerBlock
		g.gdtBlocks = ceilDiv(g.groups*ondisk.GroupDescSize, BlockSize)
		g.reservedGDT = g.reservedBlocks()
		g.journalBlocks = min(max(blocks/journalShare, minJournal), maxJournal)
		for g.logFlex = maxLogFlex; g.logFlex > 1 && !g.leaderFits(0, 1<<g.logFlex, ondisk.BlocksPerGroup); {
			g.logFlex--
		}
		if g.lastFits() {
			break
		}
		blocks = (g.groups - 1) * ondisk.BlocksPerGroup
	}
	if blocks == 0 {
		return g, false
	}
	_, ok = g.journal()
	return g, ok
}

// leaderFits says whether a flex group's first group, of so many blocks, holds
// the metadata of n groups.
func (g geometry) leaderFits(leader int64, n, blocks int64) bool {
	return g.superBlocks(leader)+g.flexBlocks(leader, n)+minLastGroup <= blocks
}

// lastFits says whether the last group, and the last flex group, hold their
// metadata.
func (g geometry) lastFits() bool {
	last := g.groups - 1
	inLast := g.blocks - last*ondisk.BlocksPerGroup
	if g.superBlocks(last)+minLastGroup > inLast {
		return false
	}
	leader := last &^ (1<<g.logFlex - 1)
	blocks := int64(ondisk.BlocksPerGroup)
	if leader == last {
		blocks = inLast
	}
	return g.leaderFits(leader, g.groups-leader, blocks)
}

// flexBlocks returns the number of blocks that the bitmaps and inode tables of a flex
// group take, which has n groups, and in the first one the resize inode.
func (g geometry) flexBlocks(leader, n int64) int64 {
	c := g.bitmapBlocks(leader, n) + n*g.tableBlocks
	if leader == 0 {
		c += g.resizeBlocks()
	}
	return c
}

// superBlocks returns the number of blocks that the superblock, the descriptors and the
// room for more take at the start of a group: they stand in groups 0, 1 and powers of
// 3, 5 and 7 (sparse_super).
func (g geometry) superBlocks(group int64) int64 {
	if !hasSuper(group) {
		return 0
	}
	return 1 + g.gdtBlocks + g.reservedGDT
}

func hasSuper(group int64) bool {
	if group <= 1 {
		return true
	}
	for _, base := range []int64{3, 5, 7} {
		for n := base; n <= group; n *= base {
			if n == group {
				return true
			}
		}
	}
	return false
}

// inodes returns s_inodes_count.
func (g geometry) inodes() int64 { return g.groups * g.inodesPerGroup }

// group gives the blocks of a group.
func (g geometry) group(n int64) run {
	start := n * ondisk.BlocksPerGroup
	return run{start, min(ondisk.BlocksPerGroup, g.blocks-start)}
}

// supers lists the blocks of superblocks and descriptors, the primary first.
func (g geometry) supers() (rs []run) {
	for n := range g.groups {
		if c := g.superBlocks(n); c > 0 {
			rs = append(rs, run{n * ondisk.BlocksPerGroup, c})
		}
	}
	return rs
}

// flexes lists the blocks of flexBlocks, one run a flex group.
func (g geometry) flexes() (rs []run) {
	size := int64(1) << g.logFlex
	for leader := int64(0); leader < g.groups; leader += size {
		n := min(size, g.groups-leader)
		rs = append(rs, run{leader*ondisk.BlocksPerGroup + g.superBlocks(leader), g.flexBlocks(leader, n)})
	}
	return rs
}

// journal foretells where mkfs puts the journal: the first run of free blocks
// of one group that holds it.
func (g geometry) journal() (run, bool) {
	size := int64(1) << g.logFlex
	for n := range g.groups {
		r := g.group(n)
		used := g.superBlocks(n)
		if n%size == 0 {
			used += g.flexBlocks(n, min(size, g.groups-n))
		}
		if r.count-used >= g.journalBlocks {
			return run{r.start + used, g.journalBlocks}, true
		}
	}
	return run{}, false
}

// fixed lists the blocks that belong to the file system itself.
func (g geometry) fixed() []run {
	j, _ := g.journal()
	return append(append(g.supers(), g.flexes()...), j)
}

// free returns the number of blocks that are left for files and directories.
func (g geometry) free() int64 {
	n := g.blocks - g.journalBlocks
	for _, r := range g.supers() {
		n -= r.count
	}
	for _, r := range g.flexes() {
		n -= r.count
	}
	return n
}

// reserved returns the number of blocks that only root may use, s_r_blocks_count.
func (g geometry) reserved() int64 { return g.blocks / reservedShare }

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
