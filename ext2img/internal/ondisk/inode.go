package ondisk

import (
	"cmp"
	"time"
)

// File types in i_mode.
const (
	SIFMT   = 0o170000
	SIFSOCK = 0o140000
	SIFLNK  = 0o120000
	SIFREG  = 0o100000
	SIFBLK  = 0o060000
	SIFDIR  = 0o040000
	SIFCHR  = 0o020000
	SIFIFO  = 0o010000
)

// Inode flags (i_flags), EXT4_*_FL of the kernel.
const (
	ImmutableFl  = 0x10
	AppendFl     = 0x20
	NodumpFl     = 0x40
	NoatimeFl    = 0x80
	EncryptFl    = 0x800
	IndexFl      = 0x1000 // a hashed directory
	ImagicFl     = 0x2000 // an inode of AFS
	DirsyncFl    = 0x10000
	TopdirFl     = 0x20000
	HugeFileFl   = 0x40000    // i_blocks counts blocks of the file system
	ExtentsFl    = 0x80000    // i_block is the root of an extent tree
	VerityFl     = 0x100000   // data behind i_size
	EAInodeFl    = 0x200000   // holds the value of an attribute
	InlineDataFl = 0x10000000 // content in the inode
	CasefoldFl   = 0x40000000

	// ChattrFl are those that chattr sets and that ask nothing of the disk: s, u, c, S,
	// i, a, d, A, j, t, D, T.
	ChattrFl = 0xff | 0x4000 | 0x8000 | DirsyncFl | TopdirFl
)

// LinkMax is EXT4_LINK_MAX, the most links that an inode counts.
const LinkMax = 65000

// Offsets of the fields of struct ext4_inode, in bytes.
const (
	IMode        = 0x00 // u16
	IUID         = 0x02 // u16, low half
	ISizeLo      = 0x04 // u32, bytes
	IAtime       = 0x08 // u32, seconds since 1970, signed
	ICtime       = 0x0C // u32, as i_atime
	IMtime       = 0x10 // u32, as i_atime
	IDtime       = 0x14 // u32, seconds; 0: in use
	IGID         = 0x18 // u16, low half
	ILinksCount  = 0x1A // u16
	IBlocksLo    = 0x1C // u32, 512 bytes each; blocks with HugeFileFl
	IFlags       = 0x20 // u32, *Fl
	IBlock       = 0x28 // 60 bytes: extent root, block map, fast symlink or device
	IGeneration  = 0x64 // u32
	IFileACLLo   = 0x68 // u32, block of attributes; 0: none
	ISizeHigh    = 0x6C // u32
	IObsoFaddr   = 0x70 // u32, 0
	IBlocksHigh  = 0x74 // u16
	IFileACLHigh = 0x76 // u16
	IUIDHigh     = 0x78 // u16
	IGIDHigh     = 0x7A // u16
	IChecksumLo  = 0x7C // u16
	IExtraIsize  = 0x80 // u16, bytes of fields behind GoodOldInodeSize
	IChecksumHi  = 0x82 // u16
	ICtimeExtra  = 0x84 // u32, see Stamp
	IMtimeExtra  = 0x88 // u32
	IAtimeExtra  = 0x8C // u32
	ICrtime      = 0x90 // u32
	ICrtimeExtra = 0x94 // u32
	IProjid      = 0x9C // u32
)

// GoodOldInodeSize is the size of an inode without i_extra_isize, in bytes.
const GoodOldInodeSize = 128

// FastSymlinkMax is the longest target, in bytes, that i_block itself holds:
// the kernel keeps its 60th byte zero.
const FastSymlinkMax = 59

// Stamp is a time as an inode holds it.
type Stamp struct {
	Sec   uint32 // i_*time: low 32 bits of the seconds since 1970
	Extra uint32 // i_*time_extra: 2 epoch bits below 30 bits of nanoseconds
}

// The seconds that a Stamp can hold: from -2^31 on, in four epochs of 2^32.
const (
	MinSec = -1 << 31
	MaxSec = MinSec + 1<<34 - 1
)

// NewStamp encodes a time; exact is false if it had to be clamped.
func NewStamp(sec int64, nsec uint32) (s Stamp, exact bool) {
	switch {
	case sec < MinSec:
		return Stamp{Sec: 1 << 31}, false
	case sec > MaxSec:
		sec, nsec, exact = MaxSec, 999_999_999, false
	default:
		exact = nsec < 1e9
		nsec = min(nsec, 1e9-1)
	}
	epoch := uint32((sec-int64(int32(sec)))>>32) & 3
	return Stamp{Sec: uint32(sec), Extra: nsec<<2 | epoch}, exact
}

// Inode is the content of struct ext4_inode, for InodeSize bytes.
type Inode struct {
	Mode                        uint16
	UID, GID                    uint32
	Size                        uint64 // bytes
	Links                       uint16
	Blocks                      uint64 // of 512 bytes, metadata of the inode included
	Flags                       uint32
	Generation                  uint32
	Atime, Ctime, Mtime, Crtime Stamp
	Block                       [60]byte // i_block: extent tree root, fast symlink target or device number
	FileACL                     uint64   // block number of the xattr block, 0: none
	Xattrs                      []byte   // in-inode attributes from their magic on, at most InodeXattrSize bytes
}

// InodeXattrSize is the room for attributes in an inode, in bytes, with their
// 4-byte magic.
const InodeXattrSize = InodeSize - GoodOldInodeSize - ExtraIsize

// Put encodes the inode numbered ino into the InodeSize bytes of b, which are
// zero.
func (in *Inode) Put(b []byte, ino uint32, seed CRC) {
	le.PutUint16(b[IMode:], in.Mode)
	le.PutUint16(b[IUID:], uint16(in.UID))
	le.PutUint32(b[ISizeLo:], uint32(in.Size))
	le.PutUint32(b[IAtime:], in.Atime.Sec)
	le.PutUint32(b[ICtime:], in.Ctime.Sec)
	le.PutUint32(b[IMtime:], in.Mtime.Sec)
	le.PutUint16(b[IGID:], uint16(in.GID))
	le.PutUint16(b[ILinksCount:], in.Links)
	le.PutUint32(b[IBlocksLo:], uint32(in.Blocks))
	le.PutUint32(b[IFlags:], in.Flags)
	copy(b[IBlock:IGeneration], in.Block[:])
	le.PutUint32(b[IGeneration:], in.Generation)
	le.PutUint32(b[IFileACLLo:], uint32(in.FileACL))
	le.PutUint32(b[ISizeHigh:], uint32(in.Size>>32))
	le.PutUint16(b[IBlocksHigh:], uint16(in.Blocks>>32))
	le.PutUint16(b[IFileACLHigh:], uint16(in.FileACL>>32))
	le.PutUint16(b[IUIDHigh:], uint16(in.UID>>16))
	le.PutUint16(b[IGIDHigh:], uint16(in.GID>>16))
	le.PutUint16(b[IExtraIsize:], ExtraIsize)
	le.PutUint32(b[ICtimeExtra:], in.Ctime.Extra)
	le.PutUint32(b[IMtimeExtra:], in.Mtime.Extra)
	le.PutUint32(b[IAtimeExtra:], in.Atime.Extra)
	le.PutUint32(b[ICrtime:], in.Crtime.Sec)
	le.PutUint32(b[ICrtimeExtra:], in.Crtime.Extra)
	copy(b[GoodOldInodeSize+ExtraIsize:InodeSize], in.Xattrs)
	sum, _ := InodeSum(b[:InodeSize], ino, seed)
	le.PutUint16(b[IChecksumLo:], uint16(sum))
	le.PutUint16(b[IChecksumHi:], uint16(sum>>16))
}

// Device encodes a device number into i_block: the old form in the first word
// if major and minor fit 8 bits each, else the new form in the second.
func Device(block *[60]byte, major, minor uint32) {
	if major < 256 && minor < 256 {
		le.PutUint32(block[0:], major<<8|minor)
		return
	}
	le.PutUint32(block[4:], minor&0xff|major<<8|minor&^0xff<<12)
}

// DeviceNumber decodes what Device encodes.
func DeviceNumber(block *[60]byte) (major, minor uint32) {
	if old := le.Uint32(block[0:]); old != 0 {
		return old >> 8 & 0xff, old & 0xff
	}
	dev := le.Uint32(block[4:])
	return dev >> 8 & 0xfff, dev&0xff | dev>>12&0xfff00
}

// Unix returns the seconds since 1970 and the nanoseconds that s holds; in a
// damaged inode these may be a thousand million or more.
func (s Stamp) Unix() (sec int64, nsec uint32) {
	return int64(int32(s.Sec)) + int64(s.Extra&3)<<32, s.Extra >> 2
}

// Compare returns -1 if s is before o, 1 if it is after it, else 0.
func (s Stamp) Compare(o Stamp) int {
	sec, nsec := s.Unix()
	thatSec, thatNsec := o.Unix()
	return cmp.Or(cmp.Compare(sec, thatSec), cmp.Compare(nsec, thatNsec))
}

// Time returns the time that s holds.
func (s Stamp) Time() time.Time {
	sec, nsec := s.Unix()
	return time.Unix(sec, int64(nsec))
}
