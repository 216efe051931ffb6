package ondisk

// Entries in the index blocks of a hashed directory, the dx_tail taken off.
const (
	HtreeRootLimit = (BlockSize-htreeRootOff)/8 - 1 // struct dx_root
	HtreeNodeLimit = (BlockSize-htreeNodeOff)/8 - 1 // struct dx_node
	htreeRootOff   = 12 + 12 + 8                    // dot, dotdot, dx_root_info
	htreeNodeOff   = 8                              // the fake entry over the whole block
)

// HtreeEntry says that names from Hash on are in the directory's block Block.
// The lowest bit of Hash tells that names of that hash begin in the block
// before. The first entry's Hash is not stored: it is the lowest.
type HtreeEntry struct {
	Hash  uint32
	Block uint32 // logical block of the directory
}

// PutHtreeRoot encodes block 0 of the directory ino; levels is 0 where the
// entries lead to leaves, 1 where they lead to nodes.
func PutHtreeRoot(b []byte, ino, parent uint32, levels int, es []HtreeEntry, seed CRC) {
	le.PutUint32(b[0:], ino)
	le.PutUint16(b[4:], 12)
	b[6], b[7], b[8] = 1, FtDir, '.'
	le.PutUint32(b[12:], parent)
	le.PutUint16(b[16:], BlockSize-12)
	b[18], b[19], b[20], b[21] = 2, FtDir, '.', '.'
	b[28] = HashHalfMD4  // hash_version
	b[29] = 8            // info_length
	b[30] = byte(levels) // indirect_levels
	putHtreeEntries(b, htreeRootOff, HtreeRootLimit, es)
	sumHtree(b, htreeRootOff, HtreeRootLimit, len(es), ino, seed)
}

// PutHtreeNode encodes an inner block of the directory ino.
func PutHtreeNode(b []byte, ino uint32, es []HtreeEntry, seed CRC) {
	le.PutUint16(b[4:], BlockSize)
	putHtreeEntries(b, htreeNodeOff, HtreeNodeLimit, es)
	sumHtree(b, htreeNodeOff, HtreeNodeLimit, len(es), ino, seed)
}

func putHtreeEntries(b []byte, off, limit int, es []HtreeEntry) {
	for i, e := range es {
		le.PutUint32(b[off+8*i:], e.Hash)
		le.PutUint32(b[off+8*i+4:], e.Block)
	}
	le.PutUint16(b[off:], uint16(limit))     // limit and count stand
	le.PutUint16(b[off+2:], uint16(len(es))) // where the first hash would
}

// sumHtree sets dt_checksum: over the block up to the last entry in use, then
// the tail's reserved word and a zero checksum.
func sumHtree(b []byte, off, limit, count int, ino uint32, seed CRC) {
	sum := seed.Inode(ino).Add(b[:off+8*count]).Add32(0).Add32(0)
	le.PutUint32(b[off+8*limit+4:], uint32(sum))
}
