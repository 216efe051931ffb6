package volume

import (
	"fmt"
	"io"
	"strings"
)

// fatShape is what the BIOS parameter block of a FAT says of where things lie
// (Microsoft's FAT specification, 1.03, under its names less "BPB_").
type fatShape struct {
	bytsPerSec int64
	secPerClus int64
	rsvdSecCnt int64
	numFATs    int64
	rootEntCnt int64 // 0 on FAT32
	totSec     int64
	fatSz      int64 // sectors
	rootClus   uint32
	bits       int // 12, 16, 32
}

// fatOf reads the parameter block; ok is false if it is not one.
func fatOf(b []byte) (f fatShape, ok bool) {
	f = fatShape{bytsPerSec: int64(le.Uint16(b[11:])), secPerClus: int64(b[13]), rsvdSecCnt: int64(le.Uint16(b[14:])), numFATs: int64(b[16]),
		rootEntCnt: int64(le.Uint16(b[17:])), totSec: int64(le.Uint16(b[19:])), fatSz: int64(le.Uint16(b[22:]))}
	media := b[21]
	magic := b[510] == 0x55 && b[511] == 0xaa || string(b[54:57]) == "FAT" || string(b[82:87]) == "FAT32" // BS_FilSysType
	if !magic || !powerOfTwo(uint32(f.bytsPerSec), 512, 4096) || !powerOfTwo(uint32(f.secPerClus), 1, 128) ||
		f.rsvdSecCnt == 0 || f.numFATs == 0 || f.numFATs > 4 || media != 0xf0 && media < 0xf8 {
		return f, false
	}
	if f.totSec == 0 {
		f.totSec = int64(le.Uint32(b[32:]))
	}
	if f.fatSz == 0 { // only FAT32 has none here
		f.fatSz, f.rootClus, f.bits = int64(le.Uint32(b[36:])), le.Uint32(b[44:]), 32
	}
	rootSectors := (f.rootEntCnt*fatEntry + f.bytsPerSec - 1) / f.bytsPerSec
	data := f.totSec - f.rsvdSecCnt - f.numFATs*f.fatSz - rootSectors
	if f.fatSz == 0 || data <= 0 {
		return f, false
	}
	if f.bits == 0 {
		if f.bits = 16; data/f.secPerClus < 4085 {
			f.bits = 12
		}
	}
	return f, true
}

// vfat finds a FAT by its boot sector, and its label in its root directory, since
// the one in the boot sector is often out of date.
func vfat(r io.ReaderAt, size int64, head []byte) (fs FileSystem, ok bool, err error) {
	f, ok := fatOf(head[:512])
	if !ok {
		return fs, false, nil
	}
	at := 36 // BS_DrvNum
	if f.bits == 32 {
		at = 64
	}
	const sigAt, serial, label, labelSize = 2, 3, 7, 11 // BS_BootSig, BS_VolID, BS_VolLab
	fs = FileSystem{Type: "vfat", FAT: f.bits}
	if sig := head[at+sigAt]; sig == 0x28 || sig == 0x29 {
		id := le.Uint32(head[at+serial:])
		if id != 0 {
			fs.UUID = fmt.Sprintf("%04X-%04X", id>>16, id&0xffff)
		}
		if sig == 0x29 {
			fs.Label = strings.TrimRight(string(head[at+label:at+label+labelSize]), " ")
		}
	}
	if fs.Label == "NO NAME" {
		fs.Label = ""
	}
	found, err := f.label(r, size)
	if err != nil {
		return fs, false, err
	}
	if found != "" {
		fs.Label = found
	}
	return fs, true, nil
}

const (
	fatEntry   = 32      // bytes of a directory entry
	fatMaxRoot = 2 << 20 // bytes of a directory: 65,536 entries are the most that there can be
)

// label returns the volume label in the root directory, "" if it has none.
func (f *fatShape) label(r io.ReaderAt, size int64) (string, error) {
	root := (f.rsvdSecCnt + f.numFATs*f.fatSz) * f.bytsPerSec
	if f.bits != 32 {
		dir, err := readUpTo(r, size, root, int(f.rootEntCnt)*fatEntry)
		if err != nil {
			return "", err
		}
		text, _ := fatLabel(dir)
		return text, nil
	}
	cluster, clusterSize := f.rootClus&0x0fffffff, f.secPerClus*f.bytsPerSec
	for done := int64(0); done < fatMaxRoot; done += clusterSize {
		if cluster < 2 || cluster >= 0x0ffffff7 {
			break
		}
		dir, err := readUpTo(r, size, root+int64(cluster-2)*clusterSize, int(clusterSize))
		if err != nil {
			return "", err
		}
		if text, end := fatLabel(dir); end {
			return text, nil
		}
		next, err := readUpTo(r, size, f.rsvdSecCnt*f.bytsPerSec+int64(cluster)*4, 4)
		if err != nil {
			return "", err
		}
		cluster = le.Uint32(next) & 0x0fffffff
	}
	return "", nil
}

// fatLabel returns the label in a piece of a root directory; end is true if it, or
// the end of the directory, is there.
func fatLabel(dir []byte) (text string, end bool) {
	const nameSize, attr, high, low = 11, 11, 20, 26
	for ; len(dir) >= fatEntry; dir = dir[fatEntry:] {
		e := dir[:fatEntry]
		switch {
		case e[0] == 0:
			return "", true
		case e[0] == 0xe5, e[attr]&0x18 != 0x08, e[attr]&0x3f == 0x0f, le.Uint16(e[high:]) != 0, le.Uint16(e[low:]) != 0:
			continue // removed, no label, a piece of a long name
		}
		name := append([]byte(nil), e[:nameSize]...)
		if name[0] == 0x05 { // stands for 0xe5
			name[0] = 0xe5
		}
		return strings.TrimRight(string(name), " "), true
	}
	return "", false
}
