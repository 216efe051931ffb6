package ondisk

// Super has the fields of the superblock that we set; Patch writes it over the one
// that mkfs made.
type Super struct {
	Blocks, FreeBlocks, ReservedBlocks uint64
	Inodes, FreeInodes                 uint32
	ReservedGDT                        uint16 // s_reserved_gdt_blocks: for the descriptors of a larger file system
	Overhead                           uint32 // s_overhead_clusters: blocks that are metadata of the file system itself
	Label                              string // at most 16 bytes
	UUID                               [16]byte
	HashSeed                           [4]uint32
	Time                               int64    // seconds since 1970
	JournalBlock                       [60]byte // i_block of the journal
	JournalSize                        uint64   // bytes
}

// SuperblockOffset is the place of the primary superblock, in bytes.
const SuperblockOffset = 1024

// SuperblockSize is its size, in bytes.
const SuperblockSize = 1024

// SuperMagic is s_magic.
const SuperMagic = 0xEF53

// Offsets of the fields of struct ext4_super_block, in bytes.
const (
	SInodesCount       = 0x00  // u32
	SBlocksCountLo     = 0x04  // u32, blocks
	SRBlocksCountLo    = 0x08  // u32, blocks that only root may use
	SFreeBlocksCountLo = 0x0C  // u32, blocks
	SFreeInodesCount   = 0x10  // u32
	SFirstDataBlock    = 0x14  // u32: 1 with blocks of 1 KiB, else 0
	SLogBlockSize      = 0x18  // u32, a block is 1 KiB << this
	SLogClusterSize    = 0x1C  // u32, as s_log_block_size
	SBlocksPerGroup    = 0x20  // u32
	SClustersPerGroup  = 0x24  // u32
	SInodesPerGroup    = 0x28  // u32
	SMtime             = 0x2C  // u32, seconds; 0: never mounted
	SWtime             = 0x30  // u32, seconds
	SMntCount          = 0x34  // u16
	SMaxMntCount       = 0x36  // u16, 0xFFFF: no limit
	SMagic             = 0x38  // u16
	SState             = 0x3A  // u16, 1: clean
	SLastcheck         = 0x40  // u32, seconds
	SRevLevel          = 0x4C  // u32
	SFirstIno          = 0x54  // u32
	SInodeSize         = 0x58  // u16, bytes
	SBlockGroupNr      = 0x5A  // u16, the group of this copy
	SFeatureCompat     = 0x5C  // u32
	SFeatureIncompat   = 0x60  // u32
	SFeatureROCompat   = 0x64  // u32
	SUUID              = 0x68  // 16 bytes
	SVolumeName        = 0x78  // 16 bytes, ended by NUL if shorter
	SLastMounted       = 0x88  // 64 bytes
	SReservedGDTBlocks = 0xCE  // u16, blocks
	SJournalUUID       = 0xD0  // 16 bytes, of an external journal
	SJournalInum       = 0xE0  // u32
	SJournalDev        = 0xE4  // u32, of an external journal
	SLastOrphan        = 0xE8  // u32, inode; 0: none
	SHashSeed          = 0xEC  // 4 u32
	SDefHashVersion    = 0xFC  // u8, Hash*
	SJnlBackupType     = 0xFD  // u8, 1: s_jnl_blocks is i_block and i_size
	SDescSize          = 0xFE  // u16, bytes
	SDefaultMountOpts  = 0x100 // u32
	SMkfsTime          = 0x108 // u32, seconds
	SJnlBlocks         = 0x10C // 68 bytes: i_block of the journal, then the high and the low half of its i_size
	SBlocksCountHi     = 0x150 // u32
	SRBlocksCountHi    = 0x154 // u32
	SFreeBlocksCountHi = 0x158 // u32
	SMinExtraIsize     = 0x15C // u16, bytes
	SWantExtraIsize    = 0x15E // u16, bytes
	SFlags             = 0x160 // u32
	SLogGroupsPerFlex  = 0x174 // u8, power of two of groups
	SChecksumType      = 0x175 // u8, 1: crc32c
	SKbytesWritten     = 0x178 // u64, KiB; then snapshots, errors and mount options
	SUsrQuotaInum      = 0x240 // u32, 0: none
	SGrpQuotaInum      = 0x244 // u32, 0: none
	SOverheadClusters  = 0x248 // u32, blocks that are metadata of the file system itself
	SBackupBgs         = 0x24C // 2 u32, with sparse_super2
	SLpfIno            = 0x268 // u32, lost+found
	SPrjQuotaInum      = 0x26C // u32, 0: none
	SChecksumSeed      = 0x270 // u32, with metadata_csum_seed
	SWtimeHi           = 0x274 // u8, bits 32 to 39 of s_wtime
	SMkfsTimeHi        = 0x276 // u8
	SLastcheckHi       = 0x277 // u8
	SOrphanFileInum    = 0x280 // u32
	SChecksum          = 0x3FC // u32, of all before it
)

// Features that nobody need know (s_feature_compat).
const (
	CompatImagicInodes = 0x2
	CompatHasJournal   = 0x4
	CompatExtAttr      = 0x8
	CompatResizeInode  = 0x10
	CompatDirIndex     = 0x20
	CompatSparseSuper2 = 0x200
	CompatOrphanFile   = 0x1000

	CompatKnown = 0x1E3F // those that e2fsck 1.47 knows
)

// Features that one must know to read (s_feature_incompat).
const (
	IncompatFiletype = 0x2
	IncompatExtents  = 0x40
	Incompat64bit    = 0x80
	IncompatFlexBG   = 0x200
	IncompatCsumSeed = 0x2000
	IncompatLargedir = 0x4000
)

// Features that one must know to write (s_feature_ro_compat).
const (
	ROSparseSuper   = 0x1
	ROLargeFile     = 0x2
	ROHugeFile      = 0x8
	ROGDTCsum       = 0x10
	RODirNlink      = 0x20
	ROExtraIsize    = 0x40
	ROSnapshot      = 0x80
	ROQuota         = 0x100
	ROBigalloc      = 0x200
	ROMetadataCsum  = 0x400
	ROReplica       = 0x800
	ROSharedBlocks  = 0x4000
	ROOrphanPresent = 0x10000

	ROKnown = 0x1FFFB // those that e2fsck 1.47 knows
)

// Features that all our images have; those that can grow have CompatResizeInode too.
const (
	FeatureCompat   = CompatHasJournal | CompatExtAttr | CompatDirIndex
	FeatureIncompat = IncompatFiletype | IncompatExtents | Incompat64bit | IncompatFlexBG
	FeatureROCompat = ROSparseSuper | ROLargeFile | ROHugeFile | RODirNlink | ROExtraIsize | ROMetadataCsum
)

// compat returns s_feature_compat.
func (s *Super) compat() uint32 {
	if s.ReservedGDT == 0 {
		return FeatureCompat
	}
	return FeatureCompat | CompatResizeInode
}

// Patch overwrites the fields of Super in the superblock b, for the copy in
// group, and sets its checksum.
func (s *Super) Patch(b []byte, group uint32) {
	le.PutUint32(b[SInodesCount:], s.Inodes)
	le.PutUint32(b[SBlocksCountLo:], uint32(s.Blocks))
	le.PutUint32(b[SRBlocksCountLo:], uint32(s.ReservedBlocks))
	le.PutUint32(b[SFreeBlocksCountLo:], uint32(s.FreeBlocks))
	le.PutUint32(b[SFreeInodesCount:], s.FreeInodes)
	le.PutUint32(b[SMtime:], 0)
	le.PutUint32(b[SWtime:], uint32(s.Time))
	le.PutUint16(b[SMntCount:], 0)
	le.PutUint16(b[SMaxMntCount:], 0xFFFF)
	le.PutUint32(b[SLastcheck:], uint32(s.Time))
	le.PutUint16(b[SBlockGroupNr:], uint16(group))
	le.PutUint32(b[SFeatureCompat:], s.compat())
	le.PutUint32(b[SFeatureIncompat:], FeatureIncompat)
	le.PutUint32(b[SFeatureROCompat:], FeatureROCompat)
	copy(b[SUUID:SVolumeName], s.UUID[:])
	clear(b[SVolumeName : SLastMounted+64])
	copy(b[SVolumeName:SLastMounted], s.Label)
	le.PutUint16(b[SReservedGDTBlocks:], s.ReservedGDT)
	clear(b[SJournalUUID:SJournalInum])
	for i, w := range s.HashSeed {
		le.PutUint32(b[SHashSeed+4*i:], w)
	}
	b[SDefHashVersion] = HashHalfMD4
	b[SJnlBackupType] = 1
	le.PutUint32(b[SDefaultMountOpts:], 0xC) // s_default_mount_opts: user_xattr, acl
	le.PutUint32(b[SMkfsTime:], uint32(s.Time))
	copy(b[SJnlBlocks:][:60], s.JournalBlock[:])
	le.PutUint32(b[SJnlBlocks+60:], uint32(s.JournalSize>>32))
	le.PutUint32(b[SJnlBlocks+64:], uint32(s.JournalSize))
	le.PutUint32(b[SBlocksCountHi:], uint32(s.Blocks>>32))
	le.PutUint32(b[SRBlocksCountHi:], uint32(s.ReservedBlocks>>32))
	le.PutUint32(b[SFreeBlocksCountHi:], uint32(s.FreeBlocks>>32))
	le.PutUint16(b[SMinExtraIsize:], ExtraIsize)
	le.PutUint16(b[SWantExtraIsize:], ExtraIsize)
	le.PutUint32(b[SFlags:], SignedHash)
	clear(b[SKbytesWritten:SUsrQuotaInum]) // s_kbytes_written, snapshots, s_error_*, s_last_error_*, s_mount_opts
	clear(b[SUsrQuotaInum:SOverheadClusters])
	le.PutUint32(b[SOverheadClusters:], s.Overhead)
	le.PutUint32(b[SLpfIno:], LostFoundIno)
	clear(b[SPrjQuotaInum:SChecksum]) // s_prj_quota_inum, s_checksum_seed, *_hi bytes of times, reserved
	hi := byte(s.Time >> 32)
	b[SWtimeHi], b[SMkfsTimeHi], b[SLastcheckHi] = hi, hi, hi // s_wtime_hi, s_mkfs_time_hi, s_lastcheck_hi
	le.PutUint32(b[SChecksum:], SuperSum(b))
}
