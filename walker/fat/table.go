package fat

import (
	"bytes"
	"fmt"
)

// maxTable is the largest table that is read into memory, in bytes: one of four million clusters.
const maxTable = 16 << 20

// Range is a run of bytes.
type Range struct{ Off, Len int64 }

// Used returns the bytes in use, ascending: all before the clusters, and the clusters
// that are not free.
func (f *FAT) Used() ([]Range, error) {
	if f.unmirrored {
		return []Range{{0, f.size}}, nil
	}
	table, err := f.readTable(0)
	if err != nil {
		return nil, err
	}
	runs := []Range{{0, f.data}}
	for n := int64(2); n < f.clusters+2; n++ {
		if f.entry(table, n) == 0 {
			continue
		}
		at := f.data + (n-2)*f.cluster
		if last := &runs[len(runs)-1]; last.Off+last.Len == at {
			last.Len += f.cluster
		} else {
			runs = append(runs, Range{at, f.cluster})
		}
	}
	return runs, nil
}

// readTable reads one of the tables, as far as it has entries of clusters.
func (f *FAT) readTable(i int64) ([]byte, error) {
	if f.tableSize > maxTable {
		return nil, fmt.Errorf("FAT of %d bytes: more than %d", f.tableSize, maxTable)
	}
	used := ((f.clusters+2)*int64(f.Bits) + 7) / 8
	table := make([]byte, used+4) // entry reads beyond the last one
	if n, err := f.r.ReadAt(table[:used], f.table+i*f.tableSize); n < int(used) {
		return nil, fmt.Errorf("read FAT: %w", err)
	}
	return table, nil
}

// entry returns what a table says of cluster n: 0 if it is free, else its successor, or a
// number at the end of what the width holds.
func (f *FAT) entry(table []byte, n int64) uint32 {
	switch f.Bits {
	case 12:
		return uint32(le.Uint16(table[n*3/2:])) >> (n % 2 * 4) & 0xFFF
	case 16:
		return uint32(le.Uint16(table[n*2:]))
	}
	return le.Uint32(table[n*4:]) & 0x0FFFFFFF
}

// Check says what is wrong with the tables: that they are not alike, or that a chain of
// clusters leaves the file system or meets another one. It does not read directories.
func (f *FAT) Check(say func(problem string)) error {
	table, err := f.readTable(0)
	if err != nil {
		return err
	}
	for i := int64(1); i < f.tables && !f.unmirrored; i++ {
		other, err := f.readTable(i)
		if err != nil {
			return err
		}
		if !bytes.Equal(table, other) {
			say(fmt.Sprintf("FAT %d is not as the first one", i+1))
		}
	}
	if first := f.entry(table, 0); byte(first) != f.media {
		say(fmt.Sprintf("the first entry of the FAT is %#x, but its medium is %#x", first, f.media))
	}
	const maxSaid = 10
	end := uint32(1)<<min(f.Bits, 28) - 1 // marks of the last 9 are no clusters: bad, or end of a chain
	before, said := make([]bool, f.clusters+2), 0
	for n := int64(2); n < f.clusters+2 && said < maxSaid; n++ {
		switch next := f.entry(table, n); {
		case next == 0, next >= end-8:
		case int64(next) >= f.clusters+2 || next == 1:
			say(fmt.Sprintf("cluster %d goes on in cluster %d, and there are those from 2 to %d", n, next, f.clusters+1))
			said++
		case before[next]:
			say(fmt.Sprintf("cluster %d belongs to two files", next))
			said++
		case f.entry(table, int64(next)) == 0:
			say(fmt.Sprintf("cluster %d goes on in cluster %d, which is free", n, next))
			said++
		default:
			before[next] = true
		}
	}
	return nil
}
