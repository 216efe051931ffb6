package extfs

import (
	"iter"
	"math/bits"
)

// bitset is a set of numbers that holds memory only where there are some:
// 4 KiB for each 32,768 of them.
type bitset struct {
	chunks map[uint64]*[bitsetChunk / 64]uint64
	last   *[bitsetChunk / 64]uint64 // the chunk that was used last
	lastNo uint64
}

const bitsetChunk = 32768

func (s *bitset) chunk(no uint64) *[bitsetChunk / 64]uint64 {
	if s.last != nil && s.lastNo == no {
		return s.last
	}
	c := s.chunks[no]
	if c == nil {
		if s.chunks == nil {
			s.chunks = map[uint64]*[bitsetChunk / 64]uint64{}
		}
		c = new([bitsetChunk / 64]uint64)
		s.chunks[no] = c
	}
	s.last, s.lastNo = c, no
	return c
}

func (s *bitset) has(n uint64) bool {
	if s.last == nil || s.lastNo != n/bitsetChunk {
		c := s.chunks[n/bitsetChunk]
		if c == nil {
			return false
		}
		s.last, s.lastNo = c, n/bitsetChunk
	}
	return s.last[n%bitsetChunk/64]>>(n%64)&1 != 0
}

// set adds a number and gives whether it was there.
func (s *bitset) set(n uint64) bool {
	word := &s.chunk(n / bitsetChunk)[n%bitsetChunk/64]
	was := *word>>(n%64)&1 != 0
	*word |= 1 << (n % 64)
	return was
}

// setRange adds numbers; it gives the first that was there, and how many.
func (s *bitset) setRange(start, count uint64) (first, again uint64) {
	for n := start; n < start+count; {
		shift := n % 64
		width := min(64-shift, start+count-n)
		mask := ^uint64(0) >> (64 - width) << shift
		word := &s.chunk(n / bitsetChunk)[n%bitsetChunk/64]
		if old := *word & mask; old != 0 {
			if again == 0 {
				first = n - shift + uint64(bits.TrailingZeros64(old))
			}
			again += uint64(bits.OnesCount64(old))
		}
		*word |= mask
		n += width
	}
	return first, again
}

// inodeState is what Check remembers of an inode in use.
type inodeState struct {
	links  uint32 // entries found that name it
	parent uint32 // of a directory: the directory that names it
	dotdot uint32 // of a directory: what its ".." says
	nlink  uint16 // i_links_count
	kind   uint8  // type bits of the mode >> 12; 0: not in use
	marks  uint8
}

const (
	markBad       = 1 << iota // its blocks or fields are not to be trusted
	markHidden                // reserved: needs no name
	markConnected             // a way from the root was found
	markVisiting
)

// states holds the inodes in use, in chunks of 64 KiB.
type states struct {
	chunks map[uint32]*[stateChunk]inodeState
	max    uint32 // the last chunk with one
}

const stateChunk = 4096

// get gives the state of an inode, nil where it is not in use.
func (s *states) get(ino uint32) *inodeState {
	c := s.chunks[ino/stateChunk]
	if c == nil || c[ino%stateChunk].kind == 0 {
		return nil
	}
	return &c[ino%stateChunk]
}

func (s *states) put(ino uint32, st inodeState) {
	no := ino / stateChunk
	if s.chunks[no] == nil {
		if s.chunks == nil {
			s.chunks = map[uint32]*[stateChunk]inodeState{}
		}
		s.chunks[no] = new([stateChunk]inodeState)
		s.max = max(s.max, no)
	}
	s.chunks[no][ino%stateChunk] = st
}

// all gives the inodes in use in ascending order.
func (s *states) all() iter.Seq2[uint32, *inodeState] {
	return func(yield func(uint32, *inodeState) bool) {
		for no := uint32(0); s.chunks != nil && no <= s.max; no++ {
			c := s.chunks[no]
			if c == nil {
				continue
			}
			for i := range c {
				if c[i].kind != 0 && !yield(no*stateChunk+uint32(i), &c[i]) {
					return
				}
			}
		}
	}
}
