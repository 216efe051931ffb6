package ext2img

import (
	"cmp"
	"slices"
	"strings"

	"purebundle/ext2img/internal/ondisk"
)

// dir is the plan of one directory. A directory of one block is linear, a
// larger one a hashed tree: root, nodes if the root does not hold all leaves,
// leaves.
type dir struct {
	node   int32
	first  int32 // its names are order[first : first+count]
	count  int32
	leaves []int32 // hashed: where each leaf starts, counted from first
	blocks int32
}

const lostFoundBlocks = 4 // 16 KiB, as mke2fs: e2fsck can link into it without allocating

// groupNames sorts all names by directory.
func (t *tree) groupNames() (order []int32) {
	for n := range t.nodes.len() {
		if nd := t.nodes.at(n); nd.fmt() == ondisk.SIFDIR {
			nd.ref = uint32(len(t.dirs))
			t.dirs = append(t.dirs, dir{node: n})
		}
	}
	dirOf := func(i int32) *dir { return &t.dirs[t.nodes.at(t.names.at(i).parent).ref] }
	for i := int32(1); i < t.names.len(); i++ {
		dirOf(i).count++
	}
	next := int32(0)
	for i := range t.dirs {
		t.dirs[i].first = next
		next += t.dirs[i].count
		t.dirs[i].count = 0
	}
	order = make([]int32, next)
	for i := int32(1); i < t.names.len(); i++ {
		d := dirOf(i)
		order[d.first+d.count] = i
		d.count++
	}
	return order
}

// planDirs splits the names of all directories into blocks; order has them by directory,
// and seed is s_hash_seed.
func (t *tree) planDirs(order []int32, seed [4]uint32) {
	for i := range t.dirs {
		t.planDir(&t.dirs[i], order, seed)
	}
}

// planDir splits the names of one directory into blocks.
func (t *tree) planDir(d *dir, order []int32, seed [4]uint32) {
	names := order[d.first : d.first+d.count]
	size := dotsSize
	for _, n := range names {
		size += ondisk.DirentSize(t.text.size(t.names.at(n).ref))
	}
	if size <= ondisk.DirLeafSize {
		d.blocks = 1
		if d.node == lostFoundNode {
			d.blocks = lostFoundBlocks
		}
		return
	}
	t.sortByHash(names, seed)
	room := 0
	for i, n := range names {
		size := ondisk.DirentSize(t.text.size(t.names.at(n).ref))
		if size > room {
			d.leaves = append(d.leaves, int32(i))
			room = ondisk.DirLeafSize
		}
		room -= size
	}
	d.blocks = int32(1 + d.nodeBlocks() + len(d.leaves)) // no more than maxLeaves: Add has seen to it
}

// nodeBlocks returns the number of index blocks below the root.
func (d *dir) nodeBlocks() int {
	if len(d.leaves) <= ondisk.HtreeRootLimit {
		return 0
	}
	return int(ceilDiv(int64(len(d.leaves)), ondisk.HtreeNodeLimit))
}

// nameHash returns the hash of a name as directories of our images have it.
func nameHash(name string, seed [4]uint32) uint32 {
	hash, _ := ondisk.NameHash(ondisk.HashHalfMD4, name, seed, ondisk.Signed)
	return hash
}

// sortByHash orders names by hash, equal hashes by name.
func (t *tree) sortByHash(names []int32, seed [4]uint32) {
	type hashed struct {
		hash uint32
		name int32
	}
	hs := make([]hashed, len(names))
	for i, n := range names {
		hs[i] = hashed{nameHash(t.text.get(t.names.at(n).ref), seed), n}
	}
	slices.SortFunc(hs, func(x, y hashed) int {
		if x.hash != y.hash {
			return cmp.Compare(x.hash, y.hash)
		}
		return strings.Compare(t.text.get(t.names.at(x.name).ref), t.text.get(t.names.at(y.name).ref))
	})
	for i, h := range hs {
		names[i] = h.name
	}
}

// putDirBlock encodes block k of a directory into the zero block p.
func (m *Image) putDirBlock(p []byte, d *dir, k int32) {
	names := m.order[d.first : d.first+d.count]
	switch nodes := int32(d.nodeBlocks()); {
	case d.leaves == nil:
		leaf := ondisk.NewDirLeaf(p)
		if k == 0 {
			leaf.Add(m.ino(d.node), ondisk.FtDir, ".")
			leaf.Add(m.ino(m.parent(d.node)), ondisk.FtDir, "..")
			m.putNames(leaf, names)
		}
		leaf.Close(m.ino(d.node), m.seed)
	case k == 0:
		levels, es := 1, m.htreeTop(d)
		if nodes == 0 {
			levels, es = 0, m.htreeEntries(d, 0, len(d.leaves))
		}
		ondisk.PutHtreeRoot(p, m.ino(d.node), m.ino(m.parent(d.node)), levels, es, m.seed)
	case k <= nodes:
		from := int(k-1) * ondisk.HtreeNodeLimit
		es := m.htreeEntries(d, from, min(from+ondisk.HtreeNodeLimit, len(d.leaves)))
		ondisk.PutHtreeNode(p, m.ino(d.node), es, m.seed)
	default:
		i := int(k - 1 - nodes)
		end := d.count
		if i+1 < len(d.leaves) {
			end = d.leaves[i+1]
		}
		leaf := ondisk.NewDirLeaf(p)
		m.putNames(leaf, names[d.leaves[i]:end])
		leaf.Close(m.ino(d.node), m.seed)
	}
}

func (m *Image) putNames(leaf *ondisk.DirLeaf, names []int32) {
	for _, i := range names {
		nm := m.names.at(i)
		if nd := m.nodes.at(nm.node); !nd.gone {
			leaf.Add(m.ino(nm.node), ondisk.FileType(uint32(nd.mode)), m.text.get(nm.ref))
		}
	}
}

// htreeEntries gives the index entries of leaves [from, to).
func (m *Image) htreeEntries(d *dir, from, to int) []ondisk.HtreeEntry {
	names := m.order[d.first : d.first+d.count]
	hash := func(i int32) uint32 { return nameHash(m.text.get(m.names.at(names[i]).ref), m.hashSeed) }
	es := make([]ondisk.HtreeEntry, 0, to-from)
	for i := from; i < to; i++ {
		start := d.leaves[i]
		h := hash(start)
		if i > 0 && hash(start-1) == h {
			h |= 1 // names of this hash begin in the leaf before
		}
		es = append(es, ondisk.HtreeEntry{Hash: h, Block: uint32(1 + d.nodeBlocks() + i)})
	}
	return es
}

// htreeTop returns the root's entries if it leads to nodes.
func (m *Image) htreeTop(d *dir) []ondisk.HtreeEntry {
	es := make([]ondisk.HtreeEntry, d.nodeBlocks())
	for i := range es {
		first := m.htreeEntries(d, i*ondisk.HtreeNodeLimit, i*ondisk.HtreeNodeLimit+1)[0]
		es[i] = ondisk.HtreeEntry{Hash: first.Hash, Block: uint32(1 + i)}
	}
	return es
}

// parent returns the directory that holds a directory; the root holds itself.
func (m *Image) parent(n int32) int32 {
	if n == rootNode {
		return rootNode
	}
	return m.names.at(m.nodes.at(n).name).parent
}
