package extfs

import "encoding/binary"

const (
	journalMagic    = 0xc03b3998
	journalChecksum = 0x8 | 0x10 // incompat: csum_v2, csum_v3
	orphanMagic     = 0x0b10ca04
)

// journal checks that the journal is empty, and of this file system. Its
// fields are big-endian.
func (c *checker) journal() {
	f := c.f
	if f.sb.compat&compatHasJournal == 0 || f.sb.journalInum == 0 {
		return
	}
	about := c.aboutInode(f.sb.journalInum)
	st := c.states.get(f.sb.journalInum)
	if st == nil || st.kind != modeRegular>>12 {
		about("the journal is not a regular file")
		return
	}
	n := c.again(f.sb.journalInum)
	if n == nil {
		return
	}
	if f.sb.jnlBackupType == 1 && [60]byte(f.sb.jnlBlocks[:60]) != n.iblock {
		c.inSuper("s_jnl_blocks is not a copy of the journal inode's i_block")
	}
	if hi, lo := le32(f.sb.jnlBlocks[:], 60), le32(f.sb.jnlBlocks[:], 64); f.sb.jnlBackupType == 1 && int64(hi)<<32|int64(lo) != n.Size {
		c.inSuper("s_jnl_blocks has size %d, the journal %d", int64(hi)<<32|int64(lo), n.Size)
	}
	m := mapper{f: f, n: n}
	s, err := m.at(0)
	if err != nil || !s.data() {
		about("the journal has no first block: %v", err)
		return
	}
	block := make([]byte, f.sb.blockSize)
	if !c.read(block, s.phys) {
		return
	}
	c.journalSuper(n, block)
}

func (c *checker) journalSuper(n *Inode, block []byte) {
	about := c.aboutInode(n.Ino)
	be32 := func(off int) uint32 { return binary.BigEndian.Uint32(block[off:]) }
	blocks := uint64(n.Size) / uint64(c.f.sb.blockSize)
	switch {
	case be32(0) != journalMagic || be32(4) != 3 && be32(4) != 4: // superblock version 1, 2
		about("the journal has no superblock")
		return
	case int(be32(0xc)) != c.f.sb.blockSize:
		about("the journal has blocks of %d bytes", be32(0xc))
	case uint64(be32(0x10)) > blocks:
		about("the journal is %d blocks long, its file %d", be32(0x10), blocks)
	case be32(0x14) == 0 || be32(0x14) >= be32(0x10):
		about("the journal starts at block %d of %d", be32(0x14), be32(0x10))
	case be32(0x1c) != 0:
		about("the journal is not empty: it starts at block %d", be32(0x1c))
	case be32(0x20) != 0:
		about("the journal has error %d", int32(be32(0x20)))
	}
	if be32(4) == 4 && be32(0x28)&journalChecksum != 0 {
		const field = 0xfc
		crc := crc32c(^uint32(0), block[:field])
		crc = crc32cLE32(crc, 0)
		if crc = crc32c(crc, block[field+4:1024]); crc != be32(field) {
			about("journal superblock: bad checksum %#x, want %#x", be32(field), crc)
		}
	}
}

// orphanFile checks that the orphan file, where there is one, is empty.
func (c *checker) orphanFile() {
	f := c.f
	if f.sb.compat&compatOrphanFile == 0 {
		return
	}
	about := c.aboutInode(f.sb.orphanFileInum)
	st := c.states.get(f.sb.orphanFileInum)
	if st == nil || st.kind != modeRegular>>12 {
		about("the orphan file is not a regular file")
		return
	}
	n := c.again(f.sb.orphanFileInum)
	if n == nil {
		return
	}
	block := make([]byte, f.sb.blockSize)
	tail := len(block) - 8
	for s, err := range f.segments(n) {
		if err != nil {
			about("orphan file: %v", err)
			return
		}
		for i := range s.count {
			if !c.read(block, s.phys+i) {
				return
			}
			if le32(block, tail) != orphanMagic {
				about("orphan file: block %d has no magic number", s.block+i)
				continue
			}
			if !allZero(block[:tail]) {
				about("orphan file: block %d is not empty", s.block+i)
			}
			var le [8]byte
			binary.LittleEndian.PutUint64(le[:], s.phys+i)
			crc := crc32c(crc32c(f.inodeSeed(n.Ino, n.Generation), le[:]), block[:tail])
			if f.sb.metadataCsum() && le32(block, tail+4) != crc {
				about("orphan file: block %d: bad checksum", s.block+i)
			}
		}
	}
}
