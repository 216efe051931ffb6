package extfs

import (
	"encoding/binary"
	"math/bits"

	"purebundle/ext2img/internal/ondisk"
)

// groupRange gives the blocks of a group; the last one may be short.
func (f *FS) groupRange(group uint32) (start, count uint64) {
	start = uint64(f.sb.firstDataBlock) + uint64(group)*uint64(f.sb.blocksPerGroup)
	return start, min(uint64(f.sb.blocksPerGroup), f.sb.blocksCount-start)
}

// hasSuper returns true if a group starts with a superblock and the group descriptors,
// as these do: all, or with sparse_super 0, 1 and the powers of 3, 5 and 7.
func (f *FS) hasSuper(group uint32) bool {
	s := f.sb
	switch {
	case group == 0:
		return true
	case s.compat&ondisk.CompatSparseSuper2 != 0:
		return group == s.backupBGs[0] || group == s.backupBGs[1]
	case group == 1 || s.roCompat&ondisk.ROSparseSuper == 0:
		return true
	}
	for _, base := range []uint32{3, 5, 7} {
		n := group
		for n%base == 0 {
			n /= base
		}
		if n == 1 {
			return true
		}
	}
	return false
}

// superBlocks returns how many blocks of a group hold superblock, descriptors and
// the room that is reserved for more of them.
func (f *FS) superBlocks(group uint32) uint64 {
	if !f.hasSuper(group) {
		return 0
	}
	_, count := f.groupRange(group)
	return min(count, 1+f.sb.gdtBlocks()+uint64(f.sb.reservedGDT))
}

// super checks the fields of the superblock that Open has no need of, and the
// copies of it.
func (c *checker) super() {
	s := c.f.sb
	if s.state != 1 {
		c.inSuper("s_state is %#x, not clean", s.state)
	}
	if s.blockGroupNr != 0 {
		c.inSuper("s_block_group_nr is %d", s.blockGroupNr)
	}
	if s.lastOrphan != 0 {
		c.inSuper("the orphan list is not empty: inode %d", s.lastOrphan)
	}
	if s.roCompat&ondisk.ROOrphanPresent != 0 {
		c.inSuper("the orphan file is not empty")
	}
	if s.reserved > s.blocksCount/2 {
		c.inSuper("%d blocks reserved for root, more than half of %d", s.reserved, s.blocksCount)
	}
	if s.freeBlocks > s.blocksCount {
		c.inSuper("%d free blocks of %d", s.freeBlocks, s.blocksCount)
	}
	if has := s.compat&ondisk.CompatHasJournal != 0; has != (s.journalInum != 0) {
		c.inSuper("the journal is inode %d, the feature has_journal says %v", s.journalInum, has)
	}
	room := s.inodeSize - ondisk.GoodOldInodeSize
	fits := func(extra int) bool { return extra == 0 || extra >= 4 && extra <= room && extra%4 == 0 }
	if !fits(s.minExtraIsize) || !fits(s.wantExtraIsize) {
		c.inSuper("%d and %d bytes behind the first 128 of an inode, which has %d", s.minExtraIsize, s.wantExtraIsize, s.inodeSize)
	}
	if s.incompat&ondisk.Incompat64bit != 0 && s.incompat&ondisk.IncompatExtents == 0 {
		c.inSuper("the feature 64bit without extent")
	}
	if s.metadataCsum() && s.roCompat&ondisk.ROGDTCsum != 0 {
		c.inSuper("both features metadata_csum and uninit_bg")
	}
	if !s.metadataCsum() && s.incompat&ondisk.IncompatCsumSeed != 0 {
		c.inSuper("the feature metadata_csum_seed without metadata_csum")
	}
	if s.reservedGDT != 0 && s.compat&ondisk.CompatResizeInode == 0 {
		c.inSuper("%d reserved descriptor blocks without the feature resize_inode", s.reservedGDT)
	}
	if s.orphanFileInum != 0 && s.compat&ondisk.CompatOrphanFile == 0 {
		c.inSuper("inode %d is the orphan file without the feature orphan_file", s.orphanFileInum)
	}
	if d := s.saidDescSize; d > s.blockSize || d&(d-1) != 0 {
		c.inSuper("descriptors of %d bytes", d)
	}
	if s.logFlex > 31 {
		c.inSuper("2^%d groups in a flex group", s.logFlex)
	}
	if s.external {
		c.inSuper("names an external journal")
	}
	for i, want := range []uint32{3, 4, 0} { // of users, groups, projects
		switch got := s.quotaInums[i]; {
		case got == 0:
		case s.roCompat&ondisk.ROQuota == 0 || want != 0 && got != want || got > s.inodesCount:
			c.inSuper("inode %d holds quotas of kind %d", got, i)
		}
	}
}

// layout claims the blocks of the groups' own metadata and checks the
// descriptors and their copies.
func (c *checker) layout() {
	f := c.f
	for group := range uint32(f.sb.groups()) {
		if c.stopped() {
			return
		}
		start, _ := f.groupRange(group)
		about := c.aboutGroup(group)
		if n := f.superBlocks(group); n > 0 {
			c.claim(start, n, about, "superblock and descriptors")
			if group > 0 {
				c.backup(group, start)
			}
		}
		raw, err := f.rawGroup(group)
		if err != nil {
			c.err = err
			return
		}
		if f.sb.groupCsum() && le16(raw, ondisk.BgChecksum) != f.groupChecksum(group, raw) {
			c.inGroup(group, "descriptor: bad checksum %#x, want %#x", le16(raw, ondisk.BgChecksum), f.groupChecksum(group, raw))
		}
		g := f.parseGroup(raw)
		if !f.sb.groupCsum() && (le16(raw, ondisk.BgFlags)&(ondisk.InodeUninit|ondisk.BlockUninit) != 0 || le16(raw, ondisk.BgItableUnusedLo) != 0) {
			c.inGroup(group, "parts of it are not initialised, which takes checksums of descriptors")
		}
		good := true
		for _, area := range []struct {
			what         string
			start, count uint64
		}{
			{"block bitmap", g.blockBitmap, 1},
			{"inode bitmap", g.inodeBitmap, 1},
			{"inode table", g.inodeTable, f.sb.inodeTableBlocks()},
		} {
			if !f.inBounds(area.start, area.count) {
				c.inGroup(group, "%s: block %d is outside of the file system", area.what, area.start)
				good = false
			} else if !c.claim(area.start, area.count, about, area.what) {
				good = false
			}
		}
		if !good || g.itableUnused > f.sb.inodesPerGroup {
			if g.itableUnused > f.sb.inodesPerGroup {
				c.inGroup(group, "%d unused inodes of %d", g.itableUnused, f.sb.inodesPerGroup)
			}
			c.badGroups.set(uint64(group))
		}
		c.freeBlocks += uint64(g.freeBlocks)
		c.freeInodes += uint64(g.freeInodes)
	}
	if c.freeBlocks != f.sb.freeBlocks {
		c.inSuper("%d free blocks, the groups have %d", f.sb.freeBlocks, c.freeBlocks)
	}
	if c.freeInodes != uint64(f.sb.freeInodes) {
		c.inSuper("%d free inodes, the groups have %d", f.sb.freeInodes, c.freeInodes)
	}
}

// backup checks a copy of the superblock against the one in use: the fields
// that never change while it is mounted. The copies' descriptors are not
// looked at, since the kernel keeps only the first ones up to date.
func (c *checker) backup(group uint32, start uint64) {
	block := c.node(0)
	if !c.read(block, start) {
		return
	}
	copied, err := parseSuper(block[:ondisk.SuperblockSize])
	switch s := c.f.sb; {
	case err != nil:
		c.inGroup(group, "backup superblock: %v", err)
	case copied.blocksCount != s.blocksCount, copied.inodesCount != s.inodesCount, copied.blockSize != s.blockSize,
		copied.inodesPerGroup != s.inodesPerGroup, copied.blocksPerGroup != s.blocksPerGroup, copied.uuid != s.uuid:
		c.inGroup(group, "backup superblock: not of this file system")
	case uint32(copied.blockGroupNr) != min(group, 1<<16-1): // as mke2fs has it
		c.inGroup(group, "backup superblock: s_block_group_nr is %d", copied.blockGroupNr)
	}
}

// bitmaps compares the block bitmaps with what was claimed, and the free
// counts with both.
func (c *checker) bitmaps() {
	f := c.f
	bitmap := make([]byte, f.sb.blockSize)
	for group := range uint32(f.sb.groups()) {
		if c.stopped() {
			return
		}
		raw, err := f.rawGroup(group)
		if err != nil {
			c.err = err
			return
		}
		g := f.parseGroup(raw)
		start, count := f.groupRange(group)
		used := uint64(0)
		for i := uint64(0); i < count; i += 64 {
			used += uint64(bits.OnesCount64(c.claimed.bits(start+i) & lowBits(count-i)))
		}
		if uint64(g.freeBlocks) != count-used {
			c.inGroup(group, "%d free blocks, want %d", g.freeBlocks, count-used)
		}
		if g.flags&ondisk.BlockUninit != 0 {
			if own := c.ownBlocks(group, g); used != own {
				c.inGroup(group, "the block bitmap is not initialised, but %d blocks are in use, not just its own %d", used, own)
			}
			continue
		}
		if !f.inBounds(g.blockBitmap, 1) {
			continue // said before
		}
		if !c.read(bitmap, g.blockBitmap) {
			return
		}
		c.bitmapChecksum(group, "block", bitmap[:f.sb.blocksPerGroup/8], g.blockBitmapCsum)
		c.compareBitmap(group, bitmap, start, count)
	}
}

// compareBitmap reports the first block of each kind that a bitmap has wrong.
func (c *checker) compareBitmap(group uint32, bitmap []byte, start, count uint64) {
	var missing, extra wrongBits
	for i := uint64(0); i < count; i += 64 {
		has := binary.LittleEndian.Uint64(bitmap[i/8:])
		want := c.claimed.bits(start + i)
		missing.add(start+i, want&^has&lowBits(count-i))
		extra.add(start+i, has&^want&lowBits(count-i))
	}
	if missing.count > 0 {
		c.inGroup(group, "block bitmap: block %d is in use, but marked free (%d such blocks)", missing.first, missing.count)
	}
	if extra.count > 0 {
		c.inGroup(group, "block bitmap: block %d is marked in use, but is not (%d such blocks)", extra.first, extra.count)
	}
	c.padding(group, "block", bitmap, int(count))
}

// wrongBits counts bits, and keeps the first.
type wrongBits struct{ first, count uint64 }

func (w *wrongBits) add(at, word uint64) {
	if word == 0 {
		return
	}
	if w.count == 0 {
		w.first = at + uint64(bits.TrailingZeros64(word))
	}
	w.count += uint64(bits.OnesCount64(word))
}

// lowBits returns a mask of the n lowest bits, at most 64.
func lowBits(n uint64) uint64 {
	if n >= 64 {
		return ^uint64(0)
	}
	return 1<<n - 1
}

// padding checks that the bits behind the last one of a bitmap are set.
func (c *checker) padding(group uint32, what string, bitmap []byte, from int) {
	for i := from; i < 8*len(bitmap); i++ {
		if bitmap[i/8]>>(i%8)&1 == 0 {
			c.inGroup(group, "%s bitmap: bit %d behind the end is not set", what, i)
			return
		}
	}
}

// bitmapChecksum checks a bitmap's checksum, of which 32-byte descriptors
// have the lower half.
func (c *checker) bitmapChecksum(group uint32, what string, bitmap []byte, stored uint32) {
	if !c.f.sb.metadataCsum() {
		return
	}
	want := uint32(c.f.seed.Add(bitmap))
	if c.f.sb.descSize < 64 {
		want &= 0xffff
	}
	if stored != want {
		c.inGroup(group, "%s bitmap: bad checksum %#x, want %#x", what, stored, want)
	}
}

// ownBlocks counts the blocks of a group's own metadata that lie within it.
func (c *checker) ownBlocks(group uint32, g group) uint64 {
	start, count := c.f.groupRange(group)
	own := c.f.superBlocks(group)
	for _, area := range [][2]uint64{{g.blockBitmap, 1}, {g.inodeBitmap, 1}, {g.inodeTable, c.f.sb.inodeTableBlocks()}} {
		lo, hi := max(area[0], start), min(area[0]+area[1], start+count)
		if hi > lo {
			own += hi - lo
		}
	}
	return own
}

// onesIn counts the set bits of the first n of a bitmap.
func onesIn(bitmap []byte, n int) int {
	ones := 0
	for _, b := range bitmap[:n/8] {
		ones += bits.OnesCount8(b)
	}
	if n%8 != 0 {
		ones += bits.OnesCount8(bitmap[n/8] << (8 - n%8))
	}
	return ones
}
