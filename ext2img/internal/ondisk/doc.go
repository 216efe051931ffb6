// Package ondisk has every fact of ext4's on-disk format, one file a structure:
// offsets, flags, magic numbers, checksums, hashes, times, device numbers. Writer
// (ext2img) and reader (extfs) share it; encoding is here, decoding is extfs'. All
// integers are little-endian but the journal's; names, offsets and units are those
// of Documentation/filesystems/ext4 in the Linux kernel. It knows no files, no
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
	BadIno       = 1 // the list of bad blocks
	RootIno      = 2
	ResizeIno    = 7
	JournalIno   = 8
	FirstIno     = 11 // s_first_ino: the first that is not reserved
	LostFoundIno = 11
)
