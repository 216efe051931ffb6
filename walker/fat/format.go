package fat

import (
	"fmt"
	"io"
	"time"
)

// MinSize is the least size of a FAT32 that Format makes, in bytes: below it there are
// fewer clusters than make one.
const MinSize = 36 << 20

// maxFormat is the largest, in bytes: clusters have 512 bytes, and the FAT is in memory.
const maxFormat = 2 << 30

// The shape of a FAT32 that is made, in sectors of 512 bytes.
const (
	newSector   = 512 // bytes
	newReserved = 32
	newInfo     = 1
	newBackup   = 6 // of the first sector and of FSInfo
	newFATs     = 2
	newRoot     = 2 // cluster
	newMedia    = 0xF8
)

// Format makes an empty FAT32 of size bytes, in memory. The label has at most 11
// characters; the same arguments make the same bytes.
func Format(size int64, serial uint32, label string, at time.Time) (*Volume, error) {
	if size < MinSize || size > maxFormat || len(label) > baseSize+extSize {
		return nil, fmt.Errorf("format a FAT32 of %d bytes with label %q: from %d to %d bytes, and up to %d characters", size, label, MinSize, maxFormat, baseSize+extSize)
	}
	sectors := size / newSector
	// Each cluster takes its sector and four bytes in each FAT, which has two entries more.
	perFAT := ((sectors-newReserved+2)*4 + newSector + 8 - 1) / (newSector + 4*newFATs)
	o := &overlay{under: nothing{size}, size: size}
	first := firstSector(sectors, perFAT, serial, label)
	info := make([]byte, newSector)
	le.PutUint32(info, infoLead)
	le.PutUint32(info[484:], infoStruct)
	le.PutUint16(info[signature:], 0xAA55)
	for _, sector := range []int64{0, newBackup} {
		if err := o.writeAt(first, sector*newSector); err != nil {
			return nil, err
		}
		if err := o.writeAt(info, (sector+newInfo)*newSector); err != nil {
			return nil, err
		}
	}
	v, err := newVolume(o)
	if err != nil {
		return nil, fmt.Errorf("format a FAT32: %w", err)
	}
	return v, v.begin(label, at)
}

// begin writes what an empty FAT32 has in its FAT and in its root directory.
func (v *Volume) begin(label string, at time.Time) error {
	if err := v.load(); err != nil {
		return err
	}
	for n, next := range []uint32{0x0FFFFF00 | newMedia, 0x0FFFFFFF, 0x0FFFFFFF} {
		if err := v.set(uint32(n), next); err != nil {
			return err
		}
	}
	if label != "" {
		b := make([]byte, entrySize)
		copy(b, padded(label))
		b[dirAttr] = attrVolume
		fill(b, 0, 0, at)
		if err := v.overlay.writeAt(b, v.place(newRoot)); err != nil {
			return err
		}
	}
	return v.count()
}

// firstSector returns the boot sector.
func firstSector(sectors, perFAT int64, serial uint32, label string) []byte {
	b := make([]byte, newSector)
	copy(b, "\xEB\x58\x90PURE    ")
	le.PutUint16(b[bytsPerSec:], newSector)
	b[secPerClus], b[numFATs] = 1, newFATs
	le.PutUint16(b[rsvdSecCnt:], newReserved)
	b[media] = newMedia       // BPB_Media
	le.PutUint16(b[24:], 63)  // BPB_SecPerTrk
	le.PutUint16(b[26:], 255) // BPB_NumHeads
	le.PutUint32(b[totSec32:], uint32(sectors))
	le.PutUint32(b[fatSz32:], uint32(perFAT))
	le.PutUint32(b[rootClus32:], newRoot)
	le.PutUint16(b[fsInfo32:], newInfo)
	le.PutUint16(b[backup32:], newBackup)
	b[64], b[66] = 0x80, 0x29 // BS_DrvNum; BS_BootSig: serial, label and type follow
	le.PutUint32(b[volID32:], serial)
	if label == "" {
		label = "NO NAME"
	}
	copy(b[71:], padded(label))  // BS_VolLab
	copy(b[type32:], "FAT32   ") // BS_FilSysType
	le.PutUint16(b[signature:], 0xAA55)
	return b
}

// padded returns a label in the form of a short name.
func padded(label string) string { return fmt.Sprintf("%-*s", baseSize+extSize, label) }

// nothing is a medium of so many bytes, all zero.
type nothing struct{ size int64 }

// ReadAt implements io.ReaderAt.
func (m nothing) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > m.size {
		return 0, fmt.Errorf("read at %d: beyond the volume's %d bytes", off, m.size)
	}
	n := len(p)
	if rest := m.size - off; int64(n) > rest {
		clear(p[:rest])
		return int(rest), io.EOF
	}
	clear(p)
	return n, nil
}
