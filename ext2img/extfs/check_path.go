package extfs

import (
	"slices"
	"strings"

	"purebundle/ext2img/internal/ondisk"
)

// place is a name in a directory.
type place struct {
	dir  uint32
	name string
}

// maxPlaces bounds the names that are kept to say where problems are.
const maxPlaces = 100_000

// maxProblemPath is the longest path of a problem in bytes, and with it
// maxDepth the longest way up to the root, which may be a circle.
const (
	maxProblemPath = 4096
	maxDepth       = maxProblemPath / 2
)

// resolve fills the paths of problems: it reads the directories once more for
// the names of the inodes that have problems, and once more for those of the
// directories that these turned out to be in. What is not found stays empty.
func (c *checker) resolve(list []Problem) {
	names := map[uint32]place{}
	for range 2 {
		need := map[uint32]bool{}
		for _, p := range list {
			c.needed(p.Ino, names, need)
		}
		if len(need) == 0 {
			break
		}
		c.findNames(names, need)
	}
	for i := range list {
		list[i].Path = c.path(list[i].Ino, names)
	}
}

// needed adds the inodes whose names are missing from the path of ino.
func (c *checker) needed(ino uint32, names map[uint32]place, need map[uint32]bool) {
	for range maxDepth {
		if ino <= ondisk.RootIno || len(need) == maxPlaces {
			return
		}
		if p, ok := names[ino]; ok {
			ino = p.dir
			continue
		}
		st := c.states.get(ino)
		if st == nil || need[ino] {
			return
		}
		need[ino] = true
		ino = st.parent // 0 for all but directories
	}
}

func (c *checker) findNames(names map[uint32]place, need map[uint32]bool) {
	for dir, st := range c.states.all() {
		if st.kind != ondisk.SIFDIR>>12 {
			continue
		}
		n := c.again(dir)
		if c.stopped() {
			return
		}
		if n == nil {
			continue
		}
		for b, err := range c.f.dirBlocks(n, c.dirData) {
			if err != nil {
				break
			}
			for e, err := range c.f.entries(b.data) {
				if err != nil {
					break
				}
				if _, known := names[e.ino]; known || !need[e.ino] || string(e.name) == "." || string(e.name) == ".." {
					continue
				}
				if target := c.states.get(e.ino); target == nil || target.kind == ondisk.SIFDIR>>12 && target.parent != dir {
					continue
				}
				names[e.ino] = place{dir, string(e.name)}
			}
		}
	}
}

// path joins names up to the root; "" if one is missing or the path would
// be too long.
func (c *checker) path(ino uint32, names map[uint32]place) string {
	if ino == ondisk.RootIno {
		return "/"
	}
	parts := c.parts[:0]
	length := 0
	for range maxDepth {
		p, ok := names[ino]
		if length += 1 + len(p.name); !ok || length > maxProblemPath {
			break
		}
		parts = append(parts, p.name)
		if ino = p.dir; ino == ondisk.RootIno {
			slices.Reverse(parts)
			c.parts = parts
			return "/" + strings.Join(parts, "/")
		}
	}
	c.parts = parts
	return ""
}
