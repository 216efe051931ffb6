package ondisk

// Flags of a group descriptor (bg_flags).
const (
	InodeUninit = 0x1 // the inode bitmap is not on disk: all free
	BlockUninit = 0x2 // the block bitmap is not on disk: only fixed metadata is in use
	InodeZeroed = 0x4 // the inode table on disk is zero where not in use
)

// Offsets of the fields of struct ext4_group_desc, in bytes; those from 0x20 on
// are only in descriptors of 64 bytes.
const (
	BgBlockBitmapLo     = 0x00 // u32, block
	BgInodeBitmapLo     = 0x04 // u32, block
	BgInodeTableLo      = 0x08 // u32, first block
	BgFreeBlocksCountLo = 0x0C // u16
	BgFreeInodesCountLo = 0x0E // u16
	BgUsedDirsCountLo   = 0x10 // u16
	BgFlags             = 0x12 // u16, Group*
	BgBlockBitmapCsumLo = 0x18 // u16
	BgInodeBitmapCsumLo = 0x1A // u16
	BgItableUnusedLo    = 0x1C // u16, inodes at the end of the table that were never used
	BgChecksum          = 0x1E // u16
	BgBlockBitmapHi     = 0x20 // u32
	BgInodeBitmapHi     = 0x24 // u32
	BgInodeTableHi      = 0x28 // u32
	BgFreeBlocksCountHi = 0x2C // u16
	BgFreeInodesCountHi = 0x2E // u16
	BgUsedDirsCountHi   = 0x30 // u16
	BgItableUnusedHi    = 0x32 // u16
	BgBlockBitmapCsumHi = 0x38 // u16
	BgInodeBitmapCsumHi = 0x3A // u16
)

// Group is the content of struct ext4_group_desc, for GroupDescSize bytes.
type Group struct {
	BlockBitmap, InodeBitmap, InodeTable uint64 // block numbers
	FreeBlocks, FreeInodes               uint32
	UsedDirs                             uint32
	UnusedInodes                         uint32 // bg_itable_unused: never used ones at the end of the table
	Flags                                uint16
	BlockBitmapSum, InodeBitmapSum       CRC // 0 where the bitmap is not on disk
}

// Put encodes the descriptor of group number into the GroupDescSize bytes of b,
// which are zero.
func (g *Group) Put(b []byte, number uint32, seed CRC) {
	le.PutUint32(b[BgBlockBitmapLo:], uint32(g.BlockBitmap))
	le.PutUint32(b[BgInodeBitmapLo:], uint32(g.InodeBitmap))
	le.PutUint32(b[BgInodeTableLo:], uint32(g.InodeTable))
	le.PutUint16(b[BgFreeBlocksCountLo:], uint16(g.FreeBlocks))
	le.PutUint16(b[BgFreeInodesCountLo:], uint16(g.FreeInodes))
	le.PutUint16(b[BgUsedDirsCountLo:], uint16(g.UsedDirs))
	le.PutUint16(b[BgFlags:], g.Flags)
	le.PutUint16(b[BgBlockBitmapCsumLo:], uint16(g.BlockBitmapSum))
	le.PutUint16(b[BgInodeBitmapCsumLo:], uint16(g.InodeBitmapSum))
	le.PutUint16(b[BgItableUnusedLo:], uint16(g.UnusedInodes))
	le.PutUint32(b[BgBlockBitmapHi:], uint32(g.BlockBitmap>>32))
	le.PutUint32(b[BgInodeBitmapHi:], uint32(g.InodeBitmap>>32))
	le.PutUint32(b[BgInodeTableHi:], uint32(g.InodeTable>>32))
	le.PutUint16(b[BgFreeBlocksCountHi:], uint16(g.FreeBlocks>>16))
	le.PutUint16(b[BgFreeInodesCountHi:], uint16(g.FreeInodes>>16))
	le.PutUint16(b[BgUsedDirsCountHi:], uint16(g.UsedDirs>>16))
	le.PutUint16(b[BgItableUnusedHi:], uint16(g.UnusedInodes>>16))
	le.PutUint16(b[BgBlockBitmapCsumHi:], uint16(g.BlockBitmapSum>>16))
	le.PutUint16(b[BgInodeBitmapCsumHi:], uint16(g.InodeBitmapSum>>16))
	le.PutUint16(b[BgChecksum:], GroupSum(b[:GroupDescSize], number, seed))
}

// ReadGroup gives the block numbers of a descriptor that mkfs wrote.
func ReadGroup(b []byte) (g Group) {
	at := func(lo, hi int) uint64 { return uint64(le.Uint32(b[lo:])) | uint64(le.Uint32(b[hi:]))<<32 }
	g.BlockBitmap, g.InodeBitmap, g.InodeTable = at(BgBlockBitmapLo, BgBlockBitmapHi), at(BgInodeBitmapLo, BgInodeBitmapHi), at(BgInodeTableLo, BgInodeTableHi)
	return g
}
