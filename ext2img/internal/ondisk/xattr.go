package ondisk

import (
	"cmp"
	"slices"
	"strings"
)

const (
	xattrMagic      = 0xEA020000 // h_magic
	xattrHeaderSize = 32         // struct ext4_xattr_header, bytes
	xattrEntrySize  = 16         // struct ext4_xattr_entry without its name, bytes
)

// XattrBlockSize is the room for entries and values in an attribute block, in
// bytes; the last 4 stay zero and end the entries.
const XattrBlockSize = BlockSize - xattrHeaderSize - 4

// XattrInodeSize is the same for an inode.
const XattrInodeSize = InodeXattrSize - 4 - 4

// Xattr is an attribute as it stands on disk.
type Xattr struct {
	Index byte   // e_name_index: the prefix
	Name  string // without that prefix
	Value string
}

// e_name_index by prefix. The ACL names are whole names.
var xattrPrefixes = []struct {
	prefix string
	index  byte
}{
	{"user.", 1},
	{"trusted.", 4},
	{"security.", 6},
}

// NewXattr converts an attribute from its form in lgetxattr(2). ok is false
// where ext4 has no place for it: an unknown prefix, a name of more than 255
// bytes after it, or an ACL that is none.
func NewXattr(name string, value []byte) (x Xattr, ok bool) {
	switch name {
	case "system.posix_acl_access":
		v, ok := diskACL(value)
		return Xattr{Index: 2, Value: v}, ok
	case "system.posix_acl_default":
		v, ok := diskACL(value)
		return Xattr{Index: 3, Value: v}, ok
	}
	for _, p := range xattrPrefixes {
		if rest, found := strings.CutPrefix(name, p.prefix); found {
			return Xattr{Index: p.index, Name: rest, Value: string(value)}, rest != "" && len(rest) <= 255
		}
	}
	return Xattr{}, false
}

// Size is the room that the attribute takes, in bytes.
func (x Xattr) Size() int {
	return (xattrEntrySize+len(x.Name)+3)&^3 + (len(x.Value)+3)&^3
}

// SortXattrs puts attributes in the order that a block demands.
func SortXattrs(xs []Xattr) {
	slices.SortFunc(xs, func(a, b Xattr) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
}

// InodeXattrs encodes attributes for an inode, from the magic on.
func InodeXattrs(xs []Xattr) []byte {
	b := make([]byte, InodeXattrSize)
	le.PutUint32(b, xattrMagic)
	putXattrs(b[4:], 0, xs)
	return b
}

// PutXattrBlock encodes an attribute block; xs are in SortXattrs' order, refs
// is the number of inodes that share it.
func PutXattrBlock(b []byte, xs []Xattr, refs uint32, block uint64, seed CRC) {
	le.PutUint32(b[0:], xattrMagic)
	le.PutUint32(b[4:], refs) // h_refcount
	le.PutUint32(b[8:], 1)    // h_blocks
	hash := putXattrs(b, xattrHeaderSize, xs)
	le.PutUint32(b[12:], hash) // h_hash
	sum := seed.Add32(uint32(block)).Add32(uint32(block >> 32)).Add(b[:BlockSize])
	le.PutUint32(b[16:], uint32(sum)) // h_checksum
}

// putXattrs writes entries from off on and values from the end down; value
// offsets count from the start of b. It returns the hash of all entries.
func putXattrs(b []byte, off int, xs []Xattr) (all uint32) {
	end := len(b)
	for _, x := range xs {
		e := b[off:]
		e[0], e[1] = byte(len(x.Name)), x.Index
		if len(x.Value) > 0 {
			end -= (len(x.Value) + 3) &^ 3
			copy(b[end:], x.Value)
			le.PutUint16(e[2:], uint16(end)) // e_value_offs
		}
		le.PutUint32(e[8:], uint32(len(x.Value))) // e_value_size
		hash := xattrHash(x.Name, b[end:end+(len(x.Value)+3)&^3])
		le.PutUint32(e[12:], hash) // e_hash
		copy(e[xattrEntrySize:], x.Name)
		off += (xattrEntrySize + len(x.Name) + 3) &^ 3
		all = all<<16 ^ all>>16 ^ hash
	}
	return all
}

// xattrHash is e_hash over the name and the padded value.
func xattrHash(name string, value []byte) (h uint32) {
	for i := 0; i < len(name); i++ {
		h = h<<5 ^ h>>27 ^ uint32(name[i])
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
		out = append(out, v[:4]...)
		if tag := le.Uint16(v); tag == user || tag == group {
			out = append(out, v[4:8]...)
		}
	}
	return string(out), true
}
