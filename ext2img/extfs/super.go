package extfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"purebundle/ext2img/internal/ondisk"
)

// superblock holds the fields of struct ext4_super_block that are used, under
// the kernel's names less "s_".
type superblock struct {
	inodesCount    uint32
	blocksCount    uint64 // file system blocks
	reserved       uint64 // blocks that only root may use (s_r_blocks_count)
	freeBlocks     uint64
	freeInodes     uint32
	firstDataBlock uint32
	blockSize      int // bytes
	blocksPerGroup uint32
	inodesPerGroup uint32
	state          uint16
	firstIno       uint32
	inodeSize      int // bytes
	blockGroupNr   uint16
	compat         uint32
	incompat       uint32
	roCompat       uint32
	uuid           [16]byte
	label          string
	reservedGDT    uint32 // blocks
	journalInum    uint32
	minExtraIsize  int  // bytes
	wantExtraIsize int  // bytes
	external       bool // names an external journal
	lastOrphan     uint32
	hashSeed       [4]uint32
	jnlBackupType  uint8
	descSize       int // bytes of a group descriptor
	saidDescSize   int // s_desc_size, which only counts with 64bit
	jnlBlocks      [68]byte
	flags          uint32
	checksumType   uint8
	logFlex        uint8     // s_log_groups_per_flex
	quotaInums     [3]uint32 // user, group, project; 0: none
	backupBGs      [2]uint32
	checksumSeed   uint32
	orphanFileInum uint32
}

func (s *superblock) metadataCsum() bool { return s.roCompat&ondisk.ROMetadataCsum != 0 }

// groupCsum returns true if descriptors have a checksum, and with it the
// uninit flags and bg_itable_unused a meaning.
func (s *superblock) groupCsum() bool {
	return s.roCompat&(ondisk.ROMetadataCsum|ondisk.ROGDTCsum) != 0
}

// superFields decodes the fields that every superblock has.
func superFields(b []byte) *superblock {
	return &superblock{
		inodesCount:    le32(b, ondisk.SInodesCount),
		blocksCount:    uint64(le32(b, ondisk.SBlocksCountLo)),
		reserved:       uint64(le32(b, ondisk.SRBlocksCountLo)),
		freeBlocks:     uint64(le32(b, ondisk.SFreeBlocksCountLo)),
		freeInodes:     le32(b, ondisk.SFreeInodesCount),
		firstDataBlock: le32(b, ondisk.SFirstDataBlock),
		blocksPerGroup: le32(b, ondisk.SBlocksPerGroup),
		inodesPerGroup: le32(b, ondisk.SInodesPerGroup),
		state:          le16(b, ondisk.SState),
		firstIno:       11,
		inodeSize:      ondisk.GoodOldInodeSize,
		blockGroupNr:   le16(b, ondisk.SBlockGroupNr),
		compat:         le32(b, ondisk.SFeatureCompat),
		incompat:       le32(b, ondisk.SFeatureIncompat),
		roCompat:       le32(b, ondisk.SFeatureROCompat),
		uuid:           [16]byte(b[ondisk.SUUID:]),
		label:          cString(b[ondisk.SVolumeName:ondisk.SLastMounted]),
		reservedGDT:    uint32(le16(b, ondisk.SReservedGDTBlocks)),
		journalInum:    le32(b, ondisk.SJournalInum),
		minExtraIsize:  int(le16(b, ondisk.SMinExtraIsize)),
		wantExtraIsize: int(le16(b, ondisk.SWantExtraIsize)),
		external:       le32(b, ondisk.SJournalDev) != 0 || !allZero(b[ondisk.SJournalUUID:ondisk.SJournalInum]),
		lastOrphan:     le32(b, ondisk.SLastOrphan),
		hashSeed:       words4(b, ondisk.SHashSeed),
		jnlBackupType:  b[ondisk.SJnlBackupType],
		descSize:       32,
		saidDescSize:   int(le16(b, ondisk.SDescSize)),
		jnlBlocks:      [68]byte(b[ondisk.SJnlBlocks:]),
		flags:          le32(b, ondisk.SFlags),
		checksumType:   b[ondisk.SChecksumType],
		logFlex:        b[ondisk.SLogGroupsPerFlex],
		quotaInums:     [3]uint32{le32(b, ondisk.SUsrQuotaInum), le32(b, ondisk.SGrpQuotaInum), le32(b, ondisk.SPrjQuotaInum)},
		backupBGs:      [2]uint32{le32(b, ondisk.SBackupBgs), le32(b, ondisk.SBackupBgs+4)},
		checksumSeed:   le32(b, ondisk.SChecksumSeed),
		orphanFileInum: le32(b, ondisk.SOrphanFileInum),
	}
}

// parseSuper decodes and checks a superblock against itself.
func parseSuper(b []byte) (*superblock, error) {
	if le16(b, ondisk.SMagic) != ondisk.SuperMagic {
		return nil, errors.New("not an ext4 file system (no magic number)")
	}
	s := superFields(b)
	if rev := le32(b, ondisk.SRevLevel); rev == 1 {
		s.firstIno = le32(b, ondisk.SFirstIno)
		s.inodeSize = int(le16(b, ondisk.SInodeSize))
	} else if rev != 0 {
		return nil, fmt.Errorf("unknown revision %d", rev)
	}
	if err := s.checkFeatures(b); err != nil {
		return nil, err
	}
	if s.incompat&ondisk.Incompat64bit != 0 {
		s.blocksCount |= uint64(le32(b, ondisk.SBlocksCountHi)) << 32
		s.reserved |= uint64(le32(b, ondisk.SRBlocksCountHi)) << 32
		s.freeBlocks |= uint64(le32(b, ondisk.SFreeBlocksCountHi)) << 32
		s.descSize = int(le16(b, ondisk.SDescSize))
	}
	logBlock := le32(b, ondisk.SLogBlockSize)
	if logBlock > 6 {
		return nil, fmt.Errorf("block size 2^%d KiB", logBlock)
	}
	s.blockSize = 1024 << logBlock
	if le32(b, ondisk.SLogClusterSize) != logBlock || le32(b, ondisk.SClustersPerGroup) != s.blocksPerGroup {
		return nil, errors.New("cluster size is not the block size")
	}
	return s, s.checkGeometry()
}

// checkGeometry refuses sizes that no ext4 has, before anything is computed
// from them.
func (s *superblock) checkGeometry() error {
	bs := s.blockSize
	first := uint32(0)
	if bs == 1024 {
		first = 1
	}
	switch {
	case s.inodeSize < ondisk.GoodOldInodeSize || s.inodeSize > bs || s.inodeSize&(s.inodeSize-1) != 0:
		return fmt.Errorf("inode size %d", s.inodeSize)
	case s.descSize < 32 || s.descSize > 1024 || s.descSize&(s.descSize-1) != 0 || s.incompat&ondisk.Incompat64bit != 0 && s.descSize < 64:
		return fmt.Errorf("group descriptor size %d", s.descSize)
	case s.blocksPerGroup < 256 || int(s.blocksPerGroup) > 8*bs || s.blocksPerGroup%8 != 0:
		return fmt.Errorf("%d blocks per group", s.blocksPerGroup)
	case s.inodesPerGroup == 0 || int(s.inodesPerGroup) > 8*bs || s.inodesPerGroup%8 != 0:
		return fmt.Errorf("%d inodes per group", s.inodesPerGroup)
	case s.firstDataBlock != first:
		return fmt.Errorf("first data block %d", s.firstDataBlock)
	case s.blocksCount <= uint64(first)+1 || s.blocksCount > 1<<48:
		return fmt.Errorf("%d blocks", s.blocksCount)
	case s.groups() > 1<<32-1 || s.groups()*uint64(s.inodesPerGroup) != uint64(s.inodesCount):
		return fmt.Errorf("%d inodes in %d groups of %d", s.inodesCount, s.groups(), s.inodesPerGroup)
	case s.firstIno < 11 || s.firstIno > s.inodesCount:
		return fmt.Errorf("first inode %d of %d", s.firstIno, s.inodesCount)
	case s.reservedGDT > uint32(bs/4):
		return fmt.Errorf("%d reserved descriptor blocks", s.reservedGDT)
	case uint64(first)+1+s.gdtBlocks() > s.blocksCount || s.gdtBlocks() > uint64(s.blocksPerGroup):
		return fmt.Errorf("%d blocks of group descriptors", s.gdtBlocks())
	}
	return nil
}

// groups returns the number of block groups; the last may be short.
func (s *superblock) groups() uint64 {
	n := s.blocksCount - uint64(s.firstDataBlock)
	return (n + uint64(s.blocksPerGroup) - 1) / uint64(s.blocksPerGroup)
}

// gdtBlocks returns the length of the group descriptor table, in blocks.
func (s *superblock) gdtBlocks() uint64 {
	return (s.groups()*uint64(s.descSize) + uint64(s.blockSize) - 1) / uint64(s.blockSize)
}

// inodeTableBlocks returns the length of one group's inode table, in blocks.
func (s *superblock) inodeTableBlocks() uint64 {
	return (uint64(s.inodesPerGroup)*uint64(s.inodeSize) + uint64(s.blockSize) - 1) / uint64(s.blockSize)
}

// FS is an open file system. It is safe for concurrent use.
type FS struct {
	r    io.ReaderAt
	sb   *superblock
	seed ondisk.CRC // what metadata checksums start from
	desc descCache
}

// Info says what a file system is, as its superblock has it.
type Info struct {
	BlockSize             int // bytes
	Blocks, FreeBlocks    uint64
	Inodes, FreeInodes    uint32
	Label                 string
	UUID                  [16]byte
	Compat, Incompat, Ro  uint32 // feature bits
	InodeSize, Groups     int
	FirstInode, JournalNo uint32 // first inode that is not reserved; the journal's, 0: none
}

// Open reads the superblock of an image of size bytes and checks it. The
// image may be longer than the file system, never shorter.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	if size < ondisk.SuperblockOffset+ondisk.SuperblockSize {
		return nil, fmt.Errorf("open ext4: %d bytes are too few", size)
	}
	b := make([]byte, ondisk.SuperblockSize)
	if _, err := readFull(r, b, ondisk.SuperblockOffset); err != nil {
		return nil, fmt.Errorf("open ext4: superblock: %w", err)
	}
	s, err := parseSuper(b)
	if err != nil {
		return nil, fmt.Errorf("open ext4: %w", err)
	}
	if s.blocksCount > uint64(size)/uint64(s.blockSize) {
		return nil, fmt.Errorf("open ext4: truncated: the file system has %d blocks of %d bytes, the image %d bytes",
			s.blocksCount, s.blockSize, size)
	}
	f := &FS{r: r, sb: s, seed: ondisk.CRC(s.checksumSeed)}
	if s.incompat&ondisk.IncompatCsumSeed == 0 {
		f.seed = ondisk.Seed(s.uuid)
	}
	return f, nil
}

// Info gives the superblock's main fields.
func (f *FS) Info() Info {
	s := f.sb
	return Info{
		BlockSize: s.blockSize, Blocks: s.blocksCount, FreeBlocks: s.freeBlocks,
		Inodes: s.inodesCount, FreeInodes: s.freeInodes, Label: s.label, UUID: s.uuid,
		Compat: s.compat, Incompat: s.incompat, Ro: s.roCompat,
		InodeSize: s.inodeSize, Groups: int(s.groups()), FirstInode: s.firstIno, JournalNo: s.journalInum,
	}
}

// readBlocks fills p from block number on; p is whole blocks.
func (f *FS) readBlocks(p []byte, number uint64) error {
	if count := uint64(len(p) / f.sb.blockSize); number >= f.sb.blocksCount || count > f.sb.blocksCount-number {
		return fmt.Errorf("block %d is outside of the file system", number)
	}
	if _, err := readFull(f.r, p, int64(number)*int64(f.sb.blockSize)); err != nil {
		return fmt.Errorf("read block %d: %w", number, err)
	}
	return nil
}

// readFull reads as ReadAt does, and io.EOF after the last byte is no error.
func readFull(r io.ReaderAt, p []byte, off int64) (int, error) {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func le16(b []byte, off int) uint16 { return binary.LittleEndian.Uint16(b[off:]) }
func le32(b []byte, off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }

func words4(b []byte, off int) [4]uint32 {
	return [4]uint32{le32(b, off), le32(b, off+4), le32(b, off+8), le32(b, off+12)}
}

// cString gives the bytes before the first NUL.
func cString(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
