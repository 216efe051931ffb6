package work

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Buffers hands out buffers and takes them back. They are mapped, not allocated:
// the garbage collector lets the heap grow by a share of what is in use, and
// would let garbage gather for the sake of buffers that it need not look at. They
// begin on a page, as O_DIRECT wants it. The zero value is ready.
type Buffers struct {
	mu      sync.Mutex
	free    [][]byte
	dropped bool
}

// Get gives a buffer of size bytes, with anything in it. All have the same size.
func (b *Buffers) Get(size int) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		buf := b.free[n-1]
		b.free = b.free[:n-1]
		return buf, nil
	}
	buf, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("get a buffer of %d MiB: %w", size>>20, err)
	}
	return buf, nil
}

// Put takes a buffer back. Its user must not touch it any more.
func (b *Buffers) Put(buf []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dropped {
		_ = unix.Munmap(buf)
		return
	}
	b.free = append(b.free, buf)
}

// Drop gives the memory back to the system: now, or of buffers that are out, when
// they come back.
func (b *Buffers) Drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropped = true
	for _, buf := range b.free {
		_ = unix.Munmap(buf)
	}
	b.free = nil
}
