package extfs

import (
	"iter"
	"math/bits"
)

// bitset is a set of numbers that holds memory only for those ranges that have some:
// 1 KiB for each 8,192 of them.
type bitset struct {
	chunks map[uint64]*bitsetChunk
	last   *bitsetChunk // the chunk that was used last
	lastNo uint64
}

type bitsetChunk [chunkBits / 64]uint64

const chunkBits = 8192

// find returns the chunk that a number is in, nil if it has none.
func (s *bitset) find(n uint64) *bitsetChunk {
	no := n / chunkBits
	if s.last != nil && s.lastNo == no {
		return s.last
	}
	c := s.chunks[no]
	if c != nil {
		s.last, s.lastNo = c, no
	}
	return c
}

// word gives the 64 numbers that n is one of, for writing.
func (s *bitset) word(n uint64) *uint64 {
	c := s.find(n)
	if c == nil {
		if s.chunks == nil {
			s.chunks = map[uint64]*bitsetChunk{}
		}
		c = new(bitsetChunk)
		s.chunks[n/chunkBits] = c
		s.last, s.lastNo = c, n/chunkBits
	}
	return &c[n%chunkBits/64]
}

func (s *bitset) has(n uint64) bool { return s.bits(n)&1 != 0 }

// bits gives the 64 numbers from n on, n itself being the lowest bit.
func (s *bitset) bits(n uint64) uint64 {
	low := uint64(0)
	if c := s.find(n); c != nil {
		low = c[n%chunkBits/64] >> (n % 64)
	}
	if n%64 == 0 {
		return low
	}
	next := n + 64 - n%64
	if c := s.find(next); c != nil {
		low |= c[next%chunkBits/64] << (64 - n%64)
	}
	return low
}

// set adds a number.
func (s *bitset) set(n uint64) { *s.word(n) |= 1 << (n % 64) }

// setRange adds numbers; it gives the first that was there, and how many.
func (s *bitset) setRange(start, count uint64) (first, again uint64) {
	for n := start; n < start+count; {
		shift := n % 64
		width := min(64-shift, start+count-n)
		mask := ^uint64(0) >> (64 - width) << shift
		word := s.word(n)
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

// inodeState has what Check must remember of an inode in use.
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
	markIndexed // a hashed directory
)

// states holds the inodes in use, in chunks of 8 KiB.
type states struct {
	chunks map[uint32]*[stateChunk]inodeState
	max    uint32                  // the last chunk with one
	last   *[stateChunk]inodeState // the chunk that was used last
	lastNo uint32
}

const stateChunk = 512

// get returns the state of an inode, nil if it is not in use.
func (s *states) get(ino uint32) *inodeState {
	c := s.last
	if no := ino / stateChunk; c == nil || s.lastNo != no {
		if c = s.chunks[no]; c == nil {
			return nil
		}
		s.last, s.lastNo = c, no
	}
	if c[ino%stateChunk].kind == 0 {
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
