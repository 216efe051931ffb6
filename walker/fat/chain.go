package fat

import (
	"errors"
	"fmt"
)

// Errors of what cannot be written.
var (
	ErrFull = errors.New("no room left on the FAT file system")
	errKind = errors.New("its tables are not all alike, which is not written")
)

// load reads the table.
func (v *Volume) load() (err error) {
	if v.entries == nil {
		v.entries, err = v.readTable(0)
	}
	return err
}

// next returns what the table says of cluster n.
func (v *Volume) next(n uint32) uint32 { return v.entry(v.entries, int64(n)) }

// end returns the least number that ends a chain.
func (v *Volume) end() uint32 {
	switch v.Bits {
	case 12:
		return 0xFF8
	case 16:
		return 0xFFF8
	}
	return 0x0FFFFFF8
}

// set says in all tables what follows cluster n; 0: it is free.
func (v *Volume) set(n, next uint32) error {
	at, width := int64(n)*2, int64(2)
	switch v.Bits {
	case 12:
		at = int64(n) * 3 / 2
		old := le.Uint16(v.entries[at:])
		shift := n % 2 * 4
		le.PutUint16(v.entries[at:], old&^(0xFFF<<shift)|uint16(next&0xFFF)<<shift)
	case 16:
		le.PutUint16(v.entries[at:], uint16(next))
	default:
		at, width = int64(n)*4, 4
		le.PutUint32(v.entries[at:], le.Uint32(v.entries[at:])&0xF0000000|next&0x0FFFFFFF)
	}
	width = min(width, v.tableSize-at)
	for i := range v.tables {
		if err := v.overlay.writeAt(v.entries[at:at+width], v.table+i*v.tableSize+at); err != nil {
			return err
		}
	}
	return nil
}

// chain returns the clusters from first on; none if first is 0, as that of an empty file
// is.
func (v *Volume) chain(first uint32) (list []uint32, err error) {
	if first == 0 {
		return nil, nil
	}
	if err := v.load(); err != nil {
		return nil, err
	}
	for n := first; n < v.end(); n = v.next(n) {
		if n < 2 || int64(n) >= v.clusters+2 || int64(len(list)) == v.clusters {
			return nil, fmt.Errorf("the chain of cluster %d leads to %d, or in a circle", first, n)
		}
		list = append(list, n)
	}
	return list, nil
}

// allocate takes count free clusters and makes them a chain.
func (v *Volume) allocate(count int64) (list []uint32, err error) {
	if v.unmirrored {
		return nil, errKind
	}
	if err := v.load(); err != nil {
		return nil, err
	}
	for n := uint32(2); int64(n) < v.clusters+2 && int64(len(list)) < count; n++ {
		if v.next(n) == 0 {
			list = append(list, n)
		}
	}
	if int64(len(list)) < count {
		return nil, ErrFull
	}
	for i, n := range list {
		next := v.end() | 7
		if i+1 < len(list) {
			next = list[i+1]
		}
		if err := v.set(n, next); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// FSInfo, which FAT32 has: u32 at 0 and 484 are signatures.
const (
	infoLead   = 0x41615252
	infoStruct = 0x61417272
	infoFree   = 488 // u32, free clusters
	infoNext   = 492 // u32, where to look for one; 0xFFFFFFFF: anywhere
)

// count brings the number of free clusters in FSInfo up to date.
func (v *Volume) count() error {
	if v.info == 0 || v.info+v.sector > v.table {
		return nil
	}
	b := make([]byte, 512)
	if n, err := v.overlay.ReadAt(b, v.info); n < len(b) {
		return err
	}
	if le.Uint32(b) != infoLead || le.Uint32(b[484:]) != infoStruct {
		return nil
	}
	var free uint32
	for n := uint32(2); int64(n) < v.clusters+2; n++ {
		if v.next(n) == 0 {
			free++
		}
	}
	le.PutUint32(b[infoFree:], free)
	le.PutUint32(b[infoNext:], 0xFFFFFFFF)
	return v.overlay.writeAt(b, v.info)
}
