package ondisk

// Borders of the extent tree.
const (
	MaxExtentLen   = 32768                 // blocks of an initialised extent (ee_len)
	RootExtents    = 4                     // entries in i_block
	BlockExtents   = (BlockSize - 12) / 12 // entries in a block: 340, its checksum behind them
	MaxFileBlocks  = 1<<32 - 1             // EXT_MAX_BLOCKS: logical block numbers are below
	extentMagic    = 0xF30A                // eh_magic
	extentHeaderSz = 12                    // struct ext4_extent_header
)

// Extent maps Len blocks of a file from Logical on to Phys on.
type Extent struct {
	Logical uint32 // ee_block
	Len     uint16 // ee_len: 1 to MaxExtentLen
	Phys    uint64 // ee_start
}

// ExtentIndex is an entry of an inner node: the subtree in block Leaf holds the
// extents from Logical on.
type ExtentIndex struct {
	Logical uint32 // ei_block
	Leaf    uint64 // ei_leaf
}

func putExtentHeader(b []byte, entries, limit, depth int) {
	le.PutUint16(b[0:], extentMagic)
	le.PutUint16(b[2:], uint16(entries)) // eh_entries
	le.PutUint16(b[4:], uint16(limit))   // eh_max
	le.PutUint16(b[6:], uint16(depth))   // eh_depth
}

// PutExtents encodes a leaf into i_block (60 bytes) or a block.
func PutExtents(b []byte, es []Extent) {
	putExtentHeader(b, len(es), extentLimit(b), 0)
	for i, e := range es {
		d := b[extentHeaderSz+12*i:]
		le.PutUint32(d[0:], e.Logical)
		le.PutUint16(d[4:], e.Len)
		le.PutUint16(d[6:], uint16(e.Phys>>32))
		le.PutUint32(d[8:], uint32(e.Phys))
	}
}

// PutExtentIndexes encodes an inner node of the given depth, 1 above leaves.
func PutExtentIndexes(b []byte, is []ExtentIndex, depth int) {
	putExtentHeader(b, len(is), extentLimit(b), depth)
	for i, e := range is {
		d := b[extentHeaderSz+12*i:]
		le.PutUint32(d[0:], e.Logical)
		le.PutUint32(d[4:], uint32(e.Leaf))
		le.PutUint16(d[8:], uint16(e.Leaf>>32))
	}
}

func extentLimit(b []byte) int {
	if len(b) == 60 {
		return RootExtents
	}
	return BlockExtents
}

// SumExtentBlock sets et_checksum of a node that is a block of inode ino.
func SumExtentBlock(b []byte, ino uint32, seed CRC) {
	end := extentHeaderSz + 12*BlockExtents
	le.PutUint32(b[end:], uint32(seed.Inode(ino).Add(b[:end])))
}
