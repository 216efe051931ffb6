package disk

import (
	"cmp"
	"fmt"
	"slices"

	"purebundle/ext2img"
)

// Layout says where the partitions of a disk lie.
type Layout struct {
	table    *Table
	regions  []region // what is copied, ascending
	copied   int64    // bytes before the first file system that is made, whole parts
	lead     int64    // bytes before root, whole parts
	partSize int64    // bytes
}

// Place puts the partitions of t that are copied where they are if that is possible, else
// one behind the other; behind them those that are made, root last, each from a multiple
// of partSize bytes on. The error says which partition does not fit.
func Place(t *Table, partSize int64) (*Layout, error) {
	if t.Kind != GPT && t.Kind != DOS {
		return nil, fmt.Errorf("partition table %q: neither %s nor %s", t.Kind, GPT, DOS)
	}
	own := *t
	own.Partitions = slices.Clone(t.Partitions)
	l := &Layout{table: &own, partSize: partSize}
	if err := l.check(); err != nil {
		return nil, err
	}
	if own.Kind == DOS && own.GapSize > 0 {
		l.regions = append(l.regions, region{start: SectorSize, size: own.GapSize, content: own.Gap})
	}
	copied, made := l.boot()
	end := l.firstFree()
	for _, p := range copied {
		from := p.Start
		if p.Start < end || p.Start+p.Size > maxStart {
			p.Start = ceilDiv(end, alignment) * alignment
		}
		r, err := newRegion(*p, from)
		if err != nil {
			return nil, err
		}
		l.regions = append(l.regions, r)
		end = p.Start + p.Size
	}
	l.copied = ceilDiv(max(end, alignment), partSize) * partSize
	l.lead = l.copied
	for _, p := range made {
		p.Start = l.lead
		l.lead += ceilDiv(p.Size, partSize) * partSize
	}
	return l, nil
}

// firstFree returns the first byte behind the table, and behind GRUB on a DOS disk.
func (l *Layout) firstFree() int64 {
	if l.table.Kind == GPT {
		return 34 * SectorSize // protective MBR, header, 128 entries of 128 bytes
	}
	return SectorSize + l.table.GapSize
}

// check refuses what no table holds.
func (l *Layout) check() error {
	roots := 0
	seen := make(map[int]bool)
	for _, p := range l.table.Partitions {
		most := 128
		if l.table.Kind == DOS {
			most = maxPrimary
		}
		switch {
		case p.Number < 1 || p.Number > most:
			return fmt.Errorf("partition %d: a %s table that is made has those from 1 to %d", p.Number, l.table.Kind, most)
		case seen[p.Number]:
			return fmt.Errorf("partition %d: twice in the table", p.Number)
		case !p.Root && (p.Size <= 0 || p.Size%SectorSize != 0 || p.Start%SectorSize != 0):
			return fmt.Errorf("partition %d: %d bytes at %d: no whole sectors", p.Number, p.Size, p.Start)
		case p.Root && !p.made():
			return fmt.Errorf("partition %d: root is made, and cannot be copied", p.Number)
		case p.Root:
			roots++
		}
		seen[p.Number] = true
	}
	if roots != 1 {
		return fmt.Errorf("a table with %d root partitions: one is needed", roots)
	}
	return nil
}

// boot returns the partitions before root in the order of the source: those that are
// copied, and those that are made.
func (l *Layout) boot() (copied, made []*Partition) {
	for i := range l.table.Partitions {
		switch p := &l.table.Partitions[i]; {
		case p.Root:
		case p.made():
			made = append(made, p)
		default:
			copied = append(copied, p)
		}
	}
	for _, list := range [][]*Partition{copied, made} {
		slices.SortStableFunc(list, func(a, b *Partition) int { return cmp.Compare(a.Start, b.Start) })
	}
	return copied, made
}

// Lead returns the number of bytes before root, whole parts.
func (l *Layout) Lead() int64 { return l.lead }

// Start returns the byte of the disk at which a partition begins, -1 if there is none of
// that number.
func (l *Layout) Start(number int) int64 {
	for _, p := range l.table.Partitions {
		switch {
		case p.Number != number:
		case p.Root:
			return l.lead
		default:
			return p.Start
		}
	}
	return -1
}

// Params changes the parameters of root's image, whose Size is that of the disk, to
// those of the file system that has its place in it.
func (l *Layout) Params(p ext2img.Params) (ext2img.Params, error) {
	p.Tail = Tail
	if p.Size == 0 {
		return p, nil
	}
	if p.Size -= l.lead; p.Size <= p.Tail {
		return p, &ext2img.TooSmallError{Need: l.lead + l.partSize, Have: p.Size + l.lead}
	}
	return p, nil
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
