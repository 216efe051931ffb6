package extfs

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const (
	xattrMagic      = 0xea020000
	xattrHeaderSize = 32 // of a block; in an inode it is the magic number alone
	xattrEntrySize  = 16 // before the name
	xattrMaxRef     = 1024

	xattrACLAccess  = 2
	xattrACLDefault = 3
)

// xattrPrefix gives the prefix of a name index (e_name_index); "" for those
// that the kernel does not know.
func xattrPrefix(index uint8) string {
	switch index {
	case 1:
		return "user."
	case xattrACLAccess:
		return "system.posix_acl_access"
	case xattrACLDefault:
		return "system.posix_acl_default"
	case 4:
		return "trusted."
	case 6:
		return "security."
	case 7:
		return "system."
	case 8:
		return "system.richacl"
	}
	return ""
}

// Xattr is an extended attribute as the system calls have it: ACLs are in
// their version 2 form.
type Xattr struct {
	Name  string
	Value []byte
}

// Xattrs gives the extended attributes of an inode, sorted by name.
func (f *FS) Xattrs(n *Inode) ([]Xattr, error) {
	var list []Xattr
	add := func(e xattrEntry) error {
		x, err := e.decode()
		list = append(list, x)
		return err
	}
	if hasInlineXattrs(n) {
		if err := parseXattrs(n.inlineEA[4:], 0, add); err != nil {
			return nil, fmt.Errorf("inode %d: xattrs: %w", n.Ino, err)
		}
	}
	if n.fileACL != 0 {
		block := make([]byte, f.sb.blockSize)
		err := f.readBlocks(block, n.fileACL)
		if err == nil {
			err = f.checkXattrBlock(n.fileACL, block)
		}
		if err == nil {
			err = parseXattrs(block, xattrHeaderSize, add)
		}
		if err != nil {
			return nil, fmt.Errorf("inode %d: xattr block %d: %w", n.Ino, n.fileACL, err)
		}
	}
	slices.SortFunc(list, func(a, b Xattr) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func hasInlineXattrs(n *Inode) bool {
	return len(n.inlineEA) >= 4 && le32(n.inlineEA, 0) == xattrMagic
}

// checkXattrBlock checks the header of an xattr block and its checksum.
func (f *FS) checkXattrBlock(number uint64, block []byte) error {
	switch {
	case le32(block, 0) != xattrMagic:
		return fmt.Errorf("magic number is %#x", le32(block, 0))
	case le32(block, 8) != 1:
		return fmt.Errorf("h_blocks is %d", le32(block, 8))
	case !f.xattrChecksumOK(number, block):
		return errors.New("bad checksum")
	}
	return nil
}

// xattrEntry is struct ext4_xattr_entry with its name and value, which lie in
// the area it was read from.
type xattrEntry struct {
	index uint8
	name  []byte
	value []byte
	hash  uint32
	words []byte // value with its padding, what the hash is made of
}

// parseXattrs gives the entries that start at first in an area; values lie at
// offsets into it. Nothing may overlap.
func parseXattrs(area []byte, first int, fn func(xattrEntry) error) error {
	// The entries end where a zero word takes the place of the next one. The
	// values must lie behind it, without overlap.
	end := first
	for {
		if end+4 > len(area) {
			return errors.New("entries without an end")
		}
		if le32(area, end) == 0 {
			break
		}
		if end+xattrEntrySize > len(area) {
			return errors.New("entry without room")
		}
		end += (xattrEntrySize + int(area[end]) + 3) &^ 3
	}
	var taken []Range
	for at := first; at < end; {
		nameLen, off, size := int(area[at]), int(le16(area, at+2)), le32(area, at+8)
		e := xattrEntry{
			index: area[at+1],
			hash:  le32(area, at+12),
		}
		if at+xattrEntrySize+nameLen > end {
			return errors.New("name without room")
		}
		e.name = area[at+xattrEntrySize : at+xattrEntrySize+nameLen]
		if le32(area, at+4) != 0 {
			return fmt.Errorf("%q: not supported: value in an inode", e.name)
		}
		if size > 0 {
			if off < end+4 || size > uint32(len(area)) || off+int(size) > len(area) || off%4 != 0 {
				return fmt.Errorf("%q: value of %d bytes at %d", e.name, size, off)
			}
			e.value = area[off : off+int(size)]
			// The padding may be cut off by the end of a small inode's area.
			e.words = area[off:min(len(area), off+int(size+3)&^3)]
			taken = append(taken, Range{int64(off), int64(len(e.words))})
		}
		if err := fn(e); err != nil {
			return err
		}
		at += (xattrEntrySize + nameLen + 3) &^ 3
	}
	slices.SortFunc(taken, func(a, b Range) int { return cmp.Compare(a.Off, b.Off) })
	for i := 1; i < len(taken); i++ {
		if taken[i].Off < taken[i-1].Off+taken[i-1].Len {
			return fmt.Errorf("values overlap at %d", taken[i].Off)
		}
	}
	return nil
}

// decode gives an entry as the system calls have it; the result is a copy.
func (e *xattrEntry) decode() (Xattr, error) {
	prefix := xattrPrefix(e.index)
	if prefix == "" {
		return Xattr{}, fmt.Errorf("unknown name index %d of %q", e.index, e.name)
	}
	x := Xattr{Name: prefix + string(e.name), Value: append([]byte{}, e.value...)}
	if e.index == xattrACLAccess || e.index == xattrACLDefault {
		value, err := decodeACL(e.value)
		if err != nil {
			return x, fmt.Errorf("%s: %w", x.Name, err)
		}
		x.Value = value
	}
	return x, nil
}

// decodeACL turns a POSIX ACL of the disk form (version 1, where only named
// users and groups have an ID) into that of the system calls (version 2).
func decodeACL(disk []byte) ([]byte, error) {
	if len(disk) < 4 || le32(disk, 0) != 1 {
		return nil, errors.New("ACL without version 1")
	}
	const named = 0x02 | 0x08 // ACL_USER, ACL_GROUP
	out := []byte{2, 0, 0, 0}
	for disk = disk[4:]; len(disk) > 0; {
		if len(disk) < 4 {
			return nil, errors.New("ACL entry cut off")
		}
		out = append(out, disk[:4]...)
		if le16(disk, 0)&named == 0 {
			out = binary.LittleEndian.AppendUint32(out, 1<<32-1)
			disk = disk[4:]
			continue
		}
		if len(disk) < 8 {
			return nil, errors.New("ACL entry cut off")
		}
		out = append(out, disk[4:8]...)
		disk = disk[8:]
	}
	return out, nil
}

// xattrHash gives e_hash of an entry: of its name, and of its value in
// little-endian words.
func xattrHash(e *xattrEntry) uint32 {
	hash := uint32(0)
	for _, c := range e.name {
		hash = hash<<5 ^ hash>>27 ^ uint32(c)
	}
	return xattrValueHash(e, hash)
}

// xattrHashSigned is xattrHash as kernels before 6.2 had it on machines where
// char is signed; it differs for names with bytes above 127.
func xattrHashSigned(e *xattrEntry) uint32 {
	hash := uint32(0)
	for _, c := range e.name {
		hash = hash<<5 ^ hash>>27 ^ uint32(int32(int8(c)))
	}
	return xattrValueHash(e, hash)
}

func xattrValueHash(e *xattrEntry, hash uint32) uint32 {
	for i := 0; i < len(e.value); i += 4 {
		var word [4]byte
		copy(word[:], e.words[i:])
		hash = hash<<16 ^ hash>>16 ^ le32(word[:], 0)
	}
	return hash
}
