package ondisk

// Flags of a group descriptor (bg_flags).
const (
	InodeUninit = 0x1 // the inode bitmap is not on disk: all free
	BlockUninit = 0x2 // the block bitmap is not on disk: only fixed metadata is in use
	InodeZeroed = 0x4 // the inode table on disk is zero where not in use
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
	le.PutUint32(b[0x00:], uint32(g.BlockBitmap))
	le.PutUint32(b[0x04:], uint32(g.InodeBitmap))
	le.PutUint32(b[0x08:], uint32(g.InodeTable))
	le.PutUint16(b[0x0C:], uint16(g.FreeBlocks))
	le.PutUint16(b[0x0E:], uint16(g.FreeInodes))
	le.PutUint16(b[0x10:], uint16(g.UsedDirs))
	le.PutUint16(b[0x12:], g.Flags)
	le.PutUint16(b[0x18:], uint16(g.BlockBitmapSum))
	le.PutUint16(b[0x1A:], uint16(g.InodeBitmapSum))
	le.PutUint16(b[0x1C:], uint16(g.UnusedInodes))
	le.PutUint32(b[0x20:], uint32(g.BlockBitmap>>32))
	le.PutUint32(b[0x24:], uint32(g.InodeBitmap>>32))
	le.PutUint32(b[0x28:], uint32(g.InodeTable>>32))
	le.PutUint16(b[0x2C:], uint16(g.FreeBlocks>>16))
	le.PutUint16(b[0x2E:], uint16(g.FreeInodes>>16))
	le.PutUint16(b[0x30:], uint16(g.UsedDirs>>16))
	le.PutUint16(b[0x32:], uint16(g.UnusedInodes>>16))
	le.PutUint16(b[0x38:], uint16(g.BlockBitmapSum>>16))
	le.PutUint16(b[0x3A:], uint16(g.InodeBitmapSum>>16))
	sum := seed.Add32(number).Add(b[:GroupDescSize])
	le.PutUint16(b[0x1E:], uint16(sum)) // bg_checksum
}

// ReadGroup gives the block numbers of a descriptor that mkfs wrote.
func ReadGroup(b []byte) (g Group) {
	at := func(lo, hi int) uint64 { return uint64(le.Uint32(b[lo:])) | uint64(le.Uint32(b[hi:]))<<32 }
	g.BlockBitmap, g.InodeBitmap, g.InodeTable = at(0x00, 0x20), at(0x04, 0x24), at(0x08, 0x28)
	return g
}
