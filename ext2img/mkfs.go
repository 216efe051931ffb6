package ext2img

import (
	"encoding/binary"
	"fmt"

	"github.com/diskfs/go-diskfs/filesystem/ext4"
	"github.com/google/uuid"

	"purebundle/ext2img/internal/ondisk"
)

// mkfs has go-diskfs create the file system of g in memory and checks that it
// lies where g says. Kept of it are the superblock, the journal's superblock and
// the positions in the group descriptors; bitmaps, descriptors and inodes are
// encoded anew when the content is known.
func mkfs(g geometry, p Params) (*storage, []ondisk.Group, error) {
	st := newStorage(g.blocks * BlockSize)
	id := uuid.UUID(p.UUID)
	_, err := ext4.Create(st, st.size, 0, 512, &ext4.Params{
		UUID:               &id,
		SectorsPerBlock:    BlockSize / 512,
		InodeCount:         uint32(g.inodes()),
		LogFlexBlockGroups: g.logFlex,
		VolumeName:         p.Label,
		Checksum:           true,
		Features: []ext4.FeatureOpt{
			ext4.WithFeatureMetadataChecksums(true),
			ext4.WithFeatureDirectoryIndices(true),
			ext4.WithFeatureLargeSubdirectoryCount(true),
			ext4.WithFeatureLargeInodes(true),
			// v1.9.4: e2fsck finds the resize inode of 4 KiB blocks not valid.
			ext4.WithFeatureReservedGDTBlocksForExpansion(false),
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("mkfs of %d blocks: %w", g.blocks, err)
	}
	groups := g.descriptors(st)
	if err := g.check(st, groups); err != nil {
		return nil, nil, fmt.Errorf("mkfs of %d blocks: %w", g.blocks, err)
	}
	kept := newStorage(st.size)
	j, _ := g.journal()
	for _, n := range []int64{0, j.start} {
		*kept.block(n) = *st.block(n)
	}
	return kept, groups, nil
}

// check compares what mkfs wrote with what g foretold.
func (g geometry) check(st *storage, groups []ondisk.Group) error {
	size := int64(1) << g.logFlex
	for i, d := range groups {
		n := int64(i)
		leader := n &^ (size - 1)
		base := leader*ondisk.BlocksPerGroup + g.superBlocks(leader) + (n-leader)*(2+g.tableBlocks)
		if int64(d.BlockBitmap) != base || int64(d.InodeBitmap) != base+1 || int64(d.InodeTable) != base+2 {
			return fmt.Errorf("group %d: block bitmap at %d, expected at %d", n, d.BlockBitmap, base)
		}
	}
	j, _ := g.journal()
	inode := make([]byte, ondisk.InodeSize)
	if _, err := st.ReadAt(inode, int64(groups[0].InodeTable)*BlockSize+(ondisk.JournalIno-1)*ondisk.InodeSize); err != nil {
		return err
	}
	extent := inode[0x28+12:] // the first struct ext4_extent of i_block
	if start := int64(binary.LittleEndian.Uint32(extent[8:])); start != j.start {
		return fmt.Errorf("journal at block %d, expected at %d", start, j.start)
	}
	return nil
}

// descriptors reads the group descriptors that mkfs wrote.
func (g geometry) descriptors(st *storage) []ondisk.Group {
	groups := make([]ondisk.Group, g.groups)
	b := make([]byte, ondisk.GroupDescSize)
	for n := range groups {
		st.ReadAt(b, BlockSize+int64(n)*ondisk.GroupDescSize)
		groups[n] = ondisk.ReadGroup(b)
	}
	return groups
}
