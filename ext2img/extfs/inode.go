package extfs

import "fmt"

// File types, the upper four bits of i_mode.
const (
	modeType    = 0xf000
	modeFIFO    = 0x1000
	modeChar    = 0x2000
	modeDir     = 0x4000
	modeBlock   = 0x6000
	modeRegular = 0x8000
	modeSymlink = 0xa000
	modeSocket  = 0xc000
)

// i_flags
const (
	FlagImmutable  = 0x10
	FlagAppend     = 0x20
	FlagNodump     = 0x40
	flagEncrypt    = 0x800
	flagIndex      = 0x1000
	flagHugeFile   = 0x40000
	flagExtents    = 0x80000
	flagVerity     = 0x100000
	flagEAInode    = 0x200000
	flagInlineData = 0x10000000
	flagCasefold   = 0x40000000
)

// Time is a point in time since the epoch.
type Time struct {
	Sec  int64
	Nsec uint32
}

// Inode is what an inode says of itself.
type Inode struct {
	Ino                         uint32
	Mode                        uint32 // st_mode: type and permission bits
	UID, GID                    uint32
	Size                        int64 // bytes
	Nlink                       uint32
	Blocks                      int64 // 512-byte units, xattr and extent blocks included
	Flags                       uint32
	Generation                  uint32
	ProjectID                   uint32
	Major, Minor                uint32 // of devices
	Atime, Mtime, Ctime, Crtime Time   // Crtime zero where the inode has no room for it

	dtime      uint32
	fileACL    uint64   // xattr block, 0: none
	iblock     [60]byte // i_block: extent root, block map, fast symlink or device
	fast       bool     // symlink whose target lies in i_block
	extraIsize int      // bytes behind the first 128 that are fields
	inlineEA   []byte   // what follows them
}

func (n *Inode) IsDir() bool     { return n.Mode&modeType == modeDir }
func (n *Inode) IsRegular() bool { return n.Mode&modeType == modeRegular }
func (n *Inode) IsSymlink() bool { return n.Mode&modeType == modeSymlink }

func (n *Inode) isDevice() bool {
	return n.Mode&modeType == modeChar || n.Mode&modeType == modeBlock
}

// hasBlocks is true where i_block maps blocks, as it does for files,
// directories and slow symlinks.
func (n *Inode) hasBlocks() bool {
	switch n.Mode & modeType {
	case modeRegular, modeDir:
		return true
	case modeSymlink:
		return !n.fast
	}
	return false
}

// Root gives the root directory.
func (f *FS) Root() (*Inode, error) { return f.Inode(rootIno) }

// Inode reads an inode that is in use, and verifies its checksum.
func (f *FS) Inode(ino uint32) (*Inode, error) {
	raw, err := f.rawInode(ino)
	if err != nil {
		return nil, err
	}
	if !f.inodeChecksumOK(ino, raw) {
		return nil, fmt.Errorf("inode %d: bad checksum", ino)
	}
	if le16(raw, 0) == 0 || le16(raw, 0x1a) == 0 {
		return nil, fmt.Errorf("inode %d is not in use", ino)
	}
	return f.parseInode(ino, raw)
}

func (f *FS) rawInode(ino uint32) ([]byte, error) {
	if ino == 0 || ino > f.sb.inodesCount {
		return nil, fmt.Errorf("inode %d is not one of 1 to %d", ino, f.sb.inodesCount)
	}
	g, err := f.group((ino - 1) / f.sb.inodesPerGroup)
	if err != nil {
		return nil, fmt.Errorf("inode %d: %w", ino, err)
	}
	return f.rawInodeOf(g, ino)
}

// rawInodeOf reads an inode of a group.
func (f *FS) rawInodeOf(g group, ino uint32) ([]byte, error) {
	raw := make([]byte, f.sb.inodeSize)
	index := int64((ino - 1) % f.sb.inodesPerGroup)
	off := int64(g.inodeTable)*int64(f.sb.blockSize) + index*int64(f.sb.inodeSize)
	if _, err := readFull(f.r, raw, off); err != nil {
		return nil, fmt.Errorf("inode %d: %w", ino, err)
	}
	return raw, nil
}

// parseInode decodes an inode; the result does not keep raw.
func (f *FS) parseInode(ino uint32, raw []byte) (*Inode, error) {
	n := &Inode{
		Ino:        ino,
		Mode:       uint32(le16(raw, 0x0)),
		UID:        uint32(le16(raw, 0x2)) | uint32(le16(raw, 0x78))<<16,
		GID:        uint32(le16(raw, 0x18)) | uint32(le16(raw, 0x7a))<<16,
		Nlink:      uint32(le16(raw, 0x1a)),
		Blocks:     int64(le32(raw, 0x1c)),
		Flags:      le32(raw, 0x20),
		Generation: le32(raw, 0x64),
		dtime:      le32(raw, 0x14),
		fileACL:    uint64(le32(raw, 0x68)),
		iblock:     [60]byte(raw[0x28:]),
	}
	size := uint64(le32(raw, 0x4))
	if n.IsRegular() || n.IsDir() && f.sb.incompat&incompatLargedir != 0 {
		size |= uint64(le32(raw, 0x6c)) << 32
	}
	// 2^32 blocks are the most that a logical block number can count.
	if size > uint64(f.sb.blockSize)<<32 {
		return nil, fmt.Errorf("inode %d: size %d", ino, size)
	}
	n.Size = int64(size)
	if f.sb.incompat&incompat64bit != 0 {
		n.fileACL |= uint64(le16(raw, 0x76)) << 32
	}
	if f.sb.roCompat&roHugeFile != 0 {
		n.Blocks |= int64(le16(raw, 0x74)) << 32
		if n.Flags&flagHugeFile != 0 {
			n.Blocks *= int64(f.sb.blockSize / 512)
		}
	}
	if len(raw) > goodOldInodeSize {
		n.extraIsize = int(le16(raw, 0x80))
		if goodOldInodeSize+n.extraIsize > len(raw) || n.extraIsize%4 != 0 {
			return nil, fmt.Errorf("inode %d: extra size %d", ino, n.extraIsize)
		}
		if n.extraIsize > 0 {
			n.inlineEA = append([]byte(nil), raw[goodOldInodeSize+n.extraIsize:]...)
		}
	}
	// Fields behind the first 128 bytes count only where i_extra_isize covers them.
	extra := func(off int) uint32 {
		if off+4 > goodOldInodeSize+n.extraIsize {
			return 0
		}
		return le32(raw, off)
	}
	n.Ctime = inodeTime(le32(raw, 0xc), extra(0x84))
	n.Mtime = inodeTime(le32(raw, 0x10), extra(0x88))
	n.Atime = inodeTime(le32(raw, 0x8), extra(0x8c))
	if goodOldInodeSize+n.extraIsize >= 0x94 {
		n.Crtime = inodeTime(le32(raw, 0x90), extra(0x94))
	}
	n.ProjectID = extra(0x9c)
	// As the kernel has it: a symlink with no block of its own, though it may
	// have one of xattrs, is a fast one.
	n.fast = n.IsSymlink() && (n.Blocks == 0 || n.fileACL != 0 && n.Blocks == int64(f.sb.blockSize/512))
	if n.isDevice() {
		n.Major, n.Minor = deviceNumber(n.iblock)
	}
	return n, nil
}

// inodeTime decodes a time: signed seconds, and an extra field with two more
// bits of them, which move the epoch on by 2^32 seconds each, and nanoseconds.
func inodeTime(sec, extra uint32) Time {
	return Time{Sec: int64(int32(sec)) + int64(extra&3)<<32, Nsec: extra >> 2}
}

// deviceNumber decodes the old 8:8 bit form in the first word of i_block, or
// the new 12:20 bit form in the second.
func deviceNumber(iblock [60]byte) (major, minor uint32) {
	if old := le32(iblock[:], 0); old != 0 {
		return old >> 8 & 0xff, old & 0xff
	}
	dev := le32(iblock[:], 4)
	return dev >> 8 & 0xfff, dev&0xff | dev>>12&0xfff00
}
