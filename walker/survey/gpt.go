package survey

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode/utf16"

	"github.com/google/uuid"
)

var le = binary.LittleEndian

// Limits of what a GPT header may say.
const (
	gptHeaderSize = 92   // bytes that are defined
	maxEntries    = 1024 // sgdisk makes 128 unless told otherwise
	minEntrySize  = 128  // bytes
	maxEntrySize  = 4096 // bytes
)

// gptHeader is the GPT header (UEFI specification 2.10, 5.3.2), LBAs in sectors.
type gptHeader struct {
	alternate   uint64 // AlternateLBA
	firstUsable uint64
	lastUsable  uint64
	guid        string
	entriesLBA  uint64
	entries     uint32
	entrySize   uint32 // bytes
	entriesCRC  uint32
}

// readGPT reads both copies of the table, and takes the first one that is whole.
func (d *Disk) readGPT(r io.ReaderAt, first []byte) error {
	d.Table = "gpt"
	if hybrid(first) {
		d.note("the dos table of this GPT disk has partitions too (hybrid MBR): they do not come along")
	}
	last := uint64(d.Size/d.SectorSize) - 1
	main, mainErr := d.readHeader(r, 1)
	at := last
	if mainErr == nil {
		at = main.alternate
	}
	var entries []byte
	if mainErr == nil {
		entries, mainErr = d.readEntries(r, main)
	}
	spare, spareErr := d.readHeader(r, at)
	var spareEntries []byte
	if spareErr == nil {
		spareEntries, spareErr = d.readEntries(r, spare)
	}
	switch {
	case mainErr != nil && spareErr != nil:
		return fmt.Errorf("both GPTs are damaged: the first: %w; the backup: %w", mainErr, spareErr)
	case mainErr != nil:
		d.note("the first GPT is damaged (%v); its backup was read: sgdisk -e repairs it", mainErr)
		main, entries = spare, spareEntries
	case spareErr != nil:
		d.note("the backup GPT is damaged (%v): sgdisk -e makes it again", spareErr)
	case spare.guid != main.guid || spare.entriesCRC != main.entriesCRC:
		d.note("the backup GPT differs from the first, which was read")
	case at != last:
		d.note("the backup GPT is not at the end of the disk, which has grown: sgdisk -e moves it")
	}
	d.GUID = main.guid
	return d.addEntries(main, entries)
}

// readHeader returns the header in a sector, if it is whole.
func (d *Disk) readHeader(r io.ReaderAt, lba uint64) (h gptHeader, err error) {
	last := uint64(d.Size/d.SectorSize) - 1
	if lba < 1 || lba > last {
		return h, fmt.Errorf("sector %d is not on the disk", lba)
	}
	b, err := d.read(r, int64(lba)*d.SectorSize, int(d.SectorSize))
	if err != nil {
		return h, err
	}
	if string(b[:8]) != "EFI PART" {
		return h, fmt.Errorf("sector %d has no header", lba)
	}
	size := le.Uint32(b[12:])
	if size < gptHeaderSize || int64(size) > d.SectorSize {
		return h, fmt.Errorf("a header of %d bytes", size)
	}
	sum := le.Uint32(b[16:])
	clear(b[16:20])
	if crc32.ChecksumIEEE(b[:size]) != sum {
		return h, errors.New("wrong checksum of the header")
	}
	h = gptHeader{alternate: le.Uint64(b[32:]), firstUsable: le.Uint64(b[40:]), lastUsable: le.Uint64(b[48:]), guid: guidText(b[56:72]),
		entriesLBA: le.Uint64(b[72:]), entries: le.Uint32(b[80:]), entrySize: le.Uint32(b[84:]), entriesCRC: le.Uint32(b[88:])}
	switch {
	case le.Uint64(b[24:]) != lba: // MyLBA
		return h, fmt.Errorf("the header in sector %d is of sector %d", lba, le.Uint64(b[24:]))
	case h.entries > maxEntries, h.entrySize < minEntrySize, h.entrySize > maxEntrySize, h.entrySize&(h.entrySize-1) != 0:
		return h, fmt.Errorf("%d entries of %d bytes", h.entries, h.entrySize)
	case h.entriesLBA < 2 || h.entriesLBA > last:
		return h, fmt.Errorf("entries in sector %d", h.entriesLBA)
	case h.firstUsable > h.lastUsable || h.lastUsable > last:
		return h, fmt.Errorf("usable sectors %d to %d", h.firstUsable, h.lastUsable)
	}
	return h, nil
}

// readEntries returns the bytes of all entries, if they are whole.
func (d *Disk) readEntries(r io.ReaderAt, h gptHeader) ([]byte, error) {
	b, err := d.read(r, int64(h.entriesLBA)*d.SectorSize, int(h.entries*h.entrySize))
	if err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(b) != h.entriesCRC {
		return nil, errors.New("wrong checksum of the entries")
	}
	return b, nil
}

// addEntries adds the partitions that entries name (5.3.3).
func (d *Disk) addEntries(h gptHeader, entries []byte) error {
	const nameAt, nameSize = 56, 72
	for i := range int(h.entries) {
		e := entries[i*int(h.entrySize):][:minEntrySize]
		if guidText(e) == uuid.Nil.String() {
			continue
		}
		start, end := le.Uint64(e[32:]), le.Uint64(e[40:]) // the last sector
		if start < h.firstUsable || end < start || end > h.lastUsable {
			return fmt.Errorf("partition %d has sectors %d to %d, of %d to %d that are usable", i+1, start, end, h.firstUsable, h.lastUsable)
		}
		var units [nameSize / 2]uint16
		for i := range units {
			units[i] = le.Uint16(e[nameAt+2*i:])
		}
		name, _, _ := strings.Cut(string(utf16.Decode(units[:])), "\x00")
		d.Partitions = append(d.Partitions, Partition{Number: i + 1, Start: int64(start) * d.SectorSize, Size: int64(end-start+1) * d.SectorSize,
			Type: guidText(e), UUID: guidText(e[16:]), Attributes: le.Uint64(e[48:]), Name: name})
	}
	return nil
}

// guidText returns 16 bytes of a GUID, whose first three fields are little-endian.
func guidText(b []byte) string {
	return uuid.UUID{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]}.String()
}
