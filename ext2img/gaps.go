package ext2img

import (
	"math/bits"
	"slices"
)

// gapList hands out free blocks to files that come one after another. First it fills the
// places that were freed, in order, a file over several of them if need be, so that files
// which came together lie together again. What is too short to go on in is for files that
// it holds whole, of those that find no room there. Then come other blocks, as they do at
// once for a large file that would be cut into very many pieces.
type gapList struct {
	freed []run          // the first is being filled
	next  []func() []run // other blocks, in the order in which they are to be used
	runs  []run          // of next, the first is being filled
	left  [32][]run      // what is too short, by the power of two of its length
}

const (
	looks      = 8   // gaps of one class that are looked at for one that is large enough
	ahead      = 256 // freed places that are looked at for one that holds enough of a large file
	leastPiece = 16  // blocks, 64 KiB: a shorter piece of a file is put nowhere but at its end, unless room is short
	leastShare = 64  // and no less than one of so many of what is to be put
)

// take returns a run of at most count blocks; ok is false if no block is free.
func (l *gapList) take(count int64) (r run, ok bool) {
	if r, ok := l.refill(count); ok {
		return r, true
	}
	if r, ok := l.fit(count); ok {
		return r, true
	}
	for {
		l.runs = l.dropShort(l.runs, count)
		switch {
		case len(l.runs) > 0:
			return l.runs[0].cut(count), true
		case len(l.next) > 0:
			l.runs, l.next = join(l.next[0]()), l.next[1:]
		case len(l.freed) > 0: // room is short
			return l.freed[0].cut(count), true
		default:
			return l.largest(count)
		}
	}
}

// refill takes the first blocks of a place that was freed.
func (l *gapList) refill(count int64) (run, bool) {
	l.freed = l.dropShort(l.freed, count)
	least := max(leastPiece, count/leastShare)
	for i := range l.freed[:min(len(l.freed), ahead)] {
		if r := &l.freed[i]; r.count >= min(count, least) {
			return r.cut(count), true
		}
	}
	return run{}, false
}

// dropShort returns the runs from the first one on in which count blocks or a piece of them
// may lie, and keeps for others what is before it.
func (l *gapList) dropShort(runs []run, count int64) []run {
	for len(runs) > 0 && runs[0].count < min(count, leastPiece) {
		l.add(runs[0])
		runs = runs[1:]
	}
	return runs
}

// cut takes the first blocks of a run from it, count at most.
func (r *run) cut(count int64) run {
	first := run{r.start, min(count, r.count)}
	r.start, r.count = r.start+first.count, r.count-first.count
	return first
}

// add adds a gap to those that are left.
func (l *gapList) add(r run) {
	if r.count > 0 {
		c := bits.Len32(uint32(r.count)) - 1
		l.left[c] = append(l.left[c], r)
	}
}

// part returns the first blocks of a gap, count at most, and keeps the others.
func (l *gapList) part(gap run, count int64) run {
	first := gap.cut(count)
	l.add(gap)
	return first
}

// fit takes count blocks from the start of a gap that has them.
func (l *gapList) fit(count int64) (run, bool) {
	for c := bits.Len32(uint32(count)) - 1; c < len(l.left); c++ {
		list := l.left[c]
		for i := len(list) - 1; i >= max(0, len(list)-looks); i-- {
			if r := list[i]; r.count >= count {
				l.left[c] = slices.Delete(list, i, i+1)
				return l.part(r, count), true
			}
		}
	}
	return run{}, false
}

// largest takes count blocks at most from one of the largest gaps.
func (l *gapList) largest(count int64) (run, bool) {
	for c := len(l.left) - 1; c >= 0; c-- {
		if n := len(l.left[c]); n > 0 {
			r := l.left[c][n-1]
			l.left[c] = l.left[c][:n-1]
			return l.part(r, count), true
		}
	}
	return run{}, false
}
