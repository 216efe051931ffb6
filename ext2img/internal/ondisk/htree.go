package ondisk

// Offsets in the index blocks of a hashed directory, in bytes: struct dx_root,
// which begins with "." and ".." and struct dx_root_info, and struct dx_node,
// which begins with an unused entry of the whole block. Both end with
// struct dx_tail: a reserved u32, then dt_checksum.
const (
	DxInfo           = 0x18 // struct dx_root_info: a zero u32
	DxHashVersion    = 0x1C // u8, Hash*
	DxInfoLength     = 0x1D // u8, 8
	DxIndirectLevels = 0x1E // u8, levels of nodes below the root
	DxUnusedFlags    = 0x1F // u8
	DxRootEntries    = 0x20 // limit and count, both u16, in place of the first hash; then entries
	DxNodeEntries    = 0x08 // the same in a node
	DxEntrySize      = 8    // u32 hash, u32 logical block

	DxInfoSize = 8 // what DxInfoLength says
)

// Entries in the index blocks, the dx_tail taken off.
const (
	HtreeRootLimit = (BlockSize-DxRootEntries)/DxEntrySize - 1
	HtreeNodeLimit = (BlockSize-DxNodeEntries)/DxEntrySize - 1
)

// HtreeEntry says that names from Hash on are in the directory's block Block.
// The lowest bit of Hash tells that names of that hash begin in the block
// before. The first entry's Hash is not stored: it is the lowest.
type HtreeEntry struct {
	Hash  uint32
	Block uint32 // logical block of the directory
}

// PutHtreeRoot encodes block 0 of the directory ino; levels is 0 if the
// entries lead to leaves, 1 if they lead to nodes.
func PutHtreeRoot(b []byte, ino, parent uint32, levels int, es []HtreeEntry, seed CRC) {
	le.PutUint32(b[0:], ino)
	le.PutUint16(b[4:], 12)
	b[6], b[7], b[8] = 1, FtDir, '.'
	le.PutUint32(b[12:], parent)
	le.PutUint16(b[16:], BlockSize-12)
	b[18], b[19], b[20], b[21] = 2, FtDir, '.', '.'
	b[DxHashVersion] = HashHalfMD4
	b[DxInfoLength] = DxInfoSize
	b[DxIndirectLevels] = byte(levels)
	putHtreeEntries(b, DxRootEntries, HtreeRootLimit, es)
	sumHtree(b, DxRootEntries, HtreeRootLimit, len(es), ino, seed)
}

// PutHtreeNode encodes an inner block of the directory ino.
func PutHtreeNode(b []byte, ino uint32, es []HtreeEntry, seed CRC) {
	le.PutUint16(b[4:], BlockSize)
	putHtreeEntries(b, DxNodeEntries, HtreeNodeLimit, es)
	sumHtree(b, DxNodeEntries, HtreeNodeLimit, len(es), ino, seed)
}

func putHtreeEntries(b []byte, off, limit int, es []HtreeEntry) {
	for i, e := range es {
		le.PutUint32(b[off+8*i:], e.Hash)
		le.PutUint32(b[off+8*i+4:], e.Block)
	}
	le.PutUint16(b[off:], uint16(limit))     // limit and count stand
	le.PutUint16(b[off+2:], uint16(len(es))) // where the first hash would
}

// sumHtree sets dt_checksum.
func sumHtree(b []byte, off, limit, count int, ino uint32, seed CRC) {
	tail := off + DxEntrySize*limit
	le.PutUint32(b[tail+4:], HtreeSum(b, off, count, tail, seed.Inode(ino, 0)))
}
