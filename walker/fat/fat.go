package fat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// HeadSize is how many bytes from the start of a FAT say where everything lies.
const HeadSize = 512

// FAT is a FAT file system.
type FAT struct {
	Bits int // width of its entries: 12, 16 or 32

	r    io.ReaderAt
	size int64 // bytes of what it lies in

	media      byte  // BPB_Media
	sector     int64 // bytes, BPB_BytsPerSec
	cluster    int64 // bytes
	clusters   int64 // the first of them is number 2
	tables     int64 // BPB_NumFATs
	table      int64 // first byte of the first table
	tableSize  int64 // bytes
	root       int64 // first byte of the root directory, of FAT12 and FAT16
	rootSize   int64 // bytes of it
	data       int64 // first byte of cluster 2
	total      int64 // bytes of the file system
	rootClus   uint32
	unmirrored bool // one of the tables alone is in use, BPB_ExtFlags
}

// Offsets of the BIOS parameter block, in bytes.
const (
	bytsPerSec = 11   // u16, bytes
	secPerClus = 13   // u8, sectors
	rsvdSecCnt = 14   // u16, sectors before the first table
	numFATs    = 16   // u8
	rootEntCnt = 17   // u16, entries of 32 bytes; 0 with FAT32
	totSec16   = 19   // u16, sectors; 0: totSec32
	media      = 21   // u8
	fatSz16    = 22   // u16, sectors of a table; 0: FAT32, and fatSz32
	totSec32   = 32   // u32, sectors
	fatSz32    = 36   // u32, sectors
	extFlags32 = 40   // u16, bit 7: the tables are not all alike
	rootClus32 = 44   // u32
	fsInfo32   = 48   // u16, sector
	backup32   = 50   // u16, sector of a copy of the first one
	volID32    = 67   // u32, the serial number
	type16     = 54   // "FAT12   ", "FAT16   ", BS_FilSysType
	type32     = 82   // "FAT32   "
	state16    = 0x25 // u8, bit 0: not unmounted (fs/fat)
	state32    = 0x41 // u8, the same with FAT32
	signature  = 510  // u16, 0xAA55
)

const entrySize = 32 // bytes of a directory entry

var le = binary.LittleEndian

// Parse returns the FAT that begins with head, HeadSize bytes, and lies in size bytes of
// r; ok is false if it is none.
func Parse(head []byte, r io.ReaderAt, size int64) (f *FAT, ok bool) {
	u16 := func(at int) int64 { return int64(le.Uint16(head[at:])) }
	u32 := func(at int) int64 { return int64(le.Uint32(head[at:])) }
	perCluster, tables, reserved := int64(head[secPerClus]), int64(head[numFATs]), u16(rsvdSecCnt)
	f = &FAT{r: r, size: size, media: head[media], sector: u16(bytsPerSec), tables: tables}
	magic := u16(signature) == 0xaa55 || string(head[type16:type16+3]) == "FAT" || string(head[type32:type32+5]) == "FAT32"
	if !magic || !powerOfTwo(f.sector, 512, 4096) || !powerOfTwo(perCluster, 1, 128) ||
		reserved == 0 || tables == 0 || tables > 4 || f.media != 0xf0 && f.media < 0xf8 {
		return nil, false
	}
	total, tableSize := u16(totSec16), u16(fatSz16)
	if total == 0 {
		total = u32(totSec32)
	}
	if tableSize == 0 { // only FAT32 has none here
		tableSize, f.rootClus, f.Bits = u32(fatSz32), le.Uint32(head[rootClus32:]), 32
		f.unmirrored = u16(extFlags32)&0x80 != 0
	}
	rootSectors := (u16(rootEntCnt)*entrySize + f.sector - 1) / f.sector
	data := total - reserved - tables*tableSize - rootSectors // sectors
	if tableSize == 0 || data <= 0 {
		return nil, false
	}
	f.cluster, f.clusters = perCluster*f.sector, data/perCluster
	if f.Bits == 0 {
		if f.Bits = 16; f.clusters < 4085 {
			f.Bits = 12
		}
	}
	f.table, f.tableSize, f.total = reserved*f.sector, tableSize*f.sector, total*f.sector
	f.root, f.rootSize = f.table+tables*f.tableSize, u16(rootEntCnt)*entrySize
	f.data = f.root + rootSectors*f.sector
	return f, true
}

// powerOfTwo says whether n is one, from low to high.
func powerOfTwo(n, low, high int64) bool { return n >= low && n <= high && n&(n-1) == 0 }

// ErrNone says that there is no FAT, or one that does not fit in where it lies.
var ErrNone = errors.New("no FAT file system")

// Open reads the FAT that fills size bytes of r. The error is ErrNone if there is
// something else.
func Open(r io.ReaderAt, size int64) (*FAT, error) {
	if size < HeadSize {
		return nil, ErrNone
	}
	head := make([]byte, HeadSize)
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return nil, fmt.Errorf("read the boot sector of a FAT: %w", err)
	}
	f, ok := Parse(head, r, size)
	if !ok || f.total > size || (f.clusters+2)*int64(f.Bits) > f.tableSize*8 {
		return nil, ErrNone
	}
	return f, nil
}

// ReadAt implements io.ReaderAt: it reads the file system without the mark that it is
// mounted.
func (f *FAT) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.r.ReadAt(p, off)
	state := int64(state16)
	if f.Bits == 32 {
		state = state32
	}
	if off <= state && state < off+int64(n) {
		p[state-off] &^= 1
	}
	return n, err
}
