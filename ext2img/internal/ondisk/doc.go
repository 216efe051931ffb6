// Package ondisk encodes ext4's on-disk structures, one file a structure. All
// integers are little-endian; offsets, units and names are those of
// Documentation/filesystems/ext4 in the Linux kernel. It knows no files, no
// trees and no allocation.
package ondisk

import "encoding/binary"

var le = binary.LittleEndian

// Sizes that every image of this project has.
const (
	BlockSize      = 4096 // bytes
	InodeSize      = 256  // bytes, s_inode_size
	InodesPerBlock = BlockSize / InodeSize
	BlocksPerGroup = 8 * BlockSize // one bit a block in one bitmap block
	MaxInodesGroup = 8 * BlockSize // one bit an inode in one bitmap block
	GroupDescSize  = 64            // bytes, s_desc_size with the 64bit feature
	ExtraIsize     = 32            // bytes, i_extra_isize: up to and including i_projid
)

// Inode numbers with a meaning of their own.
const (
	RootIno      = 2
	JournalIno   = 8
	FirstIno     = 11 // s_first_ino: the first that is not reserved
	LostFoundIno = 11
)
