package ext2img

import (
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"sort"
	"sync"

	"purebundle/ext2img/internal/ondisk"
)

// Image is an ext4 image that is encoded, or read from the source, where it is
// read. First the data parts are read, by as many goroutines as one likes; then
// Redo's; then, after Seal, the metadata parts.
type Image struct {
	*tree
	allocation
	order    []int32 // names by directory, see dir
	st       *storage
	groups   []ondisk.Group
	open     Opener
	seed     ondisk.CRC
	hashSeed [4]uint32
	inUse    []bool             // groups whose block bitmap is on disk
	roots    map[int32][60]byte // i_block of nodes with placed tree blocks
	treeUsed map[int32]int      // how many of those blocks they use
	desc     []byte             // the group descriptor table
	heldData []byte             // blocks of spans[data:held], from Seal on
	sealed   bool
	sumSeed  maphash.Seed

	lateFree   []run            // where late files may go; nil: not known yet
	lateBlocks int64            // blocks that late files take
	lateData   map[int64][]byte // content of late files by first block

	freeBlocks, freeInodes int64

	mu   sync.Mutex
	live map[int32]*liveFile // files that changed, or are read piece by piece
}

// Size is the length of the image in bytes, whole parts: the file system, and
// zeros behind it.
func (m *Image) Size() int64 {
	return ceilDiv(m.g.blocks*BlockSize, m.p.PartSize) * m.p.PartSize
}

// Parts numbers the parts that hold file data, to be read before Seal, and
// those that hold metadata, to be read after it, when it is to be asked again:
// Seal may have had to place files anew. All others are zero.
func (m *Image) Parts() (data, meta []int) {
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
	mark(isMeta, 0, m.g.superBlocks(0))
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
	for n := range m.st.blocks { // backups and the journal's superblock
		mark(isData, n, 1)
	}
	for i := int64(0); i < m.Size()/m.p.PartSize; i++ {
		switch {
		case isMeta[i]:
			meta = append(meta, int(i))
		case isData[i]:
			data = append(data, int(i))
		}
	}
	return data, meta
}

// Stats gives the image's figures.
func (m *Image) Stats() Stats {
	s := Stats{
		FSSize:     m.g.blocks * BlockSize,
		Blocks:     m.g.blocks,
		FreeBlocks: m.freeBlocks,
		Inodes:     m.g.inodes(),
		FreeInodes: m.freeInodes,
		Entries:    int64(m.names.len()),
	}
	for _, sp := range m.spans[m.data:m.late] {
		s.DataBytes += min(int64(sp.count)*BlockSize, m.nodes.at(sp.owner).size-int64(sp.logical)*BlockSize)
	}
	return s
}

// ReadAt reads the image, as io.ReaderAt. Metadata read before Seal is an
// error.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
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
	if off%BlockSize == 0 && len(p)%BlockSize == 0 {
		if err := m.readBlocks(p, off/BlockSize); err != nil {
			return 0, err
		}
		return len(p), eof
	}
	start := off / BlockSize
	whole := make([]byte, (ceilDiv(off+int64(len(p)), BlockSize)-start)*BlockSize)
	if err := m.readBlocks(whole, start); err != nil {
		return 0, err
	}
	copy(p, whole[off-start*BlockSize:])
	return len(p), eof
}

// readBlocks fills p, whole blocks, from block start on.
func (m *Image) readBlocks(p []byte, start int64) error {
	clear(p)
	end := start + int64(len(p)/BlockSize)
	if start < m.g.superBlocks(0) && !m.sealed {
		return fmt.Errorf("read image: block %d is metadata, which is not known before Seal", start)
	}
	at := func(block int64) []byte { return p[(block-start)*BlockSize:] }
	for n := start; n < end; n++ {
		if b := m.st.blocks[n]; b != nil {
			copy(at(n), b[:])
		}
	}
	if err := m.readInodes(start, end, at); err != nil {
		return err
	}
	return m.readSpans(start, end, at)
}

// readSpans encodes or reads what lies in spans.
func (m *Image) readSpans(start, end int64, at func(block int64) []byte) error {
	i := sort.Search(len(m.spans), func(i int) bool { return m.spans[i].end() > start })
	var file fileRead
	for ; i < len(m.spans) && int64(m.spans[i].phys) < end; i++ {
		s := m.spans[i]
		from, to := max(int64(s.phys), start), min(s.end(), end)
		c := clip{
			dst: at(from)[:(to-from)*BlockSize],
			off: (int64(s.logical) + from - int64(s.phys)) * BlockSize,
		}
		if i >= m.held && i < m.late {
			if file.clips != nil && file.node != s.owner {
				m.read(&file)
			}
			file.add(s.owner, c)
			continue
		}
		if !m.sealed {
			return fmt.Errorf("read image: block %d is metadata, which is not known before Seal", from)
		}
		m.putSpan(s, c)
	}
	if file.clips != nil {
		m.read(&file)
	}
	return nil
}

// putSpan encodes blocks of a directory, a symlink or an attribute block, or
// copies data that was held.
func (m *Image) putSpan(s span, c clip) {
	if s.owner < 0 {
		if x := &m.xattrs.block[^s.owner]; x.refs > 0 {
			ondisk.PutXattrBlock(c.dst, x.xattrs, x.refs, uint64(x.phys), m.seed)
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
func (m *Image) readInodes(start, end int64, at func(block int64) []byte) error {
	n := sort.Search(len(m.groups), func(i int) bool { return int64(m.groups[i].InodeTable)+m.g.tableBlocks > start })
	for ; n < len(m.groups); n++ {
		table := int64(m.groups[n].InodeTable)
		used := m.usedInodes(int64(n))
		from, to := max(table, start), min(table+ceilDiv(used, ondisk.InodesPerBlock), end)
		if from < to && !m.sealed {
			return fmt.Errorf("read image: block %d is metadata, which is not known before Seal", from)
		}
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
	return nil
}

// usedInodes is the number of inodes of a group up to the last one that is
// placed.
func (m *Image) usedInodes(group int64) int64 {
	last := int64(ino(m.nodes.len() - 1))
	return min(max(last-group*m.g.inodesPerGroup, 0), m.g.inodesPerGroup)
}
