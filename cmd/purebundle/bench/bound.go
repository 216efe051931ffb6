package main

import (
	"bytes"
	"io"

	"purebundle/ext2img/extfs"
)

// bound says how few blocks of 512 KiB of a second image can differ from those of the
// first, for the data of files alone: what the file system itself needs (directories,
// inodes, bitmaps) is not in it.
//
// Both trees are compared file by file, by path, and files in pages of 4 KiB: a page is
// new if the first tree has no file of that path, or another page, or none, at that
// offset; it is freed if the second has not that page there. A page of zeros is neither, as
// it costs nothing where zeros were. A file that was renamed counts as a new one and a freed
// one: its data is not looked for elsewhere.
type bound struct {
	Files int   // that are new, or of which a page is
	Whole int64 // pages of all these files, those that are not new too
	New   int64 // pages
	Freed int64 // pages

	// Least is what no layout can be below: the new pages, 128 in a block.
	Least int64
	// Kept is the same if the first image is laid out as it is and what was freed must not
	// stay in the second: all blocks that hold a freed page change. What is new lies
	// in these, in the freed places and those that were free, and what does not fit there in
	// as many blocks as it fills.
	Kept int64
}

// WholeBlocks returns how many blocks the new and changed files fill, with all of their pages.
func (b *bound) WholeBlocks() int64 { return ceil(b.Whole, gridPages) }

func ceil(n, of int64) int64 { return (n + of - 1) / of }

// comparison is a look at two file systems.
type comparison struct {
	old, now *extfs.FS
	p, q     parts
	grid     []bool          // blocks of 512 KiB that differ
	seen     map[uint32]bool // inodes of now
	stays    map[uint64]bool // pages of old, by their place: the second tree has them at the same offset of the same path
	a, b     [pageSize]byte
	bound
}

// lowerBound compares the trees in two images, of which grid says which blocks differ.
func lowerBound(p, q parts, grid []bool) (bound, error) {
	c := &comparison{p: p, q: q, grid: grid, seen: make(map[uint32]bool), stays: make(map[uint64]bool)}
	var err error
	if c.old, err = extfs.Open(p, p.size()); err != nil {
		return bound{}, err
	}
	if c.now, err = extfs.Open(q, q.size()); err != nil {
		return bound{}, err
	}
	root, err := c.now.Root()
	if err != nil {
		return bound{}, err
	}
	was, err := c.old.Root()
	if err != nil {
		return bound{}, err
	}
	if err := c.dir(root, was); err != nil {
		return bound{}, err
	}
	if err := c.zeroed(); err != nil {
		return bound{}, err
	}
	c.Least = ceil(c.New, gridPages)
	return c.bound, nil
}

// dir compares what a directory has; was is nil if the first tree has none of that path.
func (c *comparison) dir(n, was *extfs.Inode) error {
	before := make(map[string]uint32)
	if was != nil && was.IsDir() {
		for e, err := range c.old.ReadDir(was) {
			if err != nil {
				return err
			}
			before[e.Name] = e.Ino
		}
	}
	list, err := c.now.ReadDirSorted(n)
	if err != nil {
		return err
	}
	for _, e := range list {
		n, err := c.now.Inode(e.Ino)
		if err != nil {
			return err
		}
		var was *extfs.Inode
		if ino, ok := before[e.Name]; ok {
			if was, err = c.old.Inode(ino); err != nil {
				return err
			}
		}
		switch {
		case n.IsDir():
			err = c.dir(n, was)
		case n.IsRegular() && !c.seen[n.Ino]:
			c.seen[n.Ino] = true
			err = c.file(n, was)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file compares the pages of a file.
func (c *comparison) file(n, was *extfs.Inode) error {
	var before []extfs.Extent
	if was != nil && was.IsRegular() {
		for e, err := range c.old.Extents(was) {
			if err != nil {
				return err
			}
			before = append(before, e)
		}
	}
	pages, added := int64(0), int64(0)
	for e, err := range c.now.Extents(n) {
		if err != nil {
			return err
		}
		for k := range e.Count {
			pages++
			for len(before) > 0 && before[0].Logical+before[0].Count <= e.Logical+k {
				before = before[1:]
			}
			stays := false
			if len(before) > 0 && before[0].Logical <= e.Logical+k {
				at := before[0].Phys + e.Logical + k - before[0].Logical
				if stays, err = c.equal(at, e.Phys+k); stays {
					c.stays[at] = true
				}
			}
			if !stays && err == nil {
				var zero bool
				if zero, err = c.zero(c.q, e.Phys+k); !zero {
					added++
				}
			}
			if err != nil {
				return err
			}
		}
	}
	if added > 0 {
		c.Files++
		c.Whole += pages
		c.New += added
	}
	return nil
}

// equal says whether a page of the first image holds what one of the second does.
func (c *comparison) equal(at, now uint64) (bool, error) {
	if at == now && !c.grid[at/gridPages] {
		return true, nil
	}
	if _, err := c.p.ReadAt(c.a[:], int64(at)*pageSize); err != nil {
		return false, err
	}
	if _, err := c.q.ReadAt(c.b[:], int64(now)*pageSize); err != nil {
		return false, err
	}
	return bytes.Equal(c.a[:], c.b[:]), nil
}

// zero says whether a page holds nothing but zeros.
func (c *comparison) zero(r io.ReaderAt, at uint64) (bool, error) {
	_, err := r.ReadAt(c.a[:], int64(at)*pageSize)
	return c.a == [pageSize]byte{}, err
}

// zeroed finds the pages that were freed, and Kept.
func (c *comparison) zeroed() error {
	freed := make(map[uint64]int64) // blocks of 512 KiB, with the pages that were freed in them
	done := make(map[uint32]bool)
	var visit func(n *extfs.Inode) error
	visit = func(n *extfs.Inode) error {
		for e, err := range c.old.ReadDir(n) {
			if err != nil {
				return err
			}
			if done[e.Ino] {
				continue
			}
			done[e.Ino] = true
			n, err := c.old.Inode(e.Ino)
			if err != nil {
				return err
			}
			if n.IsDir() {
				err = visit(n)
			} else if n.IsRegular() {
				err = c.gone(n, freed)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	root, err := c.old.Root()
	if err == nil {
		err = visit(root)
	}
	if err != nil {
		return err
	}
	room, usage := int64(0), c.old.Usage()
	for block, count := range freed {
		c.Freed += count
		room += count
		for page := block * gridPages; page < (block+1)*gridPages; page++ {
			used, err := usage.InUse(int64(page)*pageSize, pageSize)
			if err != nil {
				return err
			}
			if !used {
				room++
			}
		}
	}
	c.Kept = int64(len(freed)) + ceil(max(0, c.New-room), gridPages)
	return nil
}

// gone counts the pages of a file of the first tree that the second has not.
func (c *comparison) gone(n *extfs.Inode, freed map[uint64]int64) error {
	for e, err := range c.old.Extents(n) {
		if err != nil {
			return err
		}
		for page := e.Phys; page < e.Phys+e.Count; page++ {
			if c.stays[page] {
				continue
			}
			zero, err := c.zero(c.p, page)
			if err != nil {
				return err
			}
			if !zero {
				freed[page/gridPages]++
			}
		}
	}
	return nil
}
