package ext2img

import (
	"slices"

	"purebundle/ext2img/internal/ondisk"
)

// placer fills an allocation.
type placer struct {
	*tree
	allocation
	part int64 // blocks of a part
}

// run places everything, and says whether it fits. Tight uses up the space
// between the directories and the next part.
func (p *placer) run(tight bool) bool {
	if _, ok := p.g.journal(); !ok {
		return false
	}
	all, fixed := run{0, p.g.blocks}, p.g.fixed()

	meta := cursor{free: gaps(all, fixed)}
	if !p.metadata(&meta) {
		return false
	}
	p.data = len(p.spans)
	mixed := p.wholeParts(append(p.g.flexes(), p.g.supers()[0]))
	for _, s := range p.spans {
		mixed = append(mixed, p.wholeParts([]run{{int64(s.phys), int64(s.count)}})...)
	}
	gap := cursor{free: gaps(p.restOfPart(meta.pos()), fixed)}
	if tight {
		p.dataInto(&gap, func(blocks int64) bool { return blocks <= gap.left() })
	}
	p.held = len(p.spans)
	rest := cursor{free: gaps(all, append(fixed, mixed...))}
	if !p.dataInto(&rest, func(int64) bool { return true }) {
		return false
	}
	p.late = len(p.spans)
	return p.extentTrees(&gap, &rest)
}

// metadata places directories, slow symlinks and attribute blocks.
func (p *placer) metadata(c *cursor) bool {
	for n := range p.nodes.len() {
		nd := p.nodes.at(n)
		nd.span, nd.spans = 0, 0
		blocks := int64(0)
		switch {
		case nd.gone:
		case nd.fmt() == ondisk.SIFDIR:
			blocks = int64(p.dirs[nd.ref].blocks)
		case nd.fmt() == ondisk.SIFLNK && nd.size > ondisk.FastSymlinkMax:
			blocks = 1
		}
		if blocks > 0 && !p.take(c, n, 0, blocks) {
			return false
		}
	}
	for i := range p.xattrs.block.len() {
		if !c.take(1, func(r run) {
			p.xattrs.block.at(i).phys = uint32(r.start)
			p.add(r, 0, ^i)
		}) {
			return false
		}
	}
	return true
}

// dataInto places the data of the files that have no place yet and that fits
// accepts, and says whether all accepted ones had room.
func (p *placer) dataInto(c *cursor, fits func(blocks int64) bool) bool {
	for _, n := range p.dataOrder() {
		nd := p.nodes.at(n)
		if nd.spans > 0 {
			continue
		}
		blocks, ok := int64(0), true
		p.eachData(n, func(_, count int64) { blocks += count })
		if blocks == 0 || !fits(blocks) {
			continue
		}
		p.eachData(n, func(logical, count int64) { ok = ok && p.take(c, n, logical, count) })
		if !ok {
			return false
		}
	}
	return true
}

// take places blocks of node n.
func (p *placer) take(c *cursor, n int32, logical, count int64) bool {
	nd := p.nodes.at(n)
	if nd.spans == 0 {
		nd.span = int32(len(p.spans))
	}
	ok := c.take(count, func(r run) {
		p.add(r, logical, n)
		logical += r.count
	})
	nd.spans = int32(len(p.spans)) - nd.span
	return ok
}

func (p *placer) add(r run, logical int64, owner int32) {
	p.spans = append(p.spans, span{uint32(r.start), uint32(r.count), uint32(logical), owner})
	p.used += r.count
}

// extentTrees places the tree blocks of the inodes whose extents need them:
// behind the directories if there is room in their last part, else in parts of
// their own behind the data.
func (p *placer) extentTrees(gap, rest *cursor) bool {
	var trees []treeBlock
	for n := range p.nodes.len() {
		if nd := p.nodes.at(n); nd.spans > 0 {
			extents := 0
			for _, s := range p.spans[nd.span : nd.span+nd.spans] {
				extents += int(ceilDiv(int64(s.count), ondisk.MaxExtentLen))
			}
			for i := range treeSize(extents) {
				trees = append(trees, treeBlock{owner: n, index: int32(i)})
			}
		}
	}
	c := gap
	if gap.left() < int64(len(trees)) {
		c = rest
		c.skipTo(ceilDiv(c.pos(), p.part) * p.part)
	}
	for i := range trees {
		if !c.take(1, func(r run) { trees[i].phys = uint32(r.start) }) {
			return false
		}
	}
	p.trees, p.used = trees, p.used+int64(len(trees))
	return true
}

// wholeParts widens runs to the parts that they touch.
func (p *placer) wholeParts(rs []run) []run {
	out := make([]run, len(rs))
	for i, r := range rs {
		start := r.start / p.part * p.part
		out[i] = run{start, ceilDiv(r.end(), p.part)*p.part - start}
	}
	return out
}

// restOfPart returns the blocks of a part from pos on.
func (p *placer) restOfPart(pos int64) run {
	return run{pos, min(ceilDiv(pos, p.part)*p.part, p.g.blocks) - pos}
}

// cursor hands out free blocks in ascending order.
type cursor struct{ free []run }

// take gives count blocks to fn in runs, and says whether there were so many.
func (c *cursor) take(count int64, fn func(run)) bool {
	for count > 0 {
		if len(c.free) == 0 {
			return false
		}
		f := &c.free[0]
		n := min(count, f.count)
		fn(run{f.start, n})
		count -= n
		f.start, f.count = f.start+n, f.count-n
		if f.count == 0 {
			c.free = c.free[1:]
		}
	}
	return true
}

// left returns the number of free blocks.
func (c *cursor) left() (n int64) {
	for _, r := range c.free {
		n += r.count
	}
	return n
}

// pos returns the next block that take gives.
func (c *cursor) pos() int64 {
	if len(c.free) == 0 {
		return 0
	}
	return c.free[0].start
}

// skipTo drops free blocks below pos.
func (c *cursor) skipTo(pos int64) {
	for len(c.free) > 0 && c.free[0].end() <= pos {
		c.free = c.free[1:]
	}
	if len(c.free) > 0 && c.free[0].start < pos {
		c.free[0].count -= pos - c.free[0].start
		c.free[0].start = pos
	}
}

// join makes one run of those that lie side by side.
func join(runs []run) (out []run) {
	for _, r := range runs {
		if n := len(out); n > 0 && out[n-1].end() == r.start {
			out[n-1].count += r.count
		} else {
			out = append(out, r)
		}
	}
	return out
}

// gaps lists the blocks of r that are in none of the used runs, ascending.
func gaps(r run, used []run) (free []run) {
	used = slices.Clone(used)
	slices.SortFunc(used, func(a, b run) int { return int(a.start - b.start) })
	pos := r.start
	for _, u := range used {
		if u.start > pos && pos < r.end() {
			free = append(free, run{pos, min(u.start, r.end()) - pos})
		}
		pos = max(pos, u.end())
	}
	if pos < r.end() {
		free = append(free, run{pos, r.end() - pos})
	}
	return free
}
