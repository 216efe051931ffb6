package ext2img

import (
	"slices"
	"sync"

	"purebundle/ext2img/internal/ondisk"
	"purebundle/ext2img/internal/sparse"
)

// Plan says where everything in the image lies, before any of it is read or
// written. Builder.Layout makes it, Make turns it into parts, once.
type Plan struct {
	*tree
	allocation
	order    []int32 // names by directory, see dir
	st       *sparse.Device
	groups   []ondisk.Group
	open     Opener
	seed     ondisk.CRC
	hashSeed [4]uint32
	inUse    []bool             // groups whose block bitmap is on disk
	roots    map[int32][60]byte // i_block of nodes with placed tree blocks
	treeUsed map[int32]int      // how many of those blocks they use
	desc     []byte             // the group descriptor table
	made     bool               // Make was called
	base     *Base              // that the layout is one with; nil: it is a fresh one
	noBase   string             // why it is a fresh one although there was a base

	fixedOnce sync.Once
	fixed     []run // see InUse

	freeBlocks, freeInodes int64
}

// Fresh says why the layout has nothing of Params.Base, "" if it has, or if there is none.
func (m *Plan) Fresh() string { return m.noBase }

// Size returns the length of the image in bytes, whole parts: the file system, and
// zeros behind it, Params.Tail at least.
func (m *Plan) Size() int64 {
	return ceilDiv(m.g.blocks*BlockSize+m.p.Tail, m.p.PartSize) * m.p.PartSize
}

// Used returns how many bytes of the file system are not free.
func (m *Plan) Used() int64 { return (m.g.blocks - m.freeBlocks) * BlockSize }

// Parts numbers the parts of the image, ascending.
type Parts struct {
	Data []int // hold file data and no metadata that depends on it
	Meta []int // hold metadata: made when all data has been read
	Zero []int // all zero
	Kept []int // as the base has them: need not be made
}

// Parts returns what the parts hold. Files that outgrow their blocks while they
// are read may take parts that are zero in the plan.
func (m *Plan) Parts() (ps Parts) {
	part := m.p.PartSize / BlockSize
	isMeta := make(map[int64]bool)
	isData := make(map[int64]bool)
	mark := func(set map[int64]bool, start, count int64) {
		for i := start / part; i*part < start+count; i++ {
			set[i] = true
		}
	}
	for _, s := range slices.Concat(m.spans[:m.held], m.spans[m.late:]) {
		mark(isMeta, int64(s.phys), int64(s.count))
	}
	for _, t := range m.trees {
		mark(isMeta, int64(t.phys), 1)
	}
	mark(isMeta, 0, 1+m.g.gdtBlocks)
	for n, g := range m.groups {
		if used := m.usedInodes(int64(n)); used > 0 {
			mark(isMeta, int64(g.InodeTable), ceilDiv(used, ondisk.InodesPerBlock))
			mark(isMeta, int64(g.InodeBitmap), 1)
		}
		if m.inUse[n] {
			mark(isMeta, int64(g.BlockBitmap), 1)
		}
	}
	for _, s := range m.spans[m.held:m.late] {
		mark(isData, int64(s.phys), int64(s.count))
	}
	for n := range m.st.Blocks { // backups, the journal's superblock and the resize inode's blocks
		mark(isData, n, 1)
	}
	for i := int64(0); i < m.Size()/m.p.PartSize; i++ {
		switch {
		case m.keeps[i]:
			ps.Kept = append(ps.Kept, int(i))
		case isMeta[i]:
			ps.Meta = append(ps.Meta, int(i))
		case isData[i]:
			ps.Data = append(ps.Data, int(i))
		default:
			ps.Zero = append(ps.Zero, int(i))
		}
	}
	return ps
}

// Stats returns the image's figures; when it has been made, the space of files
// that are not in it is among what is free.
func (m *Plan) Stats() Stats {
	s := Stats{
		FSSize:     m.g.blocks * BlockSize,
		Blocks:     m.g.blocks,
		FreeBlocks: m.freeBlocks,
		Inodes:     m.g.inodes(),
		FreeInodes: m.freeInodes,
		Entries:    int64(m.names.len()),
	}
	for i, sp := range m.spans[m.data:] {
		if sp.owner < 0 { // attributes
			continue
		}
		if nd := m.nodes.at(sp.owner); !nd.gone && nd.hasSpan(int32(m.data+i)) {
			s.DataBytes += max(0, min(int64(sp.count)*BlockSize, nd.size-int64(sp.logical)*BlockSize))
		}
	}
	return s
}
