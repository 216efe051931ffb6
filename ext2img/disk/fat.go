package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errNoFAT says that a partition holds no FAT.
var errNoFAT = errors.New("no FAT file system")

// fat is a FAT file system, as far as one must know it to tell which of its clusters
// are in use.
type fat struct {
	r        io.ReaderAt
	size     int64 // bytes
	bits     int   // 12, 16 or 32
	sector   int64 // bytes, BPB_BytsPerSec
	table    run   // bytes, the first FAT
	data     int64 // first byte of cluster 2
	cluster  int64 // bytes
	clusters int64
}

// Offsets of the BIOS parameter block, in bytes.
const (
	bpbBytsPerSec = 11   // u16, bytes
	bpbSecPerClus = 13   // u8, sectors
	bpbRsvdSecCnt = 14   // u16, sectors before the first FAT
	bpbNumFATs    = 16   // u8
	bpbRootEntCnt = 17   // u16, entries of 32 bytes; 0 with FAT32
	bpbTotSec16   = 19   // u16, sectors; 0: bpbTotSec32
	bpbFATSz16    = 22   // u16, sectors of a FAT; 0: bpbFATSz32
	bpbTotSec32   = 32   // u32, sectors
	bpbFATSz32    = 36   // u32, sectors
	bsState16     = 0x25 // u8, bit 0: not unmounted (fs/fat)
	bsState32     = 0x41 // u8, the same with FAT32
	bsSignature   = 510  // u16, 0xAA55
)

// parseFAT reads the boot sector of a FAT in size bytes of r. The error is errNoFAT if
// there is something else.
func parseFAT(r io.ReaderAt, size int64) (*fat, error) {
	b := make([]byte, 512)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return nil, err
	}
	u16 := func(at int) int64 { return int64(binary.LittleEndian.Uint16(b[at:])) }
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(b[at:])) }
	f := &fat{r: r, size: size, sector: u16(bpbBytsPerSec)}
	perCluster, fats, fatSize, total := int64(b[bpbSecPerClus]), int64(b[bpbNumFATs]), u16(bpbFATSz16), u16(bpbTotSec16)
	if fatSize == 0 {
		fatSize = u32(bpbFATSz32)
	}
	if total == 0 {
		total = u32(bpbTotSec32)
	}
	switch {
	case u16(bsSignature) != 0xAA55 || b[0] != 0xEB && b[0] != 0xE9:
		return nil, errNoFAT
	case f.sector != 512 && f.sector != 1024 && f.sector != 2048 && f.sector != 4096,
		perCluster == 0 || perCluster&(perCluster-1) != 0, fats < 1 || fats > 2, fatSize == 0, total*f.sector > size:
		return nil, errNoFAT
	}
	root := (u16(bpbRootEntCnt)*32 + f.sector - 1) / f.sector
	first := u16(bpbRsvdSecCnt) + fats*fatSize + root
	if first >= total {
		return nil, errNoFAT
	}
	f.cluster = perCluster * f.sector
	f.clusters = (total - first) / perCluster
	f.table = run{u16(bpbRsvdSecCnt) * f.sector, fatSize * f.sector}
	f.data = first * f.sector
	switch {
	case f.clusters < 4085:
		f.bits = 12
	case f.clusters < 65525:
		f.bits = 16
	default:
		f.bits = 32
	}
	if (f.clusters+2)*int64(f.bits) > f.table.count*8 {
		return nil, errNoFAT
	}
	return f, nil
}

// maxTable is the largest FAT that is read into memory, in bytes: one of four million clusters.
const maxTable = 16 << 20

// used returns the bytes in use: all before the clusters, and the clusters that are not
// free.
func (f *fat) used() ([]run, error) {
	if f.table.count > maxTable {
		return nil, fmt.Errorf("FAT of %d bytes: more than %d", f.table.count, maxTable)
	}
	table := make([]byte, (f.clusters+2)*int64(f.bits)/8+4)
	if n, err := f.r.ReadAt(table[:min(int64(len(table)), f.table.count)], f.table.start); n == 0 {
		return nil, fmt.Errorf("read FAT: %w", err)
	}
	runs := []run{{0, f.data}}
	for n := int64(2); n < f.clusters+2; n++ {
		if f.entry(table, n) == 0 {
			continue
		}
		at := f.data + (n-2)*f.cluster
		if last := &runs[len(runs)-1]; last.end() == at {
			last.count += f.cluster
		} else {
			runs = append(runs, run{at, f.cluster})
		}
	}
	return runs, nil
}

// entry returns what the FAT says of cluster n; 0: free.
func (f *fat) entry(table []byte, n int64) uint32 {
	switch f.bits {
	case 12:
		return uint32(binary.LittleEndian.Uint16(table[n*3/2:])) >> (n % 2 * 4) & 0xFFF
	case 16:
		return uint32(binary.LittleEndian.Uint16(table[n*2:]))
	}
	return binary.LittleEndian.Uint32(table[n*4:]) & 0x0FFFFFFF
}

// cleanFAT reads a FAT without the mark that it is mounted.
type cleanFAT struct{ *fat }

// ReadAt implements io.ReaderAt.
func (c cleanFAT) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	state := int64(bsState16)
	if c.bits == 32 {
		state = bsState32
	}
	if off <= state && state < off+int64(n) {
		p[state-off] &^= 1
	}
	return n, err
}

// equalType says whether a partition has a type, whatever the case of its digits.
func equalType(a, b string) bool { return strings.EqualFold(a, b) }
