package extfs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"purebundle/ext2img/internal/ondisk"
)

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
			err = parseXattrs(block, ondisk.XattrHeaderSize, add)
		}
		if err != nil {
			return nil, fmt.Errorf("inode %d: xattr block %d: %w", n.Ino, n.fileACL, err)
		}
	}
	slices.SortFunc(list, func(a, b Xattr) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func hasInlineXattrs(n *Inode) bool {
	return len(n.inlineEA) >= 4 && le32(n.inlineEA, 0) == ondisk.XattrMagic
}

// checkXattrBlock checks the header of an xattr block and its checksum.
func (f *FS) checkXattrBlock(number uint64, block []byte) error {
	switch {
	case le32(block, ondisk.XattrHMagic) != ondisk.XattrMagic:
		return fmt.Errorf("magic number is %#x", le32(block, ondisk.XattrHMagic))
	case le32(block, ondisk.XattrHBlocks) != 1:
		return fmt.Errorf("h_blocks is %d", le32(block, ondisk.XattrHBlocks))
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
		if end+ondisk.XattrEntrySize > len(area) {
			return errors.New("entry without room")
		}
		end += (ondisk.XattrEntrySize + int(area[end+ondisk.XattrENameLen]) + 3) &^ 3
	}
	var taken []Range
	for at := first; at < end; {
		nameLen, off, size := int(area[at+ondisk.XattrENameLen]), int(le16(area, at+ondisk.XattrEValueOffs)), le32(area, at+ondisk.XattrEValueSize)
		e := xattrEntry{
			index: area[at+ondisk.XattrENameIndex],
			hash:  le32(area, at+ondisk.XattrEHash),
		}
		if at+ondisk.XattrEntrySize+nameLen > end {
			return errors.New("name without room")
		}
		e.name = area[at+ondisk.XattrEntrySize : at+ondisk.XattrEntrySize+nameLen]
		if le32(area, at+ondisk.XattrEValueInum) != 0 {
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
		at += (ondisk.XattrEntrySize + nameLen + 3) &^ 3
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
	prefix := ondisk.XattrPrefix(e.index)
	if prefix == "" {
		return Xattr{}, fmt.Errorf("unknown name index %d of %q", e.index, e.name)
	}
	x := Xattr{Name: prefix + string(e.name), Value: append([]byte{}, e.value...)}
	if e.index == ondisk.XattrACLAccess || e.index == ondisk.XattrACLDefault {
		value, ok := ondisk.SyscallACL(e.value)
		if !ok {
			return x, fmt.Errorf("%s: not an ACL of version 1", x.Name)
		}
		x.Value = value
	}
	return x, nil
}

// wholeWords returns the value of an entry padded to words, with zeros if the
// end of the area cuts the padding off.
func (e *xattrEntry) wholeWords() []byte {
	if len(e.words)%4 == 0 {
		return e.words
	}
	return append(append([]byte{}, e.words...), make([]byte, 4-len(e.words)%4)...)
}

// hashOK says whether e_hash of an entry is right; signed and unsigned bytes of
// names are.
func (e *xattrEntry) hashOK() bool {
	name, words := string(e.name), e.wholeWords()
	return e.hash == ondisk.XattrHash(name, words, ondisk.Unsigned) || e.hash == ondisk.XattrHash(name, words, ondisk.Signed)
}
