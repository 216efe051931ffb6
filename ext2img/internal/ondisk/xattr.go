package ondisk

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
)

// Offsets in an attribute block, in bytes: struct ext4_xattr_header, then
// entries, struct ext4_xattr_entry, values from the end down. In an inode the
// magic number alone is the header.
const (
	XattrHMagic    = 0x00 // u32
	XattrHRefcount = 0x04 // u32, inodes that share the block
	XattrHBlocks   = 0x08 // u32, 1
	XattrHHash     = 0x0C // u32, of all entries; 0: not to be shared
	XattrHChecksum = 0x10 // u32, see XattrSum

	XattrENameLen   = 0x00 // u8, bytes
	XattrENameIndex = 0x01 // u8, Xattr* below
	XattrEValueOffs = 0x02 // u16, bytes from the header, or from the first entry in an inode
	XattrEValueInum = 0x04 // u32, inode of the value; 0: none
	XattrEValueSize = 0x08 // u32, bytes
	XattrEHash      = 0x0C // u32; 0 in an inode

	XattrMagic       = 0xEA020000 // h_magic
	XattrHeaderSize  = 32
	XattrEntrySize   = 16   // the name is behind it
	XattrRefcountMax = 1024 // EXT4_XATTR_REFCOUNT_MAX
)

// Values of e_name_index. The ACL names are whole names.
const (
	XattrUser       = 1
	XattrACLAccess  = 2
	XattrACLDefault = 3
	XattrTrusted    = 4
	XattrSecurity   = 6
	XattrSystem     = 7
	XattrRichACL    = 8
)

// XattrPrefix returns the prefix of a name index, "" for those that the kernel
// does not know.
func XattrPrefix(index uint8) string {
	switch index {
	case XattrUser:
		return "user."
	case XattrACLAccess:
		return "system.posix_acl_access"
	case XattrACLDefault:
		return "system.posix_acl_default"
	case XattrTrusted:
		return "trusted."
	case XattrSecurity:
		return "security."
	case XattrSystem:
		return "system."
	case XattrRichACL:
		return "system.richacl"
	}
	return ""
}

// XattrBlockSize is the room for entries and values in an attribute block, in
// bytes; the last 4 stay zero and end the entries.
const XattrBlockSize = BlockSize - XattrHeaderSize - 4

// XattrInodeSize is the same for an inode.
const XattrInodeSize = InodeXattrSize - 4 - 4

// Xattr is an attribute as it stands on disk.
type Xattr struct {
	Index byte   // e_name_index: the prefix
	Name  string // without that prefix
	Value string
}

// NewXattr converts an attribute from its form in lgetxattr(2). ok is false
// if ext4 has no place for it: an unknown prefix, a name of more than 255
// bytes after it, or an ACL that is none.
func NewXattr(name string, value []byte) (x Xattr, ok bool) {
	switch name {
	case XattrPrefix(XattrACLAccess):
		v, ok := diskACL(value)
		return Xattr{Index: XattrACLAccess, Value: v}, ok
	case XattrPrefix(XattrACLDefault):
		v, ok := diskACL(value)
		return Xattr{Index: XattrACLDefault, Value: v}, ok
	}
	for _, index := range []byte{XattrUser, XattrTrusted, XattrSecurity} {
		if rest, found := strings.CutPrefix(name, XattrPrefix(index)); found {
			return Xattr{Index: index, Name: rest, Value: string(value)}, rest != "" && len(rest) <= NameMax
		}
	}
	return Xattr{}, false
}

// Size returns the room that the attribute takes, in bytes.
func (x Xattr) Size() int {
	return (XattrEntrySize+len(x.Name)+3)&^3 + (len(x.Value)+3)&^3
}

// SortXattrs puts attributes in the order that a block demands.
func SortXattrs(xs []Xattr) {
	slices.SortFunc(xs, func(a, b Xattr) int { return CompareXattrs(a.Index, a.Name, b.Index, b.Name) })
}

// CompareXattrs compares by the order of entries in a block, which the kernel's search
// relies on: name index, length of the name, name.
func CompareXattrs(index byte, name string, index2 byte, name2 string) int {
	return cmp.Or(cmp.Compare(index, index2), cmp.Compare(len(name), len(name2)), cmp.Compare(name, name2))
}

// InodeXattrs encodes attributes for an inode, from the magic on.
func InodeXattrs(xs []Xattr) []byte {
	b := make([]byte, InodeXattrSize)
	le.PutUint32(b, XattrMagic)
	putXattrs(b[4:], 0, xs)
	return b
}

// PutXattrBlock encodes an attribute block; xs are in SortXattrs' order, refs
// is the number of inodes that share it.
func PutXattrBlock(b []byte, xs []Xattr, refs uint32, block uint64, seed CRC) {
	le.PutUint32(b[XattrHMagic:], XattrMagic)
	le.PutUint32(b[XattrHRefcount:], refs)
	le.PutUint32(b[XattrHBlocks:], 1)
	hash := putXattrs(b, XattrHeaderSize, xs)
	le.PutUint32(b[XattrHHash:], hash)
	le.PutUint32(b[XattrHChecksum:], XattrSum(b[:BlockSize], block, seed))
}

// putXattrs writes entries from off on and values from the end down; value
// offsets count from the start of b. It returns the hash of all entries. An
// entry in an inode, where off is 0, goes without a hash, as the kernel writes
// it: of a name with a byte over 0x7F it is one number here and another there.
func putXattrs(b []byte, off int, xs []Xattr) (all uint32) {
	inBlock := off != 0
	end := len(b)
	for _, x := range xs {
		e := b[off:]
		e[XattrENameLen], e[XattrENameIndex] = byte(len(x.Name)), x.Index
		if len(x.Value) > 0 {
			end -= (len(x.Value) + 3) &^ 3
			copy(b[end:], x.Value)
			le.PutUint16(e[XattrEValueOffs:], uint16(end))
		}
		le.PutUint32(e[XattrEValueSize:], uint32(len(x.Value)))
		if inBlock {
			hash := XattrHash(x.Name, b[end:end+(len(x.Value)+3)&^3], charSign())
			le.PutUint32(e[XattrEHash:], hash)
			all = XattrBlockHash(all, hash)
		}
		copy(e[XattrEntrySize:], x.Name)
		off += (XattrEntrySize + len(x.Name) + 3) &^ 3
	}
	return all
}

// XattrBlockHash runs h_hash on over the next entry's e_hash.
func XattrBlockHash(all, hash uint32) uint32 { return all<<16 ^ all>>16 ^ hash }

// charSign returns what char is in C on this machine. Kernels before 6.2 and e2fsck
// before 1.47 take the bytes of attribute names so, and know no other hash; later
// ones take both. What boots from an image has the programs of this machine.
func charSign() Signedness {
	switch runtime.GOARCH {
	case "arm", "arm64", "ppc64", "ppc64le", "riscv64", "s390x":
		return Unsigned
	}
	return Signed
}

// XattrHash returns e_hash over a name and a value in whole words.
func XattrHash(name string, value []byte, sign Signedness) (h uint32) {
	for i := 0; i < len(name); i++ {
		h = h<<5 ^ h>>27 ^ sign.char(name[i])
	}
	for ; len(value) > 0; value = value[4:] {
		h = h<<16 ^ h>>16 ^ le.Uint32(value)
	}
	return h
}

// diskACL converts a POSIX ACL from version 2, as system calls have it (header,
// then tag, perm and id for each entry), to version 1, where only named users
// and groups have an id.
func diskACL(v []byte) (string, bool) {
	const user, group = 0x02, 0x08 // ACL_USER, ACL_GROUP
	if len(v) < 4 || (len(v)-4)%8 != 0 || le.Uint32(v) != 2 {
		return "", false
	}
	out := make([]byte, 4, len(v))
	le.PutUint32(out, 1)
	for v = v[4:]; len(v) > 0; v = v[8:] {
		if tag := le.Uint16(v); tag == 0 || tag > 0x20 || tag&(tag-1) != 0 { // ACL_USER_OBJ to ACL_OTHER are single bits
			return "", false
		}
		out = append(out, v[:4]...)
		if tag := le.Uint16(v); tag == user || tag == group {
			out = append(out, v[4:8]...)
		}
	}
	return string(out), true
}

// SyscallACL converts an ACL from the disk form, as diskACL does the other way. ok is
// false for what is no ACL of version 1.
func SyscallACL(disk []byte) (out []byte, ok bool) {
	const named = 0x02 | 0x08 // ACL_USER, ACL_GROUP
	if len(disk) < 4 || le.Uint32(disk) != 1 {
		return nil, false
	}
	out = []byte{2, 0, 0, 0}
	for disk = disk[4:]; len(disk) > 0; {
		size := 4
		if len(disk) >= 4 && le.Uint16(disk)&named != 0 {
			size = 8
		}
		if len(disk) < size {
			return nil, false
		}
		out = append(out, disk[:size]...)
		if size == 4 {
			out = le.AppendUint32(out, 1<<32-1)
		}
		disk = disk[size:]
	}
	return out, true
}
