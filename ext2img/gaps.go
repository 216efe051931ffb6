package ext2img

import (
	"math/bits"
	"slices"
)

// gapList hands out free blocks to files that come one after another. First it fills the
// places that were freed, in order, a file over several of them if need be, so that files
// which came together lie together again. What is too short to go on in is for files that
// it holds whole, of those that find no room there. Then come other blocks.
type gapList struct {
	freed []run          // the first is being filled
	next  []func() []run // other blocks, in the order in which they are to be used
	runs  []run          // of next, the first is being filled
	left  [32][]run      // what is too short, by the power of two of its length
}

const (
	looks      = 8  // gaps of one class that are looked at for one that is large enough
	leastPiece = 16 // blocks, 64 KiB: no shorter piece of a file is put alone, unless room is short
)

// take returns a run of at most count blocks; ok is false if no block is free.
func (l *gapList) take(count int64) (r run, ok bool) {
	if r, ok := l.fill(&l.freed, count); ok {
		return r, true
	}
	if r, ok := l.fit(count); ok {
		return r, true
	}
	for {
		if r, ok := l.fill(&l.runs, count); ok {
			return r, true
		}
		if len(l.next) == 0 {
			return l.largest(count)
		}
		l.runs, l.next = join(l.next[0]()), l.next[1:]
	}
}

// fill takes the first blocks of runs, count of them or a piece that is long enough, and
// keeps for others what is too short.
func (l *gapList) fill(runs *[]run, count int64) (run, bool) {
	for ; len(*runs) > 0; *runs = (*runs)[1:] {
		first := &(*runs)[0]
		if n := min(count, first.count); n == count || n >= leastPiece {
			r := run{first.start, n}
			first.start, first.count = first.start+n, first.count-n
			return r, true
		}
		l.add(*first)
	}
	return run{}, false
}

// add adds a gap to those that are left.
func (l *gapList) add(r run) {
	if r.count > 0 {
		c := bits.Len32(uint32(r.count)) - 1
		l.left[c] = append(l.left[c], r)
	}
}

// cut returns the first blocks of a gap, count at most, and keeps the others.
func (l *gapList) cut(r run, count int64) run {
	count = min(count, r.count)
	l.add(run{r.start + count, r.count - count})
	return run{r.start, count}
}

// fit takes count blocks from the start of a gap that has them.
func (l *gapList) fit(count int64) (run, bool) {
	for c := bits.Len32(uint32(count)) - 1; c < len(l.left); c++ {
		list := l.left[c]
		for i := len(list) - 1; i >= max(0, len(list)-looks); i-- {
			if r := list[i]; r.count >= count {
				l.left[c] = slices.Delete(list, i, i+1)
				return l.cut(r, count), true
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
			return l.cut(r, count), true
		}
	}
	return run{}, false
}
