package ondisk

import "time"

// File types in i_mode, and inode flags that matter here.
const (
	SIFMT   = 0o170000
	SIFSOCK = 0o140000
	SIFLNK  = 0o120000
	SIFREG  = 0o100000
	SIFBLK  = 0o060000
	SIFDIR  = 0o040000
	SIFCHR  = 0o020000
	SIFIFO  = 0o010000

	ImmutableFl = 0x10    // EXT4_IMMUTABLE_FL
	AppendFl    = 0x20    // EXT4_APPEND_FL
	NodumpFl    = 0x40    // EXT4_NODUMP_FL
	IndexFl     = 0x1000  // EXT4_INDEX_FL: hashed directory
	ExtentsFl   = 0x80000 // EXT4_EXTENTS_FL
)

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

// NewStamp encodes a time; exact is false where it had to be clamped.
func NewStamp(sec int64, nsec uint32) (s Stamp, exact bool) {
	switch {
	case sec < MinSec:
		return Stamp{Sec: 1 << 31}, false
	case sec > MaxSec:
		sec, nsec, exact = MaxSec, 999_999_999, false
	default:
		exact = true
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
	Atime, Ctime, Mtime, Crtime Stamp
	Block                       [60]byte // i_block: extent tree root, fast symlink target or device number
	FileACL                     uint64   // block number of the xattr block, 0: none
	Xattrs                      []byte   // in-inode attributes from their magic on, at most InodeXattrSize bytes
}

// InodeXattrSize is the room for attributes in an inode, in bytes, with their
// 4-byte magic.
const InodeXattrSize = InodeSize - 128 - ExtraIsize

// Put encodes the inode numbered ino into the InodeSize bytes of b, which are
// zero.
func (in *Inode) Put(b []byte, ino uint32, seed CRC) {
	le.PutUint16(b[0x00:], in.Mode)
	le.PutUint16(b[0x02:], uint16(in.UID))
	le.PutUint32(b[0x04:], uint32(in.Size))
	le.PutUint32(b[0x08:], in.Atime.Sec)
	le.PutUint32(b[0x0C:], in.Ctime.Sec)
	le.PutUint32(b[0x10:], in.Mtime.Sec)
	le.PutUint16(b[0x18:], uint16(in.GID))
	le.PutUint16(b[0x1A:], in.Links)
	le.PutUint32(b[0x1C:], uint32(in.Blocks))
	le.PutUint32(b[0x20:], in.Flags)
	copy(b[0x28:0x64], in.Block[:])
	le.PutUint32(b[0x68:], uint32(in.FileACL))
	le.PutUint32(b[0x6C:], uint32(in.Size>>32))
	le.PutUint16(b[0x74:], uint16(in.Blocks>>32))
	le.PutUint16(b[0x76:], uint16(in.FileACL>>32))
	le.PutUint16(b[0x78:], uint16(in.UID>>16))
	le.PutUint16(b[0x7A:], uint16(in.GID>>16))
	le.PutUint16(b[0x80:], ExtraIsize)
	le.PutUint32(b[0x84:], in.Ctime.Extra)
	le.PutUint32(b[0x88:], in.Mtime.Extra)
	le.PutUint32(b[0x8C:], in.Atime.Extra)
	le.PutUint32(b[0x90:], in.Crtime.Sec)
	le.PutUint32(b[0x94:], in.Crtime.Extra)
	copy(b[128+ExtraIsize:InodeSize], in.Xattrs)
	sum := seed.Inode(ino).Add(b[:InodeSize])
	le.PutUint16(b[0x7C:], uint16(sum))     // i_checksum_lo
	le.PutUint16(b[0x82:], uint16(sum>>16)) // i_checksum_hi
}

// Device encodes a device number into i_block: the old form in the first word
// where major and minor fit 8 bits each, else the new form in the second.
func Device(block *[60]byte, major, minor uint32) {
	if major < 256 && minor < 256 {
		le.PutUint32(block[0:], major<<8|minor)
		return
	}
	le.PutUint32(block[4:], minor&0xff|major<<8|minor&^0xff<<12)
}

// Time gives the time that s holds.
func (s Stamp) Time() time.Time {
	return time.Unix(int64(int32(s.Sec))+int64(s.Extra&3)<<32, int64(s.Extra>>2))
}
