package ext2img

import (
	"encoding/binary"
	"fmt"

	"github.com/diskfs/go-diskfs/filesystem/ext4"
	"github.com/google/uuid"

	"purebundle/ext2img/internal/ondisk"
	"purebundle/ext2img/internal/sparse"
)

// maxTemplate is the largest file system that mkfs makes whole, in groups; a
// larger one is grown from it, as resize2fs would. Create of go-diskfs v1.9.4
// formats a string for every bit that it sets: 3 s for 100 GiB.
const maxTemplate = 16

// mkfs has go-diskfs create the file system of g in memory and checks that it
// lies where g says. Kept of it are the superblock and the journal; bitmaps,
// descriptors and inodes are encoded anew when the content is known.
func mkfs(g geometry, p Params) (*sparse.Device, []ondisk.Group, error) {
	t := g
	t.groups = min(g.groups, maxTemplate)
	t.blocks = min(g.blocks, t.groups*ondisk.BlocksPerGroup)
	t.reservedGDT = 0
	t.gdtBlocks = ceilDiv(t.groups*ondisk.GroupDescSize, BlockSize)
	t.journalBlocks = min(g.journalBlocks, t.blocks/journalShare)
	st := sparse.New(t.blocks * BlockSize)
	id := uuid.UUID(p.UUID)
	_, err := ext4.Create(st, st.Size, 0, 512, &ext4.Params{
		UUID:               &id,
		SectorsPerBlock:    BlockSize / 512,
		InodeCount:         uint32(t.inodes()),
		LogFlexBlockGroups: t.logFlex,
		VolumeName:         "purebundle", // for now: v1.9.4 panics on a label that is not ASCII
		Checksum:           true,
		Features: []ext4.FeatureOpt{
			ext4.WithFeatureMetadataChecksums(true),
			ext4.WithFeatureDirectoryIndices(true),
			ext4.WithFeatureLargeSubdirectoryCount(true),
			ext4.WithFeatureLargeInodes(true),
			// Ours, see encodeResize: e2fsck finds that of v1.9.4 with 4 KiB blocks not valid.
			ext4.WithFeatureReservedGDTBlocksForExpansion(false),
		},
	})
	if err == nil {
		err = t.check(st)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("mkfs of %d blocks: %w", g.blocks, err)
	}
	kept := sparse.New(g.blocks * BlockSize)
	*kept.Block(0) = *st.Block(0)
	from, _ := t.journal()
	to, _ := g.journal()
	*kept.Block(to.start) = *st.Block(from.start)
	ondisk.PatchJournal(kept.Block(to.start)[:], uint32(g.journalBlocks))
	return kept, g.descriptors(), nil
}

// descriptors gives the positions of every group's metadata: behind the
// superblock and descriptors of the flex group's first group.
func (g geometry) descriptors() []ondisk.Group {
	ds := make([]ondisk.Group, g.groups)
	for i := range ds {
		n := int64(i)
		leader := n &^ (1<<g.logFlex - 1)
		at := leader*ondisk.BlocksPerGroup + g.superBlocks(leader)
		bitmaps := at + (n-leader)*(2+g.tableBlocks)
		table := bitmaps + 2
		if g.packed() {
			size := min(1<<g.logFlex, g.groups-leader)
			table = at + g.bitmapBlocks(leader, size) + (n-leader)*g.tableBlocks
			first := n - n%packGroups
			bitmaps = first*ondisk.BlocksPerGroup + g.superBlocks(first) + 2*(n-first)
		}
		ds[i] = ondisk.Group{BlockBitmap: uint64(bitmaps), InodeBitmap: uint64(bitmaps + 1), InodeTable: uint64(table)}
	}
	return ds
}

// check compares what mkfs wrote with what g foretold.
func (g geometry) check(st *sparse.Device) error {
	b := make([]byte, ondisk.GroupDescSize)
	want := g.descriptors()
	for n := range want {
		if _, err := st.ReadAt(b, BlockSize+int64(n)*ondisk.GroupDescSize); err != nil {
			return err
		}
		if got := ondisk.ReadGroup(b); got != want[n] {
			return fmt.Errorf("group %d: block bitmap at %d, expected at %d", n, got.BlockBitmap, want[n].BlockBitmap)
		}
	}
	inode := make([]byte, ondisk.InodeSize)
	if _, err := st.ReadAt(inode, int64(want[0].InodeTable)*BlockSize+(ondisk.JournalIno-1)*ondisk.InodeSize); err != nil {
		return err
	}
	j, _ := g.journal()
	extent := inode[ondisk.IBlock+ondisk.ExtentHeaderSize:] // the first of i_block
	if start := int64(binary.LittleEndian.Uint32(extent[ondisk.EeStartLo:])); start != j.start {
		return fmt.Errorf("journal at block %d, expected at %d", start, j.start)
	}
	return nil
}
