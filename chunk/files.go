package chunk

import (
	"os"
	"slices"
	"sync"
)

// maxOpen is how many parts a Bundle keeps open.
const maxOpen = 32

// fileCache keeps the parts that were used last open.
type fileCache struct {
	mu     sync.Mutex
	closed bool
	recent []openPart // the last used at the end
}

type openPart struct {
	name string
	f    *os.File
}

// get returns the file of a part, opened with open if need be. It stays open
// until maxOpen others were asked for: a user must be ready for os.ErrClosed.
func (c *fileCache) get(name string, open func(string) (*os.File, error)) (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, os.ErrClosed
	}
	if at := slices.IndexFunc(c.recent, func(o openPart) bool { return o.name == name }); at >= 0 {
		o := c.recent[at]
		c.recent = append(slices.Delete(c.recent, at, at+1), o)
		return o.f, nil
	}
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	if len(c.recent) == maxOpen {
		c.recent[0].f.Close()
		c.recent = slices.Delete(c.recent, 0, 1)
	}
	c.recent = append(c.recent, openPart{name, f})
	return f, nil
}

func (c *fileCache) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *fileCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, o := range c.recent {
		o.f.Close()
	}
	c.recent = nil
}

// forget closes the file of a part, so that its blocks go when its name does.
func (c *fileCache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := slices.IndexFunc(c.recent, func(o openPart) bool { return o.name == name }); at >= 0 {
		c.recent[at].f.Close()
		c.recent = slices.Delete(c.recent, at, at+1)
	}
}
