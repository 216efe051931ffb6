package ext2img

// pages is a slice that grows without moving: a million records cost their own
// size, not twice it while they are copied.
type pages[T any] struct {
	page [][]T
	n    int
}

const pageLen = 4096 // records of a page

func (p *pages[T]) add(v T) int32 {
	if p.n%pageLen == 0 {
		p.page = append(p.page, make([]T, 0, pageLen))
	}
	last := &p.page[len(p.page)-1]
	*last = append(*last, v)
	p.n++
	return int32(p.n - 1)
}

func (p *pages[T]) at(i int32) *T { return &p.page[i/pageLen][i%pageLen] }

func (p *pages[T]) len() int32 { return int32(p.n) }

// arena holds strings of up to 64 KiB by the million, without a header each. A
// reference counts in units of arenaUnit bytes.
type arena struct {
	chunk [][]byte
	bytes int64 // in use
}

const (
	arenaChunk = 1 << 20 // bytes
	arenaUnit  = 2       // bytes
	maxText    = arenaUnit << 32
	noText     = 1<<32 - 1 // no reference
)

// add stores s and returns its reference; ok is false if the arena is full.
func (a *arena) add(s string) (ref uint32, ok bool) {
	if n := len(a.chunk); n == 0 || len(a.chunk[n-1])+2+len(s) > arenaChunk {
		if n == maxText/arenaChunk-1 {
			return 0, false
		}
		a.chunk = append(a.chunk, make([]byte, 0, arenaChunk))
	}
	last := &a.chunk[len(a.chunk)-1]
	old := len(*last)
	ref = uint32((int64(len(a.chunk)-1)*arenaChunk + int64(old)) / arenaUnit)
	*last = append(append(*last, byte(len(s)), byte(len(s)>>8)), s...)
	if len(s)%arenaUnit != 0 {
		*last = append(*last, 0)
	}
	a.bytes += int64(len(*last) - old)
	return ref, true
}

// cut takes out the string at ref and all that were added after it.
func (a *arena) cut(ref uint32) {
	off := int64(ref) * arenaUnit
	i, end := off/arenaChunk, off%arenaChunk
	for _, c := range a.chunk[i+1:] {
		a.bytes -= int64(len(c))
	}
	a.bytes -= int64(len(a.chunk[i])) - end
	a.chunk = a.chunk[:i+1]
	a.chunk[i] = a.chunk[i][:end]
}

// at returns the string and its length of 2 bytes before it.
func (a *arena) at(ref uint32) []byte {
	off := int64(ref) * arenaUnit
	return a.chunk[off/arenaChunk][off%arenaChunk:]
}

func (a *arena) get(ref uint32) string {
	c := a.at(ref)
	return string(c[2 : 2+(int(c[0])|int(c[1])<<8)])
}

// size returns the length of the string, without making it.
func (a *arena) size(ref uint32) int {
	c := a.at(ref)
	return int(c[0]) | int(c[1])<<8
}
