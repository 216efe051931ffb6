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

// arena holds strings of up to 64 KiB by the million, without a header each.
type arena struct{ chunk [][]byte }

const arenaChunk = 1 << 20 // bytes

// add stores s and gives its reference.
func (a *arena) add(s string) uint32 {
	if n := len(a.chunk); n == 0 || len(a.chunk[n-1])+2+len(s) > arenaChunk {
		a.chunk = append(a.chunk, make([]byte, 0, arenaChunk))
	}
	last := &a.chunk[len(a.chunk)-1]
	ref := uint32((len(a.chunk)-1)*arenaChunk + len(*last))
	*last = append(append(*last, byte(len(s)), byte(len(s)>>8)), s...)
	return ref
}

func (a *arena) get(ref uint32) string {
	c := a.chunk[ref/arenaChunk][ref%arenaChunk:]
	return string(c[2 : 2+(int(c[0])|int(c[1])<<8)])
}

// size is the length of the string, without making it.
func (a *arena) size(ref uint32) int {
	c := a.chunk[ref/arenaChunk][ref%arenaChunk:]
	return int(c[0]) | int(c[1])<<8
}
