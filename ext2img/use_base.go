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
	changed  blockSet // of now, for files that changed; nil: there are none
	fresh    bool     // something new has a place in it
}

// blockSet has a bit for each block of a part, or for each inode.
type blockSet []uint64

func (s blockSet) has(i int64) bool { return s[i/64]>>(i%64)&1 != 0 }
func (s blockSet) set(i int64)      { s[i/64] |= 1 << (i % 64) }

// unit returns the bits of a unit that starts with block i.
func (s blockSet) unit(i int64) blockSet { return s[i/64 : min(int(i/64)+unitBlocks/64, len(s))] }

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

// keepFor takes blocks of the base for a file that changed, as keep does for one that did not.
func (p *basePlacer) keepFor(start, count int64) (ok bool) {
	if !p.keep(start, count) {
		return false
	}
	for b := start; b < start+count; b++ {
		u := p.use(b)
		if u.changed == nil {
			u.changed = make(blockSet, len(u.now))
		}
		u.changed.set(b % p.part)
		u.fresh = true
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

// freeOf lists the free blocks of a part, from one of its blocks to before another.
func (p *basePlacer) freeOf(part, from, to int64) (free []run) {
	start, end := part*p.part+from, min(part*p.part+to, p.g.blocks)
	u := p.parts[part]
	if u == nil {
		return []run{{start, end - start}}
	}
	for b := start; b < end; b++ {
		switch n := len(free); {
		case u.now.has(b % p.part):
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

const (
	// littleUsed is the share of a part, one of so many, up to which it is no worse a place
	// than an empty one.
	littleUsed = 8
	// unitBlocks is how many blocks a snapshot in EBS has as one: 512 KiB. One from which
	// something went must be put again, so that it costs nothing to fill it.
	unitBlocks = 128
)

// gaps returns the free blocks for data, in the order in which they are to be used: first
// in units from which something went, then in those where a file has changed, then in empty
// units of their parts, which must be made as well, then in parts that hold little or nothing, at last anywhere.
func (p *basePlacer) gaps() *gapList {
	var freed, touched, beside, rest []run
	var little, empty, other []int64
	for i := int64(0); i*p.part < p.g.blocks; i++ {
		u := p.parts[i]
		switch {
		case p.metas[i]:
		case u == nil:
			empty = append(empty, i)
		case u.fresh || !slices.Equal(u.old, u.now):
			for start := int64(0); start < p.part; start += unitBlocks {
				list := &rest
				switch old, now := u.old.unit(start), u.now.unit(start); {
				case !slices.Equal(old, now):
					list = &freed
				case u.changed != nil && u.changed.unit(start).count() > 0:
					list = &touched
				case now.count() == 0:
					list = &beside
				}
				*list = append(*list, p.freeOf(i, start, min(start+unitBlocks, p.part))...)
			}
		case u.now.count() <= p.part/littleUsed:
			little = append(little, i)
		default:
			other = append(other, i)
		}
	}
	byUse := func(a, b int64) int { return cmp.Compare(p.parts[a].now.count(), p.parts[b].now.count()) }
	slices.SortStableFunc(little, byUse)
	slices.SortStableFunc(other, byUse)
	in := func(parts []int64) func() []run {
		return func() (free []run) {
			for _, i := range parts {
				free = append(free, p.freeOf(i, 0, p.part)...)
			}
			return free
		}
	}
	return &gapList{freed: join(freed), next: []func() []run{
		func() []run { return touched }, func() []run { return beside }, in(slices.Concat(little, empty)), func() []run { return rest }, in(other),
	}}
}
