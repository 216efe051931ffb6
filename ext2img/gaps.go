package ext2img

import (
	"math/bits"
	"slices"
)

// gapList hands out free blocks: the smallest gap of those that a run fits in, nearly,
// then parts that are clean so far, one after another.
type gapList struct {
	classes [32][]run                    // by the power of two of their lengths
	tail    run                          // what is left of the last clean parts
	more    func() (free []run, ok bool) // the free blocks of the next clean part
}

const (
	looks    = 8   // gaps of one class that are looked at for one that is large enough
	largeGap = 256 // blocks: 1 MiB; a run that fits in no gap is cut to fill one of those
)

// add adds a gap.
func (l *gapList) add(r run) {
	if r.count > 0 {
		c := bits.Len32(uint32(r.count)) - 1
		l.classes[c] = append(l.classes[c], r)
	}
}

// take returns a run of at most count blocks; ok is false if no block is free.
func (l *gapList) take(count int64) (r run, ok bool) {
	if r, ok := l.fit(count); ok {
		return r, true
	}
	if r, ok := l.largest(largeGap); ok {
		return l.cut(r, count), true
	}
	for l.tail.count < count && l.extend() {
		if r, ok := l.fit(count); ok { // a part that is little used had it
			return r, true
		}
	}
	if l.tail.count == 0 {
		r, ok := l.largest(1)
		return l.cut(r, count), ok
	}
	r = run{l.tail.start, min(count, l.tail.count)}
	l.tail.start, l.tail.count = l.tail.start+r.count, l.tail.count-r.count
	return r, true
}

// cut returns the first blocks of a gap, count at most, and keeps the others.
func (l *gapList) cut(r run, count int64) run {
	count = min(count, r.count)
	l.add(run{r.start + count, r.count - count})
	return run{r.start, count}
}

// fit takes count blocks from the start of a gap that has them.
func (l *gapList) fit(count int64) (run, bool) {
	for c := bits.Len32(uint32(count)) - 1; c < len(l.classes); c++ {
		list := l.classes[c]
		for i := len(list) - 1; i >= max(0, len(list)-looks); i-- {
			if r := list[i]; r.count >= count {
				l.classes[c] = slices.Delete(list, i, i+1)
				return l.cut(r, count), true
			}
		}
	}
	return run{}, false
}

// largest takes one of the largest gaps, if it has least blocks.
func (l *gapList) largest(least int64) (run, bool) {
	for c := len(l.classes) - 1; c >= 0; c-- {
		if n := len(l.classes[c]); n > 0 {
			r := l.classes[c][n-1]
			if r.count < least {
				return run{}, false
			}
			l.classes[c] = l.classes[c][:n-1]
			return r, true
		}
	}
	return run{}, false
}

// extend adds the next clean part, and says whether there was one.
func (l *gapList) extend() bool {
	free, ok := l.more()
	for _, r := range free {
		switch {
		case l.tail.count > 0 && l.tail.end() == r.start:
			l.tail.count += r.count
		case r.count > l.tail.count:
			l.add(l.tail)
			l.tail = r
		default:
			l.add(r)
		}
	}
	return ok
}
