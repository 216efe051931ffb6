package extfs

import (
	"fmt"

	"purebundle/ext2img/internal/ondisk"
)

const (
	htreeNone uint8 = iota
	htreeNode
	htreeLeaf
)

// htreeBlock says what the index makes of a block of a directory: for a leaf,
// the least and the greatest hash of a name that may be in it.
type htreeBlock struct {
	lo, hi uint32
	kind   uint8
}

type htree struct {
	c       *checker
	n       *Inode
	m       mapper
	version uint8
	blocks  []htreeBlock // by logical block
	broken  bool         // blocks are not to be trusted
}

// isNode returns true for the root and the index nodes; if the tree is broken, for
// what looks like one.
func (t *htree) isNode(b dirBlock) bool {
	if t.broken {
		return t.c.f.indexOffset(t.n, b) != 0
	}
	return t.blocks[b.block].kind == htreeNode
}

func (t *htree) problem(block uint64, format string, args ...any) {
	t.broken = true
	t.blame(block, format, args...)
}

// blame reports a problem that leaves the tree readable.
func (t *htree) blame(block uint64, format string, args ...any) {
	t.c.add(Problem{Ino: t.n.Ino, Where: fmt.Sprintf("directory %d, block %d", t.n.Ino, block), Text: fmt.Sprintf(format, args...)})
}

// readHtree reads the index of a hashed directory and checks that it leads to
// each block once; broken if it has no readable root. The directory's blocks
// were checked, so that there are no more of them than in the file system.
func readHtree(c *checker, n *Inode) *htree {
	f := c.f
	t := &htree{c: c, n: n, m: mapper{f: f, n: n}}
	t.blocks = make([]htreeBlock, n.Size/int64(f.sb.blockSize))
	root, ok := t.read(0)
	if !ok {
		return t
	}
	t.blocks[0].kind = htreeNode
	levels := int(root[ondisk.DxIndirectLevels])
	limit := 1
	if f.sb.incompat&ondisk.IncompatLargedir != 0 {
		limit = 2
	}
	t.version = root[ondisk.DxHashVersion]
	switch {
	case f.recLen(root, 0) != 12 || f.recLen(root, 12) != len(root)-12:
		t.problem(0, "htree root: lengths %d and %d of \".\" and \"..\"", f.recLen(root, 0), f.recLen(root, 12))
		return t
	case le32(root, ondisk.DxInfo) != 0 || t.version > ondisk.HashTEA || root[ondisk.DxInfoLength] != ondisk.DxInfoSize || root[ondisk.DxUnusedFlags] != 0:
		t.problem(0, "htree root: information %x", root[ondisk.DxInfo:][:8])
		return t
	case levels > limit:
		t.problem(0, "htree root: %d levels, at most %d", levels, limit)
		return t
	}
	t.node(0, root, ondisk.DxRootEntries, levels, 0, 1<<32-1)
	for block, b := range t.blocks {
		if b.kind == htreeNone && !t.broken {
			t.problem(uint64(block), "not in the htree")
		}
	}
	return t
}

// read gives a copy of a block of the directory.
func (t *htree) read(block uint64) ([]byte, bool) {
	s, err := t.m.at(block)
	if err != nil || !s.data() {
		t.problem(block, "htree node without a block: %v", err)
		return nil, false
	}
	data := make([]byte, t.c.f.sb.blockSize)
	return data, t.c.read(data, s.phys)
}

// node checks an index node whose limit, count and entries start at offset,
// for the hashes lo to hi, and those below it. The first entry has no hash:
// its place is that of limit and count.
func (t *htree) node(block uint64, data []byte, offset, level int, lo, hi uint32) {
	if !t.c.f.indexChecksumOK(t.n, data, offset) {
		t.blame(block, "bad checksum of an htree node")
	}
	limit, count := int(le16(data, offset)), int(le16(data, offset+2))
	room := (len(data) - offset) / ondisk.DxEntrySize
	if t.c.f.sb.metadataCsum() {
		room = (len(data)-offset)/ondisk.DxEntrySize - 1
	}
	if limit != room || count == 0 || count > limit {
		t.problem(block, "htree node: %d of %d entries, room for %d", count, limit, room)
		return
	}
	for i := range count {
		if t.c.err != nil {
			return
		}
		from, to := lo, hi
		if i > 0 {
			// The lowest bit says that the names of this hash go on from the
			// leaf before.
			from = le32(data, offset+8*i) &^ 1
		}
		if i+1 < count {
			next := le32(data, offset+8*(i+1))
			switch to = next &^ 1; {
			case to < from || next <= le32(data, offset+8*i) && i > 0:
				t.problem(block, "htree entry %d: hash %#x behind %#x", i+1, next, from)
				return
			case next&1 == 0 && to > 0:
				to--
			}
		}
		if from < lo || to > hi {
			t.problem(block, "htree entry %d: hashes %#x to %#x are not in %#x to %#x", i, from, to, lo, hi)
			return
		}
		t.child(block, uint64(le32(data, offset+8*i+4)), level, from, to)
	}
}

// child takes the block that an entry leads to.
func (t *htree) child(from, block uint64, level int, lo, hi uint32) {
	if block >= uint64(len(t.blocks)) || t.blocks[block].kind != htreeNone {
		t.problem(from, "htree entry leads to block %d of %d, or to one that is in the tree already", block, len(t.blocks))
		return
	}
	if level == 0 {
		t.blocks[block] = htreeBlock{lo: lo, hi: hi, kind: htreeLeaf}
		return
	}
	t.blocks[block].kind = htreeNode
	data, ok := t.read(block)
	if !ok {
		return
	}
	if le32(data, 0) != 0 || t.c.f.recLen(data, 0) != len(data) {
		t.problem(block, "htree node: its first entry is not an unused one of the whole block")
	}
	t.node(block, data, ondisk.DxNodeEntries, level-1, lo, hi)
}
