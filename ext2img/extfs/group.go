package extfs

import (
	"fmt"
	"sync"

	"purebundle/ext2img/internal/ondisk"
)

// group holds struct ext4_group_desc under the kernel's names less "bg_".
type group struct {
	blockBitmap, inodeBitmap, inodeTable uint64 // block numbers
	freeBlocks, freeInodes, usedDirs     uint32
	flags                                uint16
	blockBitmapCsum, inodeBitmapCsum     uint32 // 16 bits wide in 32-byte descriptors
	itableUnused                         uint32 // inodes at the table's end that were never used
}

func (f *FS) parseGroup(raw []byte) group {
	g := group{
		blockBitmap:     uint64(le32(raw, ondisk.BgBlockBitmapLo)),
		inodeBitmap:     uint64(le32(raw, ondisk.BgInodeBitmapLo)),
		inodeTable:      uint64(le32(raw, ondisk.BgInodeTableLo)),
		freeBlocks:      uint32(le16(raw, ondisk.BgFreeBlocksCountLo)),
		freeInodes:      uint32(le16(raw, ondisk.BgFreeInodesCountLo)),
		usedDirs:        uint32(le16(raw, ondisk.BgUsedDirsCountLo)),
		flags:           le16(raw, ondisk.BgFlags),
		blockBitmapCsum: uint32(le16(raw, ondisk.BgBlockBitmapCsumLo)),
		inodeBitmapCsum: uint32(le16(raw, ondisk.BgInodeBitmapCsumLo)),
		itableUnused:    uint32(le16(raw, ondisk.BgItableUnusedLo)),
	}
	if f.sb.descSize >= 64 {
		g.blockBitmap |= uint64(le32(raw, ondisk.BgBlockBitmapHi)) << 32
		g.inodeBitmap |= uint64(le32(raw, ondisk.BgInodeBitmapHi)) << 32
		g.inodeTable |= uint64(le32(raw, ondisk.BgInodeTableHi)) << 32
		g.freeBlocks |= uint32(le16(raw, ondisk.BgFreeBlocksCountHi)) << 16
		g.freeInodes |= uint32(le16(raw, ondisk.BgFreeInodesCountHi)) << 16
		g.usedDirs |= uint32(le16(raw, ondisk.BgUsedDirsCountHi)) << 16
		g.itableUnused |= uint32(le16(raw, ondisk.BgItableUnusedHi)) << 16
		g.blockBitmapCsum |= uint32(le16(raw, ondisk.BgBlockBitmapCsumHi)) << 16
		g.inodeBitmapCsum |= uint32(le16(raw, ondisk.BgInodeBitmapCsumHi)) << 16
	}
	if !f.sb.groupCsum() {
		g.flags, g.itableUnused = 0, 0
	}
	return g
}

// inBounds returns true if count blocks from start lie in the file system.
func (f *FS) inBounds(start, count uint64) bool {
	return start > 0 && start < f.sb.blocksCount && count <= f.sb.blocksCount-start
}

// descCache keeps the block of descriptors that was used last.
type descCache struct {
	sync.Mutex
	number uint64 // 0: none
	block  []byte
}

// rawGroup gives a copy of one group's descriptor.
func (f *FS) rawGroup(number uint32) ([]byte, error) {
	perBlock := uint32(f.sb.blockSize / f.sb.descSize)
	block := uint64(f.sb.firstDataBlock) + 1 + uint64(number/perBlock)
	c := &f.desc
	c.Lock()
	defer c.Unlock()
	if c.number != block {
		if c.block == nil {
			c.block = make([]byte, f.sb.blockSize)
		}
		c.number = 0
		if err := f.readBlocks(c.block, block); err != nil {
			return nil, fmt.Errorf("descriptor of group %d: %w", number, err)
		}
		c.number = block
	}
	off := int(number%perBlock) * f.sb.descSize
	return append([]byte(nil), c.block[off:off+f.sb.descSize]...), nil
}

// group gives one group's descriptor, with its checksum and the place of its
// inode table checked.
func (f *FS) group(number uint32) (group, error) {
	raw, err := f.rawGroup(number)
	if err != nil {
		return group{}, err
	}
	if f.sb.groupCsum() && le16(raw, ondisk.BgChecksum) != f.groupChecksum(number, raw) {
		return group{}, fmt.Errorf("descriptor of group %d: bad checksum", number)
	}
	g := f.parseGroup(raw)
	if !f.inBounds(g.inodeTable, f.sb.inodeTableBlocks()) {
		return group{}, fmt.Errorf("descriptor of group %d: inode table outside of the file system", number)
	}
	return g, nil
}
