package survey

import (
	"errors"
	"fmt"
	"io"

	"purebundle/walker/volume"
)

// The table in sector 0, and in those that extend it: four entries, then a magic.
const (
	mbrSize    = 512 // bytes, also on disks with larger sectors
	mbrEntries = 446 // offset in bytes
	entrySize  = 16  // bytes

	maxLinks    = 100 // of a chain without a partition, as in the kernel
	lastLogical = 255 // the highest number, as in the kernel
)

// dosEntry is one entry of such a table.
type dosEntry struct {
	active bool
	kind   byte
	start  int64 // sectors
	size   int64 // sectors; 0 if the entry is empty
}

func (e dosEntry) extended() bool {
	return e.kind == 0x05 || e.kind == 0x0f || e.kind == 0x85
}

// isMBR says whether a sector is a table: not the boot sector of a file system,
// which has the same magic and code where entries would be.
func isMBR(b []byte) bool {
	for i := range 4 {
		if indicator := b[mbrEntries+i*entrySize]; indicator != 0 && indicator != 0x80 {
			return false
		}
	}
	return b[510] == 0x55 && b[511] == 0xaa
}

// dosEntries returns the four entries of a table.
func dosEntries(b []byte) (entries [4]dosEntry) {
	for i := range entries {
		e := b[mbrEntries+i*entrySize:]
		entries[i] = dosEntry{active: e[0] == 0x80, kind: e[4], start: int64(le.Uint32(e[8:])), size: int64(le.Uint32(e[12:]))}
	}
	return entries
}

// protectiveEntry returns the entry that keeps other programs off a GPT, nil if
// there is no such entry.
func protectiveEntry(b []byte) *dosEntry {
	for _, e := range dosEntries(b) {
		if fmt.Sprintf("%02x", e.kind) == dosProtective && e.start == 1 {
			return &e
		}
	}
	return nil
}

// hybrid says whether the dos table of a GPT disk has other partitions too.
func hybrid(b []byte) bool {
	for _, e := range dosEntries(b) {
		if e.size != 0 && fmt.Sprintf("%02x", e.kind) != dosProtective {
			return true
		}
	}
	return false
}

// readDOS reads a dos table with its extensions. A file system that fills the disk
// can have a boot sector that looks like one without partitions.
func (d *Disk) readDOS(r io.ReaderAt, first []byte) error {
	d.Table = "dos"
	for i, e := range dosEntries(first) {
		if e.size != 0 {
			d.addDOS(i+1, 0, e)
		}
	}
	if len(d.Partitions) == 0 {
		if _, err := volume.Identify(r, d.Size); !errors.Is(err, volume.ErrNone) {
			return ErrNoTable
		}
	}
	next := 5
	for _, e := range dosEntries(first) {
		if e.size != 0 && e.extended() {
			var err error
			if next, err = d.readExtended(r, e, next); err != nil {
				return err
			}
		}
	}
	d.Gap = Range{d.SectorSize, d.Size - d.SectorSize}
	for _, p := range d.Partitions {
		d.Gap.Size = min(d.Gap.Size, p.Start-d.Gap.Offset)
	}
	return nil
}

// addDOS adds a partition whose entry counts from a base, in sectors.
func (d *Disk) addDOS(number int, base int64, e dosEntry) {
	p := Partition{Number: number, Start: (base + e.start) * d.SectorSize, Size: e.size * d.SectorSize, Type: fmt.Sprintf("%02x", e.kind),
		Active: e.active, Extended: e.extended()}
	if d.Signature != 0 {
		p.UUID = fmt.Sprintf("%08x-%02x", d.Signature, number)
	}
	d.Partitions = append(d.Partitions, p)
}

// readExtended follows the chain of tables in an extended partition, as the kernel
// does: each has a logical partition, counted from the table, and a link to the
// next table, counted from the start of the extended partition. It returns the number
// that the next logical partition gets.
func (d *Disk) readExtended(r io.ReaderAt, extended dosEntry, next int) (int, error) {
	at, size := extended.start, extended.size
	for links := 0; ; links++ {
		if links > maxLinks {
			return next, fmt.Errorf("%d extended partition tables in a row without a partition", links)
		}
		if at < extended.start || at*d.SectorSize > d.Size-mbrSize {
			return next, fmt.Errorf("an extended partition table in sector %d is not within the disk", at)
		}
		b, err := d.read(r, at*d.SectorSize, mbrSize)
		if err != nil {
			return next, err
		}
		if b[510] != 0x55 || b[511] != 0xaa {
			return next, nil // empty
		}
		entries := dosEntries(b)
		link := -1
		for i, e := range entries {
			switch {
			case e.size == 0:
			case e.extended():
				if link < 0 {
					link = i
				}
			case i >= 2 && (e.start+e.size > size || at+e.start+e.size > extended.start+extended.size):
				// garbage, as the kernel says
			case next > lastLogical:
				return next, fmt.Errorf("more than %d partitions", lastLogical)
			default:
				d.addDOS(next, at, e)
				next, links = next+1, 0
			}
		}
		if link < 0 {
			return next, nil
		}
		at, size = extended.start+entries[link].start, entries[link].size
	}
}
