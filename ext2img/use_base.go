package ext2img

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// Which blocks a layout with a base has in use, part by part, and which it may take.

// partUse says which blocks of a part are in use.
type partUse struct {
	old, now blockSet // in the base, and of what stays
	fresh    bool     // something new has a place in it
}

// blockSet has a bit for each block of a part.
type blockSet []uint64

func (s blockSet) has(i int64) bool { return s[i/64]>>(i%64)&1 != 0 }
func (s blockSet) set(i int64)      { s[i/64] |= 1 << (i % 64) }

func (s blockSet) count() (n int64) {
	for _, w := range s {
		n += int64(bits.OnesCount64(w))
	}
	return n
}

// use returns the use of the part of a block.
func (p *basePlacer) use(block int64) *partUse {
	u := p.parts[block/p.part]
	if u == nil {
		words := ceilDiv(p.part, 64)
		u = &partUse{old: make(blockSet, words), now: make(blockSet, words)}
		p.parts[block/p.part] = u
	}
	return u
}

// readUse reads which blocks the base has in use.
func (p *basePlacer) readUse() error {
	bitmap := make([]byte, BlockSize)
	for n := range p.g.groups {
		ok, err := p.fs.InUse(uint32(n), bitmap)
		if err != nil {
			return err
		}
		group := p.g.group(n)
		if !ok { // only a superblock and descriptors
			for b := range p.g.superBlocks(n) {
				p.use(group.start + b).old.set((group.start + b) % p.part)
			}
			continue
		}
		for i := int64(0); i < group.count; i++ {
			if i%64 == 0 && binary.LittleEndian.Uint64(bitmap[i/8:]) == 0 {
				i += 63
				continue
			}
			if bitmap[i/8]>>(i%8)&1 != 0 {
				p.use(group.start + i).old.set((group.start + i) % p.part)
			}
		}
	}
	return nil
}

// keep takes blocks of the base. ok is false if the base has them not in use, or another
// has them already: then it is not what it seems.
func (p *basePlacer) keep(start, count int64) (ok bool) {
	for b := start; b < start+count; b++ {
		if b < 0 || b >= p.g.blocks {
			return false
		}
		u := p.use(b)
		if !u.old.has(b%p.part) || u.now.has(b%p.part) {
			return false
		}
		u.now.set(b % p.part)
	}
	return true
}

// emptyPart finds the first part that nothing has a place in.
func (p *basePlacer) emptyPart() (part int64, ok bool) {
	for i := int64(0); (i+1)*p.part <= p.g.blocks; i++ {
		if u := p.parts[i]; !p.metas[i] && (u == nil || u.now.count() == 0) {
			return i, true
		}
	}
	return 0, false
}

// freeIn lists the free blocks of a part.
func (p *basePlacer) freeIn(part int64) (free []run) {
	start, end := part*p.part, min((part+1)*p.part, p.g.blocks)
	u := p.parts[part]
	if u == nil {
		return []run{{start, end - start}}
	}
	for b := start; b < end; b++ {
		switch n := len(free); {
		case u.now.has(b - start):
		case n > 0 && free[n-1].end() == b:
			free[n-1].count++
		default:
			free = append(free, run{b, 1})
		}
	}
	return free
}

// claim takes free blocks for something new.
func (p *basePlacer) claim(r run) {
	for b := r.start; b < r.end(); b++ {
		u := p.use(b)
		u.now.set(b % p.part)
		u.fresh = true
	}
}

// littleUsed is the share of a part, one of so many, up to which it is no worse a place
// than an empty one.
const littleUsed = 8

// gaps returns the free blocks for data, in the order in which they are to be used.
func (p *basePlacer) gaps() *gapList {
	l := new(gapList)
	type clean struct{ part, used int64 }
	var little, empty, other []clean
	for i := int64(0); i*p.part < p.g.blocks; i++ {
		if p.metas[i] {
			continue
		}
		u := p.parts[i]
		switch {
		case u == nil:
			empty = append(empty, clean{i, 0})
		case !slices.Equal(u.old, u.now) && u.now.count() > 0:
			for _, r := range p.freeIn(i) {
				l.add(r)
			}
		default:
			c := clean{i, u.now.count()}
			switch {
			case c.used == 0:
				empty = append(empty, c)
			case c.used <= p.part/littleUsed:
				little = append(little, c)
			default:
				other = append(other, c)
			}
		}
	}
	byUse := func(a, b clean) int { return cmp.Or(cmp.Compare(a.used, b.used), cmp.Compare(a.part, b.part)) }
	slices.SortFunc(little, byUse)
	slices.SortFunc(other, byUse)
	next := slices.Concat(little, empty, other)
	l.more = func() (free []run, ok bool) {
		if len(next) == 0 {
			return nil, false
		}
		free = p.freeIn(next[0].part)
		next = next[1:]
		return free, true
	}
	return l
}
