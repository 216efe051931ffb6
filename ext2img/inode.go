package ext2img

import (
	"time"

	"purebundle/ext2img/internal/ondisk"
)

// putInode encodes inode number n into the zero bytes b; free ones stay zero.
func (m *Image) putInode(b []byte, n uint32) {
	switch {
	case n == ondisk.JournalIno:
		m.putJournal(b)
		return
	case n == ondisk.ResizeIno:
		m.putResize(b)
		return
	case n != ondisk.RootIno && n < ondisk.FirstIno:
		return
	}
	i, ok := int32(rootNode), true
	if n != ondisk.RootIno {
		i, ok = m.nodeOf(n)
	}
	if !ok || m.nodes.at(i).gone {
		return
	}
	nd := m.nodes.at(i)
	atime := nd.atime
	if m.p.Latest != nil {
		atime = nd.mtime // which looking at a file does not move
	}
	in := ondisk.Inode{
		Mode: nd.mode, UID: nd.uid, GID: nd.gid, Size: uint64(nd.size),
		Links: uint16(nd.links), Flags: nd.flags, Generation: m.generation(nd), Blocks: uint64(m.blocksOf(i) * (BlockSize / 512)),
		Atime: m.clamp(atime), Ctime: m.clamp(nd.ctime), Mtime: m.clamp(nd.mtime), Crtime: m.clamp(nd.crtime),
	}
	if nd.xattrs >= 0 {
		in.Xattrs = ondisk.InodeXattrs(m.xattrs.get(*m.xattrs.inode.at(nd.xattrs)))
	}
	if nd.acl >= 0 {
		in.FileACL = uint64(m.xattrs.block.at(nd.acl).phys)
	}
	switch nd.fmt() {
	case ondisk.SIFDIR:
		d := &m.dirs[nd.ref]
		in.Size = uint64(d.blocks) * BlockSize
		if nd.links >= ondisk.LinkMax {
			in.Links = 1 // dir_nlink: not counted
		}
		if d.leaves != nil {
			in.Flags |= ondisk.IndexFl
		}
		m.putRoot(&in, i)
	case ondisk.SIFREG:
		m.putRoot(&in, i)
	case ondisk.SIFLNK:
		if nd.spans > 0 {
			m.putRoot(&in, i)
		} else {
			copy(in.Block[:], m.text.get(nd.ref))
		}
	case ondisk.SIFCHR, ondisk.SIFBLK:
		ondisk.Device(&in.Block, nd.ref>>20, nd.ref&(1<<20-1))
	}
	in.Put(b, n, m.seed)
}

// clamp limits a time to Params.Latest. Nodes keep the true times, which tell
// whether a file has changed.
func (m *Plan) clamp(s ondisk.Stamp) ondisk.Stamp {
	if l := m.p.Latest; l != nil && s.Time().After(time.Unix(l.Sec, int64(l.Nsec))) {
		s, _ = ondisk.NewStamp(l.Sec, l.Nsec)
	}
	return s
}

// putRoot sets i_block to the root of the extent tree.
func (m *Image) putRoot(in *ondisk.Inode, n int32) {
	in.Flags |= ondisk.ExtentsFl
	root, ok := m.roots[n]
	if !ok {
		root, _ = m.encodeTree(n, nil)
	}
	in.Block = root
}

// blocksOf counts the blocks that an inode uses: content, extent tree and
// attribute block.
func (m *Plan) blocksOf(n int32) (blocks int64) {
	nd := m.nodes.at(n)
	m.eachExtent(nd, func(e ondisk.Extent) { blocks += int64(e.Len) })
	if nd.acl >= 0 {
		blocks++
	}
	return blocks + int64(m.treeUsed[n])
}

// putJournal encodes the journal's inode over what mkfs laid out.
func (m *Image) putJournal(b []byte) {
	now, _ := ondisk.NewStamp(m.p.Now.Sec, m.p.Now.Nsec)
	in := ondisk.Inode{
		Mode: ondisk.SIFREG | 0o600, Links: 1, Flags: ondisk.ExtentsFl,
		Size:   uint64(m.g.journalBlocks) * BlockSize,
		Blocks: uint64(m.g.journalBlocks) * (BlockSize / 512),
		Atime:  now, Ctime: now, Mtime: now, Crtime: now,
		Block: m.journalRoot(),
	}
	in.Put(b, ondisk.JournalIno, m.seed)
}

// journalRoot returns i_block of the journal: one extent.
func (m *Plan) journalRoot() (root [60]byte) {
	j, _ := m.g.journal()
	ondisk.PutExtents(root[:], []ondisk.Extent{{Len: uint16(j.count), Phys: uint64(j.start)}})
	return root
}
