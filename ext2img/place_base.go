package ext2img

import (
	"cmp"
	"maps"
	"slices"

	"purebundle/ext2img/internal/ondisk"
)

// How a layout with a base places things: what did not change stays where it is, and so does
// a file that was written to, or replaced by one of its length: often much of it is the same. What is
// new goes first into units of 512 KiB, then into parts, that must be made anyway because
// something went from them, then into parts that hold little or nothing.

// basePlacer fills an allocation with the places of a base.
type basePlacer struct {
	*old
	allocation
	part  int64              // blocks of a part
	parts map[int64]*partUse // by number; a part that is not in it is empty in both
	metas map[int64]bool     // parts that are for metadata
	extra []span             // data that has a new place, those of a node in a row
	free  []run              // of the parts for metadata
	found bool               // free is known
}

// Bounds of what a base is good for.
const (
	leastKept  = 4        // of so many blocks of data, one must be where it was
	smallImage = 64 << 20 // bytes of data; in a smaller image nothing is gained by a fresh layout
)

// allocate places everything, and says why that cannot be.
func (o *old) allocate() (allocation, error) {
	p := &basePlacer{old: o, allocation: allocation{g: o.geo}, part: o.p.PartSize / BlockSize,
		parts: make(map[int64]*partUse), metas: make(map[int64]bool)}
	if err := p.readUse(); err != nil {
		return allocation{}, err
	}
	d := o.demand()
	if least := int64(o.nodes.len()) + ondisk.FirstIno; (least+d.inodes)/2 > o.geo.inodes() {
		return allocation{}, errNoBase("it has too few inodes")
	}
	if err := p.keepFixed(); err != nil {
		return allocation{}, err
	}
	p.findMetas()
	if err := p.keepData(d); err != nil {
		return allocation{}, err
	}
	if err := p.keepPlaces(); err != nil {
		return allocation{}, err
	}
	if !p.placeMeta() || !p.placeData() || !p.placeTrees() {
		return allocation{}, errNoBase("it has too little room")
	}
	// A fresh layout leaves all of the room: with half of it left, it is time for one.
	if o.p.Size == 0 && o.geo.free()-p.used < d.room/2+o.geo.reserved() {
		return allocation{}, errNoBase("it has too little room")
	}
	p.order()
	p.findKept()
	return p.allocation, nil
}

var errCrossed = errNoBase("its blocks are not in order")

func (p *basePlacer) keepFixed() error {
	for _, r := range p.g.fixed() {
		if !p.keep(r.start, r.count) {
			return errCrossed
		}
	}
	return nil
}

// eachPart calls fn for the parts of blocks.
func (p *basePlacer) eachPart(start, count int64, fn func(part int64)) {
	for i := start / p.part; i*p.part < start+count; i++ {
		fn(i)
	}
}

// findMetas finds the parts that are for metadata.
func (p *basePlacer) findMetas() {
	mark := func(part int64) { p.metas[part] = true }
	for _, r := range append(p.g.flexes(), p.g.supers()[0]) {
		p.eachPart(r.start, r.count, mark)
	}
	for _, s := range p.meta {
		p.eachPart(int64(s.phys), int64(s.count), mark)
	}
	for _, phys := range p.acl {
		p.eachPart(phys, 1, mark)
	}
	for _, t := range p.old.trees {
		p.eachPart(int64(t.phys), 1, mark)
	}
}

// keepData takes the blocks of the files that did not change. Those that share a part
// with metadata must move: data is made first.
func (p *basePlacer) keepData(d demand) error {
	moved, blocks := make(map[int32]bool), int64(0)
	for _, s := range p.old.data {
		p.eachPart(int64(s.phys), int64(s.count), func(part int64) {
			if p.metas[part] {
				moved[s.owner] = true
			}
		})
	}
	if len(moved) > 0 {
		for n := range moved {
			p.nodes.at(n).traits &^= kept
		}
		p.old.data = slices.DeleteFunc(p.old.data, func(s span) bool { return moved[s.owner] })
		p.old.trees = slices.DeleteFunc(p.old.trees, func(t treeBlock) bool { return moved[t.owner] })
	}
	for _, s := range p.old.data {
		if !p.keep(int64(s.phys), int64(s.count)) {
			return errCrossed
		}
		blocks += int64(s.count)
	}
	for _, t := range p.old.trees {
		if !p.keep(int64(t.phys), 1) {
			return errCrossed
		}
	}
	if d.data*BlockSize > smallImage && blocks*leastKept < d.data {
		return errNoBase("too little is as it was")
	}
	return nil
}

// placeMeta places directories, slow symlinks and attributes, where they are in the base
// if they can.
func (p *basePlacer) placeMeta() bool {
	at := make(map[int32][]span, len(p.meta))
	for i := 0; i < len(p.meta); {
		end := i
		for end < len(p.meta) && p.meta[end].owner == p.meta[i].owner {
			end++
		}
		at[p.meta[i].owner] = p.meta[i:end]
		i = end
	}
	for n := range p.nodes.len() {
		nd := p.nodes.at(n)
		nd.span, nd.spans = 0, 0
		blocks := int64(0)
		switch {
		case nd.gone:
		case nd.fmt() == ondisk.SIFDIR:
			blocks = int64(p.tree.dirs[nd.ref].blocks)
		case nd.fmt() == ondisk.SIFLNK && nd.size > ondisk.FastSymlinkMax:
			blocks = 1
		}
		if blocks > 0 && !p.placeInode(n, blocks, at[n]) {
			return false
		}
	}
	for i := range p.xattrs.block.len() {
		phys, ok := p.acl[i]
		if ok = ok && p.keep(phys, 1); !ok {
			if phys, ok = p.metaBlock(); !ok {
				return false
			}
		}
		p.xattrs.block.at(i).phys = uint32(phys)
		p.add(run{phys, 1}, 0, ^i)
	}
	return true
}

// placeInode places the blocks of a directory or symlink, the first of them where they
// are in the base.
func (p *basePlacer) placeInode(n int32, blocks int64, at []span) bool {
	nd := p.nodes.at(n)
	nd.span = int32(len(p.spans))
	logical := int64(0)
	for _, s := range at {
		count := min(int64(s.count), blocks-logical)
		if count <= 0 || int64(s.logical) != logical || !p.keep(int64(s.phys), count) {
			break
		}
		p.add(run{int64(s.phys), count}, logical, n)
		logical += count
	}
	for ; logical < blocks; logical++ {
		b, ok := p.metaBlock()
		if !ok {
			return false
		}
		if k := len(p.spans) - 1; k >= int(nd.span) && p.spans[k].end() == b {
			p.spans[k].count++
			p.used++
			continue
		}
		p.add(run{b, 1}, logical, n)
	}
	nd.spans = int32(len(p.spans)) - nd.span
	return true
}

func (p *basePlacer) add(r run, logical int64, owner int32) {
	p.spans = append(p.spans, span{uint32(r.start), uint32(r.count), uint32(logical), owner})
	p.used += r.count
}

// metaBlock finds a block for metadata: in a part for it, else in one that is empty.
func (p *basePlacer) metaBlock() (block int64, ok bool) {
	if !p.found {
		p.found = true
		for _, part := range slices.Sorted(maps.Keys(p.metas)) {
			p.free = append(p.free, p.freeOf(part, 0, p.part)...)
		}
	}
	for {
		c := cursor{p.free}
		if c.take(1, func(r run) { block = r.start }) {
			p.free = c.free
			if p.use(block).now.has(block % p.part) { // a place in the base that was taken meanwhile
				continue
			}
			p.claim(run{block, 1})
			return block, true
		}
		part, found := p.emptyPart()
		if !found {
			return 0, false
		}
		p.metas[part] = true
		p.free = p.freeOf(part, 0, p.part)
	}
}

// keepPlaces takes the blocks that files which changed have in the base, of those that
// share no part with metadata.
func (p *basePlacer) keepPlaces() error {
	list := p.old.older
	p.old.older = nil
	for len(list) > 0 {
		n, end, ok := list[0].owner, 0, true
		for ; end < len(list) && list[end].owner == n; end++ {
			p.eachPart(int64(list[end].phys), int64(list[end].count), func(part int64) { ok = ok && !p.metas[part] })
		}
		if ok {
			was := list[:end]
			p.eachPiece(n, was, func(_, count, phys int64) { ok = ok && (phys == 0 || p.keepFor(phys, count)) })
			if !ok {
				return errCrossed
			}
			p.old.older = append(p.old.older, was...)
		}
		list = list[end:]
	}
	return nil
}

// eachPiece calls fn for the data of a file, piece by piece, with the block that was has for
// it in the base, 0 if it has none.
func (p *basePlacer) eachPiece(n int32, was []span, fn func(logical, count, phys int64)) {
	p.eachData(n, func(logical, count int64) {
		for count > 0 {
			for len(was) > 0 && int64(was[0].logical)+int64(was[0].count) <= logical {
				was = was[1:]
			}
			k, phys := count, int64(0)
			if len(was) > 0 {
				skip := logical - int64(was[0].logical)
				if skip < 0 {
					k = min(k, -skip)
				} else {
					k, phys = min(k, int64(was[0].count)-skip), int64(was[0].phys)+skip
				}
			}
			fn(logical, k, phys)
			logical, count = logical+k, count-k
		}
	})
}

// placeData places the data of the files that are new or changed: where keepPlaces found a
// place, or else in gaps.
func (p *basePlacer) placeData() bool {
	for i := 0; i < len(p.old.older); { // until order says where data is, span and spans say it of the base
		nd := p.nodes.at(p.old.older[i].owner)
		for nd.span = int32(i); i < len(p.old.older) && p.nodes.at(p.old.older[i].owner) == nd; i++ {
			nd.spans++
		}
	}
	gaps := p.gaps()
	for _, n := range p.dataOrder() {
		nd := p.nodes.at(n)
		if nd.gone {
			continue
		}
		was := p.old.older[nd.span : nd.span+nd.spans]
		nd.span, nd.spans = 0, 0
		ok := true
		p.eachPiece(n, was, func(logical, count, phys int64) {
			for r := (run{phys, count}); count > 0 && ok; logical, count = logical+r.count, count-r.count {
				if phys == 0 {
					if r, ok = gaps.take(count); !ok {
						return
					}
					p.claim(r)
				}
				p.extra = append(p.extra, span{uint32(r.start), uint32(r.count), uint32(logical), n})
			}
		})
		if !ok {
			return false
		}
	}
	return true
}

// placeTrees places the blocks of extent trees: of files that did not change where they
// are, of others among metadata.
func (p *basePlacer) placeTrees() bool {
	p.allocation.trees = append([]treeBlock{}, p.old.trees...)
	for i := 0; i < len(p.extra); {
		n, extents := p.extra[i].owner, 0
		for ; i < len(p.extra) && p.extra[i].owner == n; i++ {
			extents += int(ceilDiv(int64(p.extra[i].count), ondisk.MaxExtentLen))
		}
		for k := range treeSize(extents) {
			b, ok := p.metaBlock()
			if !ok {
				return false
			}
			p.allocation.trees = append(p.allocation.trees, treeBlock{phys: uint32(b), owner: n, index: int32(k)})
		}
	}
	p.used += int64(len(p.allocation.trees))
	return true
}

// order puts the data behind the metadata, those of a node in a row, and lists all by block.
func (p *basePlacer) order() {
	p.allocation.data = len(p.spans)
	p.held = p.allocation.data
	for _, list := range [][]span{p.old.data, p.extra} {
		for _, s := range list {
			nd := p.nodes.at(s.owner)
			if nd.spans == 0 {
				nd.span = int32(len(p.spans))
			}
			p.spans = append(p.spans, s)
			nd.spans++
			p.used += int64(s.count)
		}
	}
	p.late = len(p.spans)
	p.byPhys = make([]int32, len(p.spans))
	for i := range p.byPhys {
		p.byPhys[i] = int32(i)
	}
	slices.SortFunc(p.byPhys, func(a, b int32) int { return cmp.Compare(p.spans[a].phys, p.spans[b].phys) })
}

// findKept finds the parts that are as they are in the base: nothing went from them, and
// nothing came.
func (p *basePlacer) findKept() {
	p.keeps = make(map[int64]bool)
	for i, u := range p.parts {
		if !p.metas[i] && !u.fresh && u.now.count() > 0 && slices.Equal(u.old, u.now) {
			p.keeps[i] = true
		}
	}
}
