package ondisk

// Borders of the extent tree.
const (
	MaxExtentLen   = 32768                                       // blocks of an initialised extent (ee_len); more: unwritten, of ee_len less this
	MaxExtentDepth = 5                                           // eh_depth
	RootExtents    = 4                                           // entries in i_block
	BlockExtents   = (BlockSize - ExtentHeaderSize) / ExtentSize // entries in a block: 340, its checksum behind them
	MaxFileBlocks  = 1<<32 - 1                                   // EXT_MAX_BLOCKS: logical block numbers are below
	ExtentMagic    = 0xF30A                                      // eh_magic
)

// Offsets in a node of the extent tree, in bytes: struct ext4_extent_header,
// then its entries, struct ext4_extent in leaves and struct ext4_extent_idx above.
const (
	EhMagic   = 0 // u16
	EhEntries = 2 // u16, entries in use
	EhMax     = 4 // u16, entries that there is room for
	EhDepth   = 6 // u16, 0 in a leaf

	ExtentHeaderSize = 12
	ExtentSize       = 12 // of both kinds of entry

	EeBlock   = 0 // u32, first logical block; in an index (ei_block) the same
	EeLen     = 4 // u16, blocks
	EeStartHi = 6 // u16
	EeStartLo = 8 // u32

	EiLeafLo = 4 // u32, block of the node below
	EiLeafHi = 8 // u16
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
	le.PutUint16(b[EhMagic:], ExtentMagic)
	le.PutUint16(b[EhEntries:], uint16(entries))
	le.PutUint16(b[EhMax:], uint16(limit))
	le.PutUint16(b[EhDepth:], uint16(depth))
}

// PutExtents encodes a leaf into i_block (60 bytes) or a block.
func PutExtents(b []byte, es []Extent) {
	putExtentHeader(b, len(es), extentLimit(b), 0)
	for i, e := range es {
		d := b[ExtentHeaderSize+ExtentSize*i:]
		le.PutUint32(d[EeBlock:], e.Logical)
		le.PutUint16(d[EeLen:], e.Len)
		le.PutUint16(d[EeStartHi:], uint16(e.Phys>>32))
		le.PutUint32(d[EeStartLo:], uint32(e.Phys))
	}
}

// PutExtentIndexes encodes an inner node of the given depth, 1 above leaves.
func PutExtentIndexes(b []byte, is []ExtentIndex, depth int) {
	putExtentHeader(b, len(is), extentLimit(b), depth)
	for i, e := range is {
		d := b[ExtentHeaderSize+ExtentSize*i:]
		le.PutUint32(d[EeBlock:], e.Logical)
		le.PutUint32(d[EiLeafLo:], uint32(e.Leaf))
		le.PutUint16(d[EiLeafHi:], uint16(e.Leaf>>32))
	}
}

func extentLimit(b []byte) int {
	if len(b) == 60 {
		return RootExtents
	}
	return BlockExtents
}

// SumExtentBlock sets et_checksum of a node that is a block of inode ino, of this
// i_generation.
func SumExtentBlock(b []byte, ino, generation uint32, seed CRC) {
	end := ExtentHeaderSize + ExtentSize*BlockExtents
	le.PutUint32(b[end:], uint32(seed.Inode(ino, generation).Add(b[:end])))
}
