package extfs

import (
	"bytes"

	"purebundle/ext2img/internal/ondisk"
)

// inodes reads the inode tables: bitmaps and counts of each group, and every
// inode in use.
func (c *checker) inodes() {
	f := c.f
	bitmap := make([]byte, f.sb.blockSize)
	for group := range uint32(f.sb.groups()) {
		if c.stopped() {
			return
		}
		if c.badGroups.has(uint64(group)) {
			continue
		}
		raw, err := f.rawGroup(group)
		if err != nil {
			c.err = err
			return
		}
		g := f.parseGroup(raw)
		per := int(f.sb.inodesPerGroup)
		inUse := per - int(g.itableUnused)
		if g.flags&ondisk.InodeUninit != 0 {
			clear(bitmap)
			inUse = 0
			if g.itableUnused != uint32(per) {
				c.inGroup(group, "%d unused inodes, but the inode bitmap is not initialised", g.itableUnused)
			}
		} else {
			if !c.read(bitmap, g.inodeBitmap) {
				return
			}
			c.bitmapChecksum(group, "inode", bitmap[:per/8], g.inodeBitmapCsum)
			c.padding(group, "inode", bitmap, per)
		}
		used := onesIn(bitmap, per)
		if onesIn(bitmap, inUse) != used {
			c.inGroup(group, "inodes are in use among the last %d, which were never used", g.itableUnused)
		}
		if int(g.freeInodes) != per-used {
			c.inGroup(group, "%d free inodes, want %d", g.freeInodes, per-used)
		}
		if dirs := c.inodeTable(group, g, bitmap, inUse); dirs != int(g.usedDirs) {
			c.inGroup(group, "%d directories, want %d", g.usedDirs, dirs)
		}
	}
}

// inodeTable checks the first count inodes of a group and gives the number of
// directories.
func (c *checker) inodeTable(group uint32, g group, bitmap []byte, count int) int {
	f := c.f
	size := f.sb.inodeSize
	per := len(c.table) / size
	dirs := 0
	for first := 0; first < count; first += per {
		blocks := (min(per, count-first)*size + f.sb.blockSize - 1) / f.sb.blockSize
		part := c.table[:blocks*f.sb.blockSize]
		if !c.read(part, g.inodeTable+uint64(first*size/f.sb.blockSize)) {
			return dirs
		}
		for i := range min(per, count-first) {
			index := first + i
			ino := group*f.sb.inodesPerGroup + uint32(index) + 1
			if c.inode(ino, part[i*size:(i+1)*size], bitmap[index/8]>>(index%8)&1 != 0) {
				dirs++
			}
			if c.err != nil {
				return dirs
			}
		}
	}
	return dirs
}

// inode checks one inode and claims its blocks; it is true for a directory
// in use.
func (c *checker) inode(ino uint32, raw []byte, used bool) bool {
	f := c.f
	reserved := ino < f.sb.firstIno && ino != ondisk.RootIno
	if allZero(raw) {
		if used && !reserved {
			c.inInode(ino, "in use in the bitmap, but empty")
		}
		return false
	}
	if !f.inodeChecksumOK(ino, raw) {
		c.inInode(ino, "bad checksum")
	}
	nlink := le16(raw, ondisk.ILinksCount)
	if !used {
		if nlink != 0 {
			c.inInode(ino, "has %d links, but is free in the bitmap", nlink)
		} else if !reserved && le16(raw, ondisk.IMode) != 0 && le32(raw, ondisk.IDtime) == 0 {
			c.inInode(ino, "deleted, but has no deletion time")
		}
		return false
	}
	if nlink == 0 && !reserved {
		c.inInode(ino, "in use in the bitmap, but has no links")
	}
	st := inodeState{nlink: nlink, kind: raw[1] >> 4}
	if reserved || c.isHidden(ino) {
		st.marks |= markHidden
	}
	c.highHalves(ino, raw)
	n, err := f.parseInode(ino, raw)
	if err != nil {
		c.add(Problem{Ino: ino, Where: "inode table", Text: err.Error()})
		st.marks |= markBad
	} else {
		if !c.content(n) {
			st.marks |= markBad
		}
		if n.Flags&ondisk.IndexFl != 0 {
			st.marks |= markIndexed
		}
	}
	if st.kind != 0 {
		c.states.put(ino, st)
	}
	return st.kind == ondisk.SIFDIR>>12
}

// highHalves checks that fields which the features or the type give no meaning
// are zero.
func (c *checker) highHalves(ino uint32, raw []byte) {
	s := c.f.sb
	kind := uint32(raw[1]>>4) << 12
	for _, f := range []struct {
		name  string
		value uint32
		used  bool
	}{
		{"i_size_high", le32(raw, ondisk.ISizeHigh), kind == ondisk.SIFREG || kind == ondisk.SIFDIR && s.incompat&ondisk.IncompatLargedir != 0},
		{"i_file_acl_high", uint32(le16(raw, ondisk.IFileACLHigh)), s.incompat&ondisk.Incompat64bit != 0},
		{"i_blocks_high", uint32(le16(raw, ondisk.IBlocksHigh)), s.roCompat&ondisk.ROHugeFile != 0},
		{"i_obso_faddr", le32(raw, ondisk.IObsoFaddr), false},
	} {
		if f.value != 0 && !f.used {
			c.inInode(ino, "%s is %#x, which means nothing here", f.name, f.value)
		}
	}
}

// again reads an inode that is in use once more; nil if it or its group is
// not to be trusted, or reading failed.
func (c *checker) again(ino uint32) *Inode {
	number := (ino - 1) / c.f.sb.inodesPerGroup
	if st := c.states.get(ino); st == nil || st.marks&markBad != 0 || c.badGroups.has(uint64(number)) {
		return nil
	}
	desc, err := c.f.rawGroup(number)
	if err != nil {
		c.err = err
		return nil
	}
	raw, err := c.f.rawInodeOf(c.f.parseGroup(desc), ino)
	if err != nil {
		c.err = err
		return nil
	}
	n, err := c.f.parseInode(ino, raw)
	if err != nil {
		return nil // said before
	}
	return n
}

// isHidden returns true for inodes that no directory names though they are not
// below s_first_ino.
func (c *checker) isHidden(ino uint32) bool {
	s := c.f.sb
	return ino == s.journalInum && s.compat&ondisk.CompatHasJournal != 0 ||
		ino == s.quotaInums[0] || ino == s.quotaInums[1] || ino == s.quotaInums[2] ||
		ino == s.orphanFileInum && s.compat&ondisk.CompatOrphanFile != 0
}

// content checks the fields of an inode in use, and claims its blocks. It is
// false if they are not to be read.
func (c *checker) content(n *Inode) bool {
	if n.dtime != 0 && n.Nlink != 0 {
		c.inInode(n.Ino, "in use, but has a deletion time")
	}
	for _, t := range []Time{n.Atime, n.Mtime, n.Ctime, n.Crtime} {
		if t.Nsec >= 1e9 {
			c.inInode(n.Ino, "a time with %d nanoseconds", t.Nsec)
			break
		}
	}
	if n.extraIsize == 0 && c.f.sb.inodeSize > ondisk.GoodOldInodeSize && n.Ino >= c.f.sb.firstIno && c.f.sb.metadataCsum() {
		c.inInode(n.Ino, "no room for the upper half of its checksum")
	}
	if n.Flags&ondisk.ImagicFl != 0 && c.f.sb.compat&ondisk.CompatImagicInodes == 0 || n.Flags&ondisk.IndexFl != 0 && !n.IsDir() {
		c.inInode(n.Ino, "flags %#x", n.Flags)
	}
	if n.Flags&ondisk.ExtentsFl != 0 && c.f.sb.incompat&ondisk.IncompatExtents == 0 {
		c.inInode(n.Ino, "extents, without the feature extent")
	}
	if err := n.readable(); err != nil {
		c.inInode(n.Ino, "flags %#x", n.Flags)
		return false
	}
	w := blockWalk{c: c, n: n, contiguous: true}
	switch {
	case n.Ino == ondisk.ResizeIno && c.f.sb.compat&ondisk.CompatResizeInode != 0:
		w.resizeInode()
	case n.Ino == ondisk.ResizeIno && !allZero(n.iblock[:]):
		c.inInode(n.Ino, "the resize inode has blocks without the feature resize_inode")
		return false
	case n.Ino == ondisk.BadIno:
		w.blockMap()
	case n.hasBlocks() && n.Flags&ondisk.ExtentsFl != 0:
		w.extents()
	case n.hasBlocks():
		w.blockMap()
	}
	c.kind(n, &w)
	want := int64(w.blocks)
	if n.fileACL != 0 {
		want++
	}
	if want *= int64(c.f.sb.blockSize / 512); !w.bad && n.Blocks != want {
		c.inInode(n.Ino, "i_blocks is %d, want %d", n.Blocks, want)
	}
	c.inodeXattrs(n)
	return !w.bad
}

// kind checks what the type of an inode asks of size, flags and blocks.
func (c *checker) kind(n *Inode, w *blockWalk) {
	bs := int64(c.f.sb.blockSize)
	zeroFrom := func(off int, what string) {
		if !allZero(n.iblock[off:]) {
			c.inInode(n.Ino, "%s with data in i_block", what)
		}
		if n.Size != 0 {
			c.inInode(n.Ino, "%s with a size of %d", what, n.Size)
		}
		if n.Flags&(ondisk.ExtentsFl|ondisk.IndexFl|FlagImmutable|FlagAppend) != 0 {
			c.inInode(n.Ino, "%s with flags %#x", what, n.Flags)
		}
	}
	switch n.Mode & ondisk.SIFMT {
	case ondisk.SIFREG:
		if n.Flags&ondisk.ExtentsFl == 0 && n.Size > maxMapped(bs) {
			c.inInode(n.Ino, "size %d is more than a block map holds", n.Size)
		}
		// The block behind the last may have data; below an index of extents that
		// is too much.
		end := n.Size/bs + 1
		if n.Flags&ondisk.ExtentsFl != 0 && nodeDepth(n.iblock[:]) > 0 {
			end = (n.Size + bs - 1) / bs
		}
		if n.Ino != ondisk.ResizeIno && n.Flags&ondisk.VerityFl == 0 && int64(w.written) > end {
			c.inInode(n.Ino, "size %d, but data in block %d", n.Size, w.written-1)
		}
	case ondisk.SIFDIR:
		if n.Size == 0 || n.Size%bs != 0 || !w.bad && (!w.contiguous || w.written != uint64(n.Size/bs)) {
			c.inInode(n.Ino, "directory of %d bytes, with %d blocks mapped", n.Size, w.data)
			// With more blocks than its size the rest can be read.
			w.bad = w.bad || n.Size == 0 || n.Size%bs != 0 || !w.contiguous || w.written < uint64(n.Size/bs)
		}
	case ondisk.SIFLNK:
		c.symlink(n, w)
	case ondisk.SIFCHR, ondisk.SIFBLK:
		if le32(n.iblock[:], 0) != 0 {
			zeroFrom(4, "device")
		} else {
			zeroFrom(8, "device")
		}
	case ondisk.SIFIFO, ondisk.SIFSOCK:
		zeroFrom(0, "fifo or socket")
	default:
		if n.Mode != 0 || n.Ino >= c.f.sb.firstIno || n.Ino == ondisk.RootIno {
			c.inInode(n.Ino, "mode %#o", n.Mode)
		}
	}
	if n.Ino == ondisk.RootIno && !n.IsDir() {
		c.inInode(n.Ino, "the root is not a directory")
	}
}

// maxMapped returns how long a file with a block map can be, in bytes: what three
// levels of blocks of bs bytes reach.
func maxMapped(bs int64) int64 {
	per := bs / 4
	return (directBlocks + per + per*per + per*per*per) * bs
}

// symlink checks that the target is as long as the size says, without a NUL.
func (c *checker) symlink(n *Inode, w *blockWalk) {
	if n.Flags&(FlagImmutable|FlagAppend) != 0 {
		c.inInode(n.Ino, "symlink with flags %#x", n.Flags)
	}
	if n.fast && n.Flags&ondisk.ExtentsFl != 0 {
		c.inInode(n.Ino, "symlink in the inode, but with extents")
	}
	if !n.fast && (!w.contiguous || w.data != 1) {
		c.inInode(n.Ino, "symlink with %d blocks", w.data)
		return
	}
	if n.Size == 0 {
		c.inInode(n.Ino, "symlink without a target")
		return
	}
	if w.bad {
		return
	}
	target, err := c.f.Readlink(n)
	if err != nil {
		c.inInode(n.Ino, "symlink: %v", err)
		return
	}
	if bytes.IndexByte([]byte(target), 0) >= 0 {
		c.inInode(n.Ino, "symlink with a NUL in its target")
	}
	area := n.iblock[:]
	if !n.fast {
		if area, err = c.f.targetBlock(n); err != nil {
			c.inInode(n.Ino, "symlink: %v", err)
			return
		}
	}
	if area[n.Size] != 0 {
		c.inInode(n.Ino, "symlink without a NUL behind its %d bytes", n.Size)
	}
}
