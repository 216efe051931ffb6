package extfs

import (
	"encoding/binary"
	"hash/crc32"
)

// crc32c continues a checksum as ext4 has it: the Castagnoli polynomial
// without the inversion that hash/crc32 does before and after.
func crc32c(crc uint32, p []byte) uint32 {
	return ^crc32.Update(^crc, crc32.MakeTable(crc32.Castagnoli), p)
}

func crc32cLE32(crc, v uint32) uint32 {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], v)
	return crc32c(crc, b[:])
}

// crc16 continues the checksum of the older uninit_bg group descriptors: the
// ANSI polynomial x^16+x^15+x^2+1, reflected.
func crc16(crc uint16, p []byte) uint16 {
	for _, b := range p {
		crc ^= uint16(b)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= 0xa001
			}
		}
	}
	return crc
}

// groupChecksum gives bg_checksum of a raw descriptor, by whichever of the
// two algorithms the features choose.
func (f *FS) groupChecksum(group uint32, raw []byte) uint16 {
	const field = 0x1e // bg_checksum, 2 bytes
	if f.sb.metadataCsum() {
		crc := crc32cLE32(f.seed, group)
		crc = crc32c(crc, raw[:field])
		crc = crc32c(crc, []byte{0, 0})
		crc = crc32c(crc, raw[field+2:])
		return uint16(crc)
	}
	var le [4]byte
	binary.LittleEndian.PutUint32(le[:], group)
	crc := crc16(0xffff, f.sb.uuid[:])
	crc = crc16(crc, le[:])
	crc = crc16(crc, raw[:field])
	return crc16(crc, raw[field+2:])
}

// inodeSeed is what the checksums of an inode's own blocks start from.
func (f *FS) inodeSeed(ino, generation uint32) uint32 {
	return crc32cLE32(crc32cLE32(f.seed, ino), generation)
}

// inodeChecksum gives the checksum of a raw inode, and whether it has room
// for the upper half (i_checksum_hi).
func (f *FS) inodeChecksum(ino uint32, raw []byte) (crc uint32, wide bool) {
	const lo, hi = 0x7c, 0x82
	crc = f.inodeSeed(ino, le32(raw, 0x64))
	wide = len(raw) > goodOldInodeSize && le16(raw, 0x80) >= hi+2-goodOldInodeSize
	crc = crc32c(crc, raw[:lo])
	crc = crc32c(crc, []byte{0, 0})
	if !wide {
		return crc32c(crc, raw[lo+2:]), false
	}
	crc = crc32c(crc, raw[lo+2:hi])
	crc = crc32c(crc, []byte{0, 0})
	return crc32c(crc, raw[hi+2:]), true
}

// inodeChecksumOK compares the stored checksum of a raw inode; an inode that
// is all zero was never used and has none.
func (f *FS) inodeChecksumOK(ino uint32, raw []byte) bool {
	if !f.sb.metadataCsum() || allZero(raw) {
		return true
	}
	crc, wide := f.inodeChecksum(ino, raw)
	if le16(raw, 0x7c) != uint16(crc) {
		return false
	}
	return !wide || le16(raw, 0x82) == uint16(crc>>16)
}

// extentChecksumOK checks the tail behind the eh_max entries of a node.
func (f *FS) extentChecksumOK(n *Inode, node []byte) bool {
	if !f.sb.metadataCsum() {
		return true
	}
	tail := extentHeaderSize + extentSize*int(le16(node, 4))
	if tail+4 > len(node) {
		return false
	}
	return le32(node, tail) == crc32c(f.inodeSeed(n.Ino, n.Generation), node[:tail])
}

// leafChecksumOK checks the tail of a directory block: a dirent of inode 0,
// 12 bytes, no name, type 0xde, then the checksum.
func (f *FS) leafChecksumOK(n *Inode, block []byte) bool {
	if !f.sb.metadataCsum() {
		return true
	}
	tail := len(block) - dirTailSize
	return isDirTail(block[tail:]) && le32(block, tail+8) == crc32c(f.inodeSeed(n.Ino, n.Generation), block[:tail])
}

func isDirTail(b []byte) bool {
	return le32(b, 0) == 0 && le16(b, 4) == dirTailSize && b[6] == 0 && b[7] == 0xde
}

// indexChecksumOK checks the tail of an htree node whose limit and count are
// at offset; both were checked to lie within the block.
func (f *FS) indexChecksumOK(n *Inode, block []byte, offset int) bool {
	if !f.sb.metadataCsum() {
		return true
	}
	limit, count := int(le16(block, offset)), int(le16(block, offset+2))
	tail := offset + limit*8
	if tail+8 > len(block) || count > limit {
		return false
	}
	crc := crc32c(f.inodeSeed(n.Ino, n.Generation), block[:offset+count*8])
	crc = crc32c(crc, block[tail:tail+4])
	return le32(block, tail+4) == crc32cLE32(crc, 0)
}

// xattrChecksumOK checks h_checksum of an xattr block, which covers its own
// block number.
func (f *FS) xattrChecksumOK(number uint64, block []byte) bool {
	if !f.sb.metadataCsum() {
		return true
	}
	const field = 0x10
	var le [8]byte
	binary.LittleEndian.PutUint64(le[:], number)
	crc := crc32c(f.seed, le[:])
	crc = crc32c(crc, block[:field])
	crc = crc32cLE32(crc, 0)
	return le32(block, field) == crc32c(crc, block[field+4:])
}
