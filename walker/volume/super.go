package volume

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// Features of an ext (Documentation/filesystems/ext4/super.rst).
const (
	compatHasJournal   = 0x4
	incompatJournalDev = 0x8
	// What ext2 and ext3 know of s_feature_ro_compat and s_feature_incompat.
	roExt3       = 0x1 | 0x2 | 0x4 // sparse_super, large_file, btree_dir
	incompatExt2 = 0x2 | 0x10      // filetype, meta_bg
	incompatExt3 = incompatExt2 | 0x4
)

// ext reads struct ext4_super_block, 1,024 bytes from the start.
func ext(head []byte) (fs FileSystem, ok bool) {
	b := head[1024:2048]
	const uuidAt, labelAt, labelSize, journalUUID, journalInum = 0x68, 0x78, 16, 0xd0, 0xe0
	if le.Uint16(b[0x38:]) != 0xef53 || le.Uint32(b[0x18:]) > 6 || le.Uint32(b[4:]) == 0 { // s_magic, s_log_block_size, s_blocks_count_lo
		return fs, false
	}
	fs = FileSystem{UUID: uuidText(b[uuidAt:]), Label: cString(b[labelAt : labelAt+labelSize])}
	compat, incompat, ro := le.Uint32(b[0x5c:]), le.Uint32(b[0x60:]), le.Uint32(b[0x64:])
	journal := compat&compatHasJournal != 0
	switch {
	case incompat&incompatJournalDev != 0:
		fs.Type = "jbd"
	case ro&^roExt3 != 0 || incompat&^incompatExt3 != 0:
		fs.Type = "ext4"
	case journal:
		fs.Type = "ext3"
	case incompat&^incompatExt2 != 0:
		return fs, false // a journal to recover, and no journal
	default:
		fs.Type = "ext2"
	}
	if journal && le.Uint32(b[journalInum:]) == 0 && uuidText(b[journalUUID:]) != "" {
		fs.Elsewhere = "its journal lies on another device"
	}
	return fs, true
}

// xfs reads struct xfs_dsb (fs/xfs/libxfs/xfs_format.h), at the start.
func xfs(head []byte) (fs FileSystem, ok bool) {
	const blockSize, realtimeBlocks, uuidAt, logStart, sectSize, name, nameSize = 4, 16, 32, 48, 102, 108, 12
	if string(head[:4]) != "XFSB" || !powerOfTwo(be.Uint32(head[blockSize:]), 512, 65536) ||
		!powerOfTwo(uint32(be.Uint16(head[sectSize:])), 512, 32768) {
		return fs, false
	}
	fs = FileSystem{Type: "xfs", UUID: uuidText(head[uuidAt:]), Label: cString(head[name : name+nameSize])}
	switch {
	case be.Uint64(head[logStart:]) == 0:
		fs.Elsewhere = "its log lies on another device"
	case be.Uint64(head[realtimeBlocks:]) != 0:
		fs.Elsewhere = "its realtime section lies on another device"
	}
	return fs, true
}

const (
	btrfsOffset = 64 << 10 // bytes
	btrfsSize   = 4096     // bytes
)

// btrfs reads struct btrfs_super_block (include/uapi/linux/btrfs_tree.h).
func btrfs(head []byte) (fs FileSystem, ok bool) {
	b := head[btrfsOffset:]
	const fsid, bytenr, magic, devices, label, labelSize = 0x20, 0x30, 0x40, 0x88, 0x12b, 256
	if string(b[magic:magic+8]) != "_BHRfS_M" || le.Uint64(b[bytenr:]) != btrfsOffset {
		return fs, false
	}
	fs = FileSystem{Type: "btrfs", UUID: uuidText(b[fsid:]), Label: cString(b[label : label+labelSize])}
	if n := le.Uint64(b[devices:]); n > 1 {
		fs.Elsewhere = fmt.Sprintf("it is spread over %d devices", n)
	}
	return fs, true
}

// f2fs reads struct f2fs_super_block (include/linux/f2fs_fs.h), 1,024 bytes from the
// start.
func f2fs(head []byte) (fs FileSystem, ok bool) {
	b := head[1024:4096]
	const uuidAt, name, nameSize, devices, deviceSize, maxDevices = 108, 124, 1024, 2201, 68, 8
	if le.Uint32(b) != 0xf2f52010 {
		return fs, false
	}
	var label [nameSize / 2]uint16
	for i := range label {
		label[i] = le.Uint16(b[name+2*i:])
	}
	fs = FileSystem{Type: "f2fs", UUID: uuidText(b[uuidAt:])}
	fs.Label, _, _ = strings.Cut(string(utf16.Decode(label[:])), "\x00")
	n := 0
	for n < maxDevices && b[devices+n*deviceSize] != 0 { // its path
		n++
	}
	if n > 1 {
		fs.Elsewhere = fmt.Sprintf("it is spread over %d devices", n)
	}
	return fs, true
}
