package ondisk

// File types in a directory entry (file_type).
const (
	FtRegular  = 1
	FtDir      = 2
	FtChrdev   = 3
	FtBlkdev   = 4
	FtFifo     = 5
	FtSock     = 6
	FtSymlink  = 7
	ftChecksum = 0xDE // the tail that holds det_checksum
)

const dirTailSize = 12 // struct ext4_dir_entry_tail, bytes

// FileType gives the directory entry's type for an st_mode.
func FileType(mode uint32) byte {
	switch mode & SIFMT {
	case SIFREG:
		return FtRegular
	case SIFDIR:
		return FtDir
	case SIFCHR:
		return FtChrdev
	case SIFBLK:
		return FtBlkdev
	case SIFIFO:
		return FtFifo
	case SIFSOCK:
		return FtSock
	case SIFLNK:
		return FtSymlink
	}
	return 0
}

// DirentSize is the room of an entry with a name of n bytes, in bytes.
func DirentSize(n int) int { return (8 + n + 3) &^ 3 }

// DirLeafSize is the room for entries in a directory block, in bytes.
const DirLeafSize = BlockSize - dirTailSize

// DirLeaf fills one block of a directory entry by entry.
type DirLeaf struct {
	b    []byte // the block
	next int    // offset of the next entry
	last int    // offset of the entry before, -1: none
}

// NewDirLeaf starts in a zero block.
func NewDirLeaf(b []byte) *DirLeaf { return &DirLeaf{b: b, last: -1} }

// Add appends an entry; the caller has seen that it fits.
func (l *DirLeaf) Add(ino uint32, ftype byte, name string) {
	d := l.b[l.next:]
	size := DirentSize(len(name))
	le.PutUint32(d[0:], ino)
	le.PutUint16(d[4:], uint16(size)) // rec_len
	d[6] = byte(len(name))            // name_len
	d[7] = ftype
	copy(d[8:], name)
	l.last, l.next = l.next, l.next+size
}

// Close stretches the last entry to the end and sets the tail's checksum, for
// a block of the directory ino.
func (l *DirLeaf) Close(ino uint32, seed CRC) {
	switch {
	case l.last >= 0:
		le.PutUint16(l.b[l.last+4:], uint16(DirLeafSize-l.last))
	default: // one unused entry
		le.PutUint16(l.b[4:], DirLeafSize)
	}
	tail := l.b[DirLeafSize:]
	le.PutUint16(tail[4:], dirTailSize)
	tail[7] = ftChecksum
	le.PutUint32(tail[8:], uint32(seed.Inode(ino).Add(l.b[:DirLeafSize])))
}
