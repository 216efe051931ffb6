package ext2img

import (
	"encoding/binary"

	"purebundle/ext2img/internal/ondisk"
)

// maxGrowth is how many times its size a file system can grow before its group
// descriptors need another place than behind each superblock (meta_bg), which older
// GRUBs do not read; as mke2fs.
const maxGrowth = 1024

// maxReserved is how many blocks can be reserved for descriptors: as many as one
// indirect block of the resize inode has numbers. They describe 8 TiB.
const maxReserved = BlockSize / 4

// reservedBlocks returns s_reserved_gdt_blocks: how many blocks behind the group
// descriptors are kept for those of a larger file system.
func (g geometry) reservedBlocks() int64 {
	most := min(g.blocks*maxGrowth, MaxSize/BlockSize)
	groups := ceilDiv(most, ondisk.BlocksPerGroup)
	return min(ceilDiv(groups*ondisk.GroupDescSize, BlockSize)-g.gdtBlocks, maxReserved)
}

// resizeBlocks returns the number of blocks that the resize inode has beside the reserved
// ones: its double indirect block.
func (g geometry) resizeBlocks() int64 { return min(g.reservedGDT, 1) }

// resizeRoot returns where the double indirect block of the resize inode is: behind
// the inode tables of the first flex group.
func (g geometry) resizeRoot() int64 { return g.flexes()[0].end() - 1 }

// encodeResize writes the blocks of the resize inode (fs/ext4/resize.c,
// verify_reserved_gdb): its double indirect block lists the reserved blocks of group
// 0, and each of these lists its copies behind the other superblocks. The copies are
// zero.
func (m *Plan) encodeResize() {
	if m.g.reservedGDT == 0 {
		return
	}
	first := 1 + m.g.gdtBlocks
	root := m.st.Block(m.g.resizeRoot())
	copies := m.g.supers()[1:]
	for i := range m.g.reservedGDT {
		at := first + i
		putNumber(root, at-1, at)
		if len(copies) == 0 {
			continue
		}
		list := m.st.Block(at)
		for n, c := range copies {
			putNumber(list, int64(n), c.start+at)
		}
	}
}

// putNumber writes a block number to place i of an indirect block; places beyond its
// end go round to its beginning, as those of e2fsprogs do.
func putNumber(b *[BlockSize]byte, i, block int64) {
	binary.LittleEndian.PutUint32(b[4*(i%maxReserved):], uint32(block))
}

// putResize encodes the resize inode: a file without content, of the largest size
// that double indirect blocks can map.
func (m *Image) putResize(b []byte) {
	if m.g.reservedGDT == 0 {
		return
	}
	now, _ := ondisk.NewStamp(m.p.Now.Sec, m.p.Now.Nsec)
	const direct, perBlock = 12, maxReserved // EXT4_NDIR_BLOCKS, EXT4_ADDR_PER_BLOCK
	in := ondisk.Inode{
		Mode: ondisk.SIFREG | 0o600, Links: 1,
		Size:   (direct + perBlock + perBlock*perBlock) * BlockSize,
		Blocks: uint64(m.g.resizeBlocks()+m.g.reservedGDT*int64(len(m.g.supers()))) * (BlockSize / 512),
		Atime:  now, Ctime: now, Mtime: now, Crtime: now,
	}
	binary.LittleEndian.PutUint32(in.Block[4*(direct+1):], uint32(m.g.resizeRoot()))
	in.Put(b, ondisk.ResizeIno, m.seed)
}
