package walker

import (
	"sync"

	"golang.org/x/sys/unix"
)

// maxCachedDirs is how many directories stay open between calls of Open.
const maxCachedDirs = 64

// dirCache keeps the directories opened last, so that the files of one directory cost one look-up of it.
type dirCache struct {
	mu   sync.Mutex
	open map[string]*cachedDir
	tick uint64
}

type cachedDir struct {
	key  string
	fd   int
	refs int    // calls that use fd at the moment
	used uint64 // tick of the last use
	old  bool   // was in the cache before this use
	dead bool   // no longer in the cache: closed by its last user
}

func (c *dirCache) get(key string) *cachedDir {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.open[key]
	if d != nil {
		c.use(d)
		d.old = true
	}
	return d
}

func (c *dirCache) use(d *cachedDir) {
	c.tick++
	d.refs++
	d.used = c.tick
}

// put takes over fd, or closes it if another goroutine was faster.
func (c *dirCache) put(key string, fd int) *cachedDir {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.open[key]; d != nil {
		unix.Close(fd)
		c.use(d)
		return d
	}
	if c.open == nil {
		c.open = make(map[string]*cachedDir, maxCachedDirs)
	}
	for len(c.open) >= maxCachedDirs {
		var oldest *cachedDir
		for _, d := range c.open {
			if oldest == nil || d.used < oldest.used {
				oldest = d
			}
		}
		c.drop(oldest)
	}
	d := &cachedDir{key: key, fd: fd}
	c.use(d)
	c.open[key] = d
	return d
}

// drop takes d out of the cache.
func (c *dirCache) drop(d *cachedDir) {
	delete(c.open, d.key)
	d.dead = true
	if d.refs == 0 {
		unix.Close(d.fd)
	}
}

// release ends one use of d, which had the given result. A name that was not found in a directory that the cache held before makes
// the directory suspect: it is dropped, and release says true.
func (c *dirCache) release(d *cachedDir, result error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.refs--
	stale := result == unix.ENOENT && d.old
	if stale && !d.dead {
		c.drop(d)
		return true
	}
	if d.dead && d.refs == 0 {
		unix.Close(d.fd)
	}
	return stale
}

func (c *dirCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.open {
		c.drop(d)
	}
}
