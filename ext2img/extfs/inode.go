package extfs

import (
	"fmt"

	"purebundle/ext2img/internal/ondisk"
)

// Flags of inodes that the system calls know (i_flags).
const (
	FlagImmutable = ondisk.ImmutableFl
	FlagAppend    = ondisk.AppendFl
	FlagNodump    = ondisk.NodumpFl
)

// Time is a point in time since the epoch.
type Time struct {
	Sec  int64
	Nsec uint32
}

// Inode has the fields of an inode.
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

func (n *Inode) IsDir() bool     { return n.Mode&ondisk.SIFMT == ondisk.SIFDIR }
func (n *Inode) IsRegular() bool { return n.Mode&ondisk.SIFMT == ondisk.SIFREG }
func (n *Inode) IsSymlink() bool { return n.Mode&ondisk.SIFMT == ondisk.SIFLNK }

func (n *Inode) isDevice() bool {
	return n.Mode&ondisk.SIFMT == ondisk.SIFCHR || n.Mode&ondisk.SIFMT == ondisk.SIFBLK
}

// hasBlocks returns true if i_block maps blocks, as it does for files,
// directories and slow symlinks.
func (n *Inode) hasBlocks() bool {
	switch n.Mode & ondisk.SIFMT {
	case ondisk.SIFREG, ondisk.SIFDIR:
		return true
	case ondisk.SIFLNK:
		return !n.fast
	}
	return false
}

// Root gives the root directory.
func (f *FS) Root() (*Inode, error) { return f.Inode(ondisk.RootIno) }

// Inode reads an inode that is in use, and verifies its checksum.
func (f *FS) Inode(ino uint32) (*Inode, error) {
	raw, err := f.rawInode(ino)
	if err != nil {
		return nil, err
	}
	if !f.inodeChecksumOK(ino, raw) {
		return nil, fmt.Errorf("inode %d: bad checksum", ino)
	}
	if le16(raw, 0) == 0 || le16(raw, ondisk.ILinksCount) == 0 {
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
		Mode:       uint32(le16(raw, ondisk.IMode)),
		UID:        uint32(le16(raw, ondisk.IUID)) | uint32(le16(raw, ondisk.IUIDHigh))<<16,
		GID:        uint32(le16(raw, ondisk.IGID)) | uint32(le16(raw, ondisk.IGIDHigh))<<16,
		Nlink:      uint32(le16(raw, ondisk.ILinksCount)),
		Blocks:     int64(le32(raw, ondisk.IBlocksLo)),
		Flags:      le32(raw, ondisk.IFlags),
		Generation: le32(raw, ondisk.IGeneration),
		dtime:      le32(raw, ondisk.IDtime),
		fileACL:    uint64(le32(raw, ondisk.IFileACLLo)),
		iblock:     [60]byte(raw[ondisk.IBlock:]),
	}
	size := uint64(le32(raw, ondisk.ISizeLo))
	if n.IsRegular() || n.IsDir() && f.sb.incompat&ondisk.IncompatLargedir != 0 {
		size |= uint64(le32(raw, ondisk.ISizeHigh)) << 32
	}
	// 2^32 blocks are the most that a logical block number can count.
	if size > uint64(f.sb.blockSize)<<32 {
		return nil, fmt.Errorf("inode %d: size %d", ino, size)
	}
	n.Size = int64(size)
	if f.sb.incompat&ondisk.Incompat64bit != 0 {
		n.fileACL |= uint64(le16(raw, ondisk.IFileACLHigh)) << 32
	}
	if f.sb.roCompat&ondisk.ROHugeFile != 0 {
		n.Blocks |= int64(le16(raw, ondisk.IBlocksHigh)) << 32
		if n.Flags&ondisk.HugeFileFl != 0 {
			n.Blocks *= int64(f.sb.blockSize / 512)
		}
	}
	if err := n.parseExtra(raw); err != nil {
		return nil, err
	}
	// As the kernel has it: a symlink with no block of its own, though it may
	// have one of xattrs, is a fast one.
	n.fast = n.IsSymlink() && (n.Blocks == 0 || n.fileACL != 0 && n.Blocks == int64(f.sb.blockSize/512))
	if n.isDevice() {
		n.Major, n.Minor = ondisk.DeviceNumber(&n.iblock)
	}
	return n, nil
}

// parseExtra decodes the times, and what lies behind the first 128 bytes of an inode.
func (n *Inode) parseExtra(raw []byte) error {
	if len(raw) > ondisk.GoodOldInodeSize {
		n.extraIsize = int(le16(raw, ondisk.IExtraIsize))
		if ondisk.GoodOldInodeSize+n.extraIsize > len(raw) || n.extraIsize%4 != 0 {
			return fmt.Errorf("inode %d: extra size %d", n.Ino, n.extraIsize)
		}
		if n.extraIsize > 0 {
			n.inlineEA = append([]byte(nil), raw[ondisk.GoodOldInodeSize+n.extraIsize:]...)
		}
	}
	// Fields behind the first 128 bytes count only if i_extra_isize covers them.
	extra := func(off int) uint32 {
		if off+4 > ondisk.GoodOldInodeSize+n.extraIsize {
			return 0
		}
		return le32(raw, off)
	}
	n.Ctime = inodeTime(le32(raw, ondisk.ICtime), extra(ondisk.ICtimeExtra))
	n.Mtime = inodeTime(le32(raw, ondisk.IMtime), extra(ondisk.IMtimeExtra))
	n.Atime = inodeTime(le32(raw, ondisk.IAtime), extra(ondisk.IAtimeExtra))
	if ondisk.GoodOldInodeSize+n.extraIsize >= ondisk.ICrtimeExtra {
		n.Crtime = inodeTime(le32(raw, ondisk.ICrtime), extra(ondisk.ICrtimeExtra))
	}
	n.ProjectID = extra(ondisk.IProjid)
	return nil
}

// inodeTime decodes a time and its extra field.
func inodeTime(sec, extra uint32) Time {
	var t Time
	t.Sec, t.Nsec = ondisk.Stamp{Sec: sec, Extra: extra}.Unix()
	return t
}
