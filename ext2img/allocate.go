package ext2img

import (
	"cmp"
	"fmt"
	"slices"

	"purebundle/ext2img/internal/ondisk"
)

// span is a run of blocks that one inode uses, or an attribute block.
type span struct {
	phys    uint32 // first block
	count   uint32 // blocks
	logical uint32 // its first block in the file
	owner   int32  // node; ^index in xattrs.block for an attribute block
}

func (s span) end() int64 { return int64(s.phys) + int64(s.count) }

// treeBlock is a block of an extent tree that does not fit in its inode.
type treeBlock struct {
	phys  uint32
	owner int32 // node
	index int32 // number in the node's tree, see extentTree
}

// allocation says where everything lies. Metadata that depends on what happens to
// files while they are read never shares a part with their data, so that the
// data can be written first; the exception is the part between the directories
// and the data, whose files are kept in memory if the image is so tight that
// they must go there.
type allocation struct {
	g      geometry
	spans  []span         // of directories, slow symlinks and attributes, then of file data; those of a node in a row
	byPhys []int32        // indexes of spans by block, ascending; nil: spans are in that order
	data   int            // spans[data:] are file data
	held   int            // spans[data:held] are file data that shares a part with metadata
	late   int            // spans[late:] are late files, see late.go
	trees  []treeBlock    // those of a node in a row
	used   int64          // blocks in use by spans and trees
	keeps  map[int64]bool // parts that are as in the base
}

// nth returns the index of the span that is the nth by block.
func (a *allocation) nth(n int) int {
	if a.byPhys == nil {
		return n
	}
	return int(a.byPhys[n])
}

// addLate adds the span of a late file, or of attributes that came late.
func (a *allocation) addLate(s span) {
	if a.byPhys != nil {
		at, _ := slices.BinarySearchFunc(a.byPhys, s.phys, func(i int32, phys uint32) int { return cmp.Compare(a.spans[i].phys, phys) })
		a.byPhys = slices.Insert(a.byPhys, at, int32(len(a.spans)))
	}
	a.spans = append(a.spans, s)
}

// demand counts the room that the content needs, whatever the size of the file
// system.
type demand struct {
	inodes   int64 // with those to leave free
	metadata int64 // blocks of directories, slow symlinks and attributes
	data     int64 // blocks of file data
	room     int64 // blocks to leave free
}

func (t *tree) demand() (d demand) {
	d.inodes = ondisk.FirstIno - 1 + int64(t.nodes.len()) - 1
	for i := range t.dirs {
		d.metadata += int64(t.dirs[i].blocks)
	}
	d.metadata += int64(t.xattrs.block.len())
	for n := range t.nodes.len() {
		switch nd := t.nodes.at(n); nd.fmt() {
		case ondisk.SIFLNK:
			if nd.size > ondisk.FastSymlinkMax {
				d.metadata++
			}
		case ondisk.SIFREG:
			t.eachData(n, func(_, count int64) { d.data += count })
		}
	}
	if t.p.Size == 0 {
		d.room = max(ceilDiv(t.p.Free, BlockSize), (d.metadata+d.data)*int64(t.p.FreePercent)/100)
		d.inodes += max(ceilDiv(t.p.Free, inodeRatio), d.inodes*int64(t.p.FreePercent)/100)
	}
	return d
}

// eachData calls fn for each run of data blocks of a regular file, ascending.
func (t *tree) eachData(n int32, fn func(logical, count int64)) {
	size := t.nodes.at(n).size
	ranges, ok := t.sparse[n]
	if !ok {
		if size > 0 {
			fn(0, ceilDiv(size, BlockSize))
		}
		return
	}
	var from, to int64 // blocks, the run that is growing
	for _, r := range ranges {
		lo, hi := max(r.Off, 0)/BlockSize, ceilDiv(min(r.Off+r.Len, size), BlockSize)
		if lo > to || from == to {
			if from < to {
				fn(from, to-from)
			}
			from = max(lo, to)
		}
		to = max(to, hi, from)
	}
	if from < to {
		fn(from, to-from)
	}
}

// allocate finds the smallest file system that holds the content and the room,
// or takes the given size, and places everything in it.
func (t *tree) allocate() (allocation, error) {
	d := t.demand()
	if t.p.Size == 0 {
		return t.smallest(d)
	}
	if a, ok := t.inSize(t.p.Size, d); ok {
		return a, nil
	}
	if t.p.Grow {
		t.p.Size = 0
		return t.smallest(t.demand())
	}
	least, err := t.least(d)
	if err != nil {
		return allocation{}, err
	}
	return allocation{}, &TooSmallError{Need: least, Have: t.p.Size}
}

// least finds the smallest size that holds the content, in bytes.
func (t *tree) least(d demand) (int64, error) {
	a, err := t.smallest(d)
	if err != nil {
		return 0, err
	}
	works := ceilDiv(a.g.blocks*BlockSize, t.p.PartSize) * t.p.PartSize
	fails := works - t.p.PartSize
	for works-fails > BlockSize {
		size := (works + fails) / 2 / BlockSize * BlockSize
		if _, ok := t.inSize(size, d); ok {
			works = size
		} else {
			fails = size
		}
	}
	return works, nil
}

// smallest tries sizes of whole parts, from what is needed at least upward.
func (t *tree) smallest(d demand) (allocation, error) {
	part := t.p.PartSize / BlockSize
	least := max(d.metadata+d.data+d.room+t.p.Tail/BlockSize, (ceilDiv(d.inodes, ondisk.MaxInodesGroup)-1)*ondisk.BlocksPerGroup)
	for n := ceilDiv(least, part); n*t.p.PartSize <= MaxSize; n++ {
		g, ok := newGeometry(n*t.p.PartSize-t.p.Tail, d.inodes)
		if !ok {
			continue
		}
		room := d.room + g.reserved()
		if lack := d.metadata + d.data + room - g.free(); lack > 0 {
			n += max(0, lack/part-1)
			continue
		}
		if a, ok := t.inSize(n*t.p.PartSize, d); ok && a.g.free()-a.used >= room {
			return a, nil
		}
	}
	return allocation{}, fmt.Errorf("layout: the content needs more than the largest image of %d bytes (16 TiB)", int64(MaxSize))
}

// inSize places the content in a file system of the given size, with inodes to
// spare if they fit.
func (t *tree) inSize(size int64, d demand) (a allocation, ok bool) {
	for _, inodes := range []int64{d.inodes + d.inodes/10, d.inodes} {
		g, ok := newGeometry(size-t.p.Tail, inodes)
		if !ok || g.free() < d.metadata+d.data {
			continue
		}
		for _, tight := range []bool{false, true} {
			p := placer{tree: t, allocation: allocation{g: g}, part: t.p.PartSize / BlockSize}
			if p.run(tight) {
				return p.allocation, true
			}
		}
	}
	return a, false
}
