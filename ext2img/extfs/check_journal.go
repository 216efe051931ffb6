package extfs

import (
	"encoding/binary"

	"purebundle/ext2img/internal/ondisk"
)

// journal checks that the journal is empty, and of this file system. Its
// fields are big-endian.
func (c *checker) journal() {
	f := c.f
	if f.sb.compat&ondisk.CompatHasJournal == 0 || f.sb.journalInum == 0 {
		return
	}
	about := c.aboutInode(f.sb.journalInum)
	st := c.states.get(f.sb.journalInum)
	if st == nil || st.kind != ondisk.SIFREG>>12 {
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
	case be32(ondisk.JournalHMagic) != ondisk.JournalMagic || be32(ondisk.JournalHBlocktype) != 3 && be32(ondisk.JournalHBlocktype) != 4: // superblock version 1, 2
		about("the journal has no superblock")
		return
	case int(be32(ondisk.JournalBlocksize)) != c.f.sb.blockSize:
		about("the journal has blocks of %d bytes", be32(ondisk.JournalBlocksize))
	case uint64(be32(ondisk.JournalMaxlen)) > blocks:
		about("the journal is %d blocks long, its file %d", be32(ondisk.JournalMaxlen), blocks)
	case be32(ondisk.JournalFirst) == 0 || be32(ondisk.JournalFirst) >= be32(ondisk.JournalMaxlen):
		about("the journal starts at block %d of %d", be32(ondisk.JournalFirst), be32(ondisk.JournalMaxlen))
	case be32(ondisk.JournalStart) != 0:
		about("the journal is not empty: it starts at block %d", be32(ondisk.JournalStart))
	case be32(ondisk.JournalErrno) != 0:
		about("the journal has error %d", int32(be32(ondisk.JournalErrno)))
	}
	if be32(ondisk.JournalHBlocktype) == 4 && be32(ondisk.JournalIncompat)&ondisk.JournalIncompatCsum != 0 {
		if want := ondisk.JournalSum(block); want != be32(ondisk.JournalChecksum) {
			about("journal superblock: bad checksum %#x, want %#x", be32(ondisk.JournalChecksum), want)
		}
	}
}

// orphanFile checks that the orphan file, if the file system has one, is empty.
func (c *checker) orphanFile() {
	f := c.f
	if f.sb.compat&ondisk.CompatOrphanFile == 0 {
		return
	}
	about := c.aboutInode(f.sb.orphanFileInum)
	st := c.states.get(f.sb.orphanFileInum)
	if st == nil || st.kind != ondisk.SIFREG>>12 {
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
			if le32(block, tail) != ondisk.OrphanMagic {
				about("orphan file: block %d has no magic number", s.block+i)
				continue
			}
			if !allZero(block[:tail]) {
				about("orphan file: block %d is not empty", s.block+i)
			}
			number := s.phys + i
			crc := f.inodeSeed(n).Add32(uint32(number)).Add32(uint32(number >> 32)).Add(block[:tail])
			if f.sb.metadataCsum() && le32(block, tail+4) != uint32(crc) {
				about("orphan file: block %d: bad checksum", s.block+i)
			}
		}
	}
}
