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
	FtChecksum = 0xDE // the tail that holds det_checksum
)

// Offsets in struct ext4_dir_entry_2, in bytes, and sizes. The tail of a block
// (struct ext4_dir_entry_tail) is an entry of inode 0 without a name, of type
// FtChecksum, and the checksum in place of the name.
const (
	DeInode       = 0 // u32, 0: unused
	DeRecLen      = 4 // u16, bytes to the next entry
	DeNameLen     = 6 // u8, bytes
	DeFileType    = 7 // u8, Ft*
	DirHeaderSize = 8 // the name is behind it
	DirTailSize   = 12
	NameMax       = 255 // EXT4_NAME_LEN, bytes of a name
)

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

// DirentSize returns the room of an entry with a name of n bytes, in bytes.
func DirentSize(n int) int { return (DirHeaderSize + n + 3) &^ 3 }

// DirLeafSize is the room for entries in a directory block, in bytes.
const DirLeafSize = BlockSize - DirTailSize

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
	le.PutUint32(d[DeInode:], ino)
	le.PutUint16(d[DeRecLen:], uint16(size))
	d[DeNameLen] = byte(len(name))
	d[DeFileType] = ftype
	copy(d[DirHeaderSize:], name)
	l.last, l.next = l.next, l.next+size
}

// Close stretches the last entry to the end and sets the tail's checksum, for
// a block of the directory ino.
func (l *DirLeaf) Close(ino uint32, seed CRC) {
	switch {
	case l.last >= 0:
		le.PutUint16(l.b[l.last+DeRecLen:], uint16(DirLeafSize-l.last))
	default: // one unused entry
		le.PutUint16(l.b[DeRecLen:], DirLeafSize)
	}
	tail := l.b[DirLeafSize:]
	le.PutUint16(tail[DeRecLen:], DirTailSize)
	tail[DeFileType] = FtChecksum
	le.PutUint32(tail[DirHeaderSize:], uint32(seed.Inode(ino, 0).Add(l.b[:DirLeafSize])))
}
