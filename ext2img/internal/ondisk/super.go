package ondisk

// Super is what the superblock of an image says; Patch writes it over the one
// that mkfs made.
type Super struct {
	Blocks, FreeBlocks, ReservedBlocks uint64
	Inodes, FreeInodes                 uint32
	Overhead                           uint32 // s_overhead_clusters: blocks that are metadata of the file system itself
	Label                              string // at most 16 bytes
	UUID                               [16]byte
	HashSeed                           [4]uint32
	Time                               int64    // seconds since 1970
	JournalBlock                       [60]byte // i_block of the journal
	JournalSize                        uint64   // bytes
}

// SuperblockOffset is where the primary superblock begins, in bytes.
const SuperblockOffset = 1024

// SuperblockSize is its size, in bytes.
const SuperblockSize = 1024

// Features that images have.
const (
	FeatureCompat   = 0x4 | 0x8 | 0x20          // has_journal ext_attr dir_index
	FeatureIncompat = 0x2 | 0x40 | 0x80 | 0x200 // filetype extents 64bit flex_bg
	FeatureROCompat = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x400
	// sparse_super large_file huge_file dir_nlink extra_isize metadata_csum
)

// Patch overwrites the fields of Super in the superblock b, for the copy in
// group, and sets its checksum.
func (s *Super) Patch(b []byte, group uint32) {
	le.PutUint32(b[0x00:], s.Inodes)
	le.PutUint32(b[0x04:], uint32(s.Blocks))
	le.PutUint32(b[0x08:], uint32(s.ReservedBlocks))
	le.PutUint32(b[0x0C:], uint32(s.FreeBlocks))
	le.PutUint32(b[0x10:], s.FreeInodes)
	le.PutUint32(b[0x2C:], 0)              // s_mtime: never mounted
	le.PutUint32(b[0x30:], uint32(s.Time)) // s_wtime
	le.PutUint16(b[0x34:], 0)              // s_mnt_count
	le.PutUint16(b[0x36:], 0xFFFF)         // s_max_mnt_count: no limit
	le.PutUint32(b[0x40:], uint32(s.Time)) // s_lastcheck
	le.PutUint16(b[0x5A:], uint16(group))  // s_block_group_nr
	le.PutUint32(b[0x5C:], FeatureCompat)
	le.PutUint32(b[0x60:], FeatureIncompat)
	le.PutUint32(b[0x64:], FeatureROCompat)
	copy(b[0x68:0x78], s.UUID[:])
	clear(b[0x78:0xC8]) // s_volume_name, s_last_mounted
	copy(b[0x78:0x88], s.Label)
	clear(b[0xD0:0xE0]) // s_journal_uuid: of an external journal
	for i, w := range s.HashSeed {
		le.PutUint32(b[0xEC+4*i:], w)
	}
	b[0xFC] = HashHalfMD4                   // s_def_hash_version
	b[0xFD] = 1                             // s_jnl_backup_type: s_jnl_blocks is i_block and i_size
	le.PutUint32(b[0x100:], 0xC)            // s_default_mount_opts: user_xattr, acl
	le.PutUint32(b[0x108:], uint32(s.Time)) // s_mkfs_time
	copy(b[0x10C:0x148], s.JournalBlock[:])
	le.PutUint32(b[0x148:], uint32(s.JournalSize>>32))
	le.PutUint32(b[0x14C:], uint32(s.JournalSize))
	le.PutUint32(b[0x150:], uint32(s.Blocks>>32))
	le.PutUint32(b[0x154:], uint32(s.ReservedBlocks>>32))
	le.PutUint32(b[0x158:], uint32(s.FreeBlocks>>32))
	le.PutUint16(b[0x15C:], ExtraIsize) // s_min_extra_isize
	le.PutUint16(b[0x15E:], ExtraIsize) // s_want_extra_isize
	le.PutUint32(b[0x160:], SignedHash) // s_flags
	clear(b[0x178:0x240])               // s_kbytes_written, snapshots, s_error_*, s_last_error_*, s_mount_opts
	clear(b[0x240:0x248])               // s_usr_quota_inum, s_grp_quota_inum
	le.PutUint32(b[0x248:], s.Overhead)
	le.PutUint32(b[0x268:], LostFoundIno) // s_lpf_ino
	clear(b[0x26C:0x3FC])                 // s_prj_quota_inum, s_checksum_seed, *_hi bytes of times, reserved
	hi := byte(s.Time >> 32)
	b[0x274], b[0x276], b[0x277] = hi, hi, hi // s_wtime_hi, s_mkfs_time_hi, s_lastcheck_hi
	le.PutUint32(b[0x3FC:], uint32(CRC(0xFFFFFFFF).Add(b[:0x3FC])))
}
