package extfs

import "purebundle/ext2img/internal/ondisk"

// groupChecksum returns bg_checksum of a raw descriptor, by whichever of the
// two algorithms the features choose.
func (f *FS) groupChecksum(group uint32, raw []byte) uint16 {
	if f.sb.metadataCsum() {
		return ondisk.GroupSum(raw, group, f.seed)
	}
	return ondisk.GroupSum16(raw, group, f.sb.uuid)
}

// inodeSeed returns the seed of the checksums of an inode's own blocks.
func (f *FS) inodeSeed(n *Inode) ondisk.CRC { return f.seed.Inode(n.Ino, n.Generation) }

// inodeChecksumOK compares the stored checksum of a raw inode; an inode that
// is all zero was never used and has none.
func (f *FS) inodeChecksumOK(ino uint32, raw []byte) bool {
	if !f.sb.metadataCsum() || allZero(raw) {
		return true
	}
	crc, wide := ondisk.InodeSum(raw, ino, f.seed)
	if le16(raw, ondisk.IChecksumLo) != uint16(crc) {
		return false
	}
	return !wide || le16(raw, ondisk.IChecksumHi) == uint16(crc>>16)
}

// extentChecksumOK checks the tail behind the eh_max entries of a node.
func (f *FS) extentChecksumOK(n *Inode, node []byte) bool {
	if !f.sb.metadataCsum() {
		return true
	}
	tail := ondisk.ExtentHeaderSize + ondisk.ExtentSize*int(le16(node, ondisk.EhMax))
	if tail+4 > len(node) {
		return false
	}
	return le32(node, tail) == uint32(f.inodeSeed(n).Add(node[:tail]))
}

// leafChecksumOK checks the tail of a directory block: a dirent of inode 0,
// 12 bytes, no name, type 0xde, then the checksum.
func (f *FS) leafChecksumOK(n *Inode, block []byte) bool {
	if !f.sb.metadataCsum() {
		return true
	}
	tail := len(block) - ondisk.DirTailSize
	return isDirTail(block[tail:]) && le32(block, tail+ondisk.DirHeaderSize) == uint32(f.inodeSeed(n).Add(block[:tail]))
}

func isDirTail(b []byte) bool {
	return le32(b, ondisk.DeInode) == 0 && le16(b, ondisk.DeRecLen) == ondisk.DirTailSize && b[ondisk.DeNameLen] == 0 && b[ondisk.DeFileType] == ondisk.FtChecksum
}

// indexChecksumOK checks the tail of an htree node whose limit and count are
// at offset; both were checked to lie within the block.
func (f *FS) indexChecksumOK(n *Inode, block []byte, offset int) bool {
	if !f.sb.metadataCsum() {
		return true
	}
	limit, count := int(le16(block, offset)), int(le16(block, offset+2))
	tail := offset + limit*ondisk.DxEntrySize
	if tail+8 > len(block) || count > limit {
		return false
	}
	return le32(block, tail+4) == ondisk.HtreeSum(block, offset, count, tail, f.inodeSeed(n))
}

// xattrChecksumOK checks h_checksum of an xattr block, which covers its own
// block number.
func (f *FS) xattrChecksumOK(number uint64, block []byte) bool {
	if !f.sb.metadataCsum() {
		return true
	}
	return le32(block, ondisk.XattrHChecksum) == ondisk.XattrSum(block, number, f.seed)
}
