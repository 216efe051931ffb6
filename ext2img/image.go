package ext2img

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"sort"
	"sync"

	"purebundle/ext2img/internal/ondisk"
)

// Image gives the bytes of an image while Plan.Make makes it. Its blocks are
// encoded, or read from the source, when they are asked for.
type Image struct {
	*Plan
	sumSeed  maphash.Seed
	heldData []byte // blocks of spans[data:held], once they have been read

	lateFree   []run            // free blocks for late files; nil: not known yet
	lateBlocks int64            // blocks that late files take
	lateData   map[int64][]byte // content of late files by first block
	stays      map[int32]string // files that should be late ones and cannot: why
	walked     map[int32]state  // of late files, at the walk

	linksOnce sync.Once
	links     map[int32][]int32 // names of files besides their first, see otherNames

	mu      sync.Mutex
	live    map[int32]*liveFile // files that changed, or are read in several clips
	opened  blockSet            // a bit for each node that was read
	differs map[int32]string    // files that looked unchanged and are not as in the base: how
}

// newImage starts to read what p says.
func newImage(p *Plan) *Image {
	return &Image{
		Plan:     p,
		sumSeed:  maphash.MakeSeed(),
		lateData: make(map[int64][]byte),
		stays:    make(map[int32]string),
		walked:   make(map[int32]state),
		live:     make(map[int32]*liveFile),
		opened:   make(blockSet, p.nodes.len()/64+1),
		differs:  make(map[int32]string),
	}
}

// batchReader reads the parts of one batch, and no others: what they hold is
// known when Make asks for them, not before.
type batchReader struct {
	m     *Image
	parts []int // ascending
}

// ReadAt implements io.ReaderAt.
func (r batchReader) ReadAt(p []byte, off int64) (int, error) {
	m := r.m
	if off < 0 {
		return 0, fmt.Errorf("read image at %d: negative offset", off)
	}
	if off >= m.Size() {
		return 0, io.EOF
	}
	var eof error
	if rest := m.Size() - off; int64(len(p)) > rest {
		p, eof = p[:rest], io.EOF
	}
	for i := off / m.p.PartSize; i*m.p.PartSize < off+int64(len(p)); i++ {
		if _, ok := slices.BinarySearch(r.parts, int(i)); !ok {
			return 0, fmt.Errorf("read image at %d: part %d is not one of those to make now", off, i)
		}
	}
	if off%BlockSize == 0 && len(p)%BlockSize == 0 {
		m.readBlocks(p, off/BlockSize)
		return len(p), eof
	}
	start := off / BlockSize
	whole := make([]byte, (ceilDiv(off+int64(len(p)), BlockSize)-start)*BlockSize)
	m.readBlocks(whole, start)
	copy(p, whole[off-start*BlockSize:])
	return len(p), eof
}

// readBlocks fills p, whole blocks, from block start on.
func (m *Image) readBlocks(p []byte, start int64) {
	clear(p)
	end := start + int64(len(p)/BlockSize)
	at := func(block int64) []byte { return p[(block-start)*BlockSize:] }
	for n := start; n < end; n++ {
		if b := m.st.Blocks[n]; b != nil {
			copy(at(n), b[:])
		}
	}
	m.readInodes(start, end, at)
	m.readSpans(start, end, at)
}

// readSpans encodes or reads what lies in spans.
func (m *Image) readSpans(start, end int64, at func(block int64) []byte) {
	first := sort.Search(len(m.spans), func(k int) bool { return m.spans[m.nth(k)].end() > start })
	var clips []ownedClip
	for k := first; k < len(m.spans); k++ {
		i := m.nth(k)
		s := m.spans[i]
		if int64(s.phys) >= end {
			break
		}
		from, to := max(int64(s.phys), start), min(s.end(), end)
		c := clip{
			dst: at(from)[:(to-from)*BlockSize],
			off: (int64(s.logical) + from - int64(s.phys)) * BlockSize,
			at:  from,
		}
		if s.owner >= 0 && m.left(i, s.owner) {
			continue
		}
		if i >= m.held && i < m.late {
			clips = append(clips, ownedClip{s.owner, c})
			continue
		}
		m.putSpan(s, c)
	}
	m.readFiles(clips)
}

// left says whether a file has nothing in spans[i] any more.
func (m *Image) left(i int, owner int32) bool {
	nd := m.nodes.at(owner)
	return nd.fmt() == ondisk.SIFREG && (nd.gone || !nd.hasSpan(int32(i)))
}

// ownedClip is a clip and the node that it is of.
type ownedClip struct {
	owner int32
	clip
}

// readFiles reads clips, all of one file at a time: with a base, its blocks may lie
// among those of others.
func (m *Image) readFiles(clips []ownedClip) {
	if m.byPhys != nil {
		slices.SortStableFunc(clips, func(a, b ownedClip) int { return cmp.Compare(a.owner, b.owner) })
	}
	var file fileRead
	for _, c := range clips {
		if file.clips != nil && file.node != c.owner {
			m.read(&file)
		}
		file.add(c.owner, c.clip)
	}
	if file.clips != nil {
		m.read(&file)
	}
}

// putSpan encodes blocks of a directory, a symlink or an attribute block, or
// copies data that was held.
func (m *Image) putSpan(s span, c clip) {
	if s.owner < 0 {
		if x := m.xattrs.block.at(^s.owner); x.refs > 0 {
			ondisk.PutXattrBlock(c.dst, m.xattrs.get(x.set), x.refs, uint64(x.phys), m.seed)
		}
		return
	}
	switch nd := m.nodes.at(s.owner); nd.fmt() {
	case ondisk.SIFDIR:
		for i := 0; i < len(c.dst); i += BlockSize {
			m.putDirBlock(c.dst[i:i+BlockSize], &m.dirs[nd.ref], int32((c.off+int64(i))/BlockSize))
		}
	case ondisk.SIFLNK:
		copy(c.dst, m.text.get(nd.ref))
	case ondisk.SIFREG:
		if late, ok := m.lateData[int64(s.phys)]; ok {
			copy(c.dst, late[c.off:])
			return
		}
		first := m.spans[m.data].phys // held spans are one run but for fixed metadata between them
		at := int64(s.phys-first)*BlockSize + c.off - int64(s.logical)*BlockSize
		copy(c.dst, m.heldData[at:])
	}
}

// readInodes encodes the inode table blocks of [start, end).
func (m *Image) readInodes(start, end int64, at func(block int64) []byte) {
	n := sort.Search(len(m.groups), func(i int) bool { return int64(m.groups[i].InodeTable)+m.g.tableBlocks > start })
	for ; n < len(m.groups); n++ {
		table := int64(m.groups[n].InodeTable)
		used := m.usedInodes(int64(n))
		from, to := max(table, start), min(table+ceilDiv(used, ondisk.InodesPerBlock), end)
		for b := from; b < to; b++ {
			first := int64(n)*m.g.inodesPerGroup + (b-table)*ondisk.InodesPerBlock + 1
			for k := int64(0); k < min(ondisk.InodesPerBlock, used-(b-table)*ondisk.InodesPerBlock); k++ {
				m.putInode(at(b)[k*ondisk.InodeSize:(k+1)*ondisk.InodeSize], uint32(first+k))
			}
		}
		if table >= end {
			break
		}
	}
}

// usedInodes returns the number of inodes of a group up to the last one that is
// placed.
func (m *Plan) usedInodes(group int64) int64 {
	if m.numbers != nil {
		return m.numbers.used[group]
	}
	last := int64(m.ino(m.nodes.len() - 1))
	return min(max(last-group*m.g.inodesPerGroup, 0), m.g.inodesPerGroup)
}
