package ext2img

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"purebundle/ext2img/internal/ondisk"
)

// xattrPlan holds the attributes of all nodes, equal sets once.
type xattrPlan struct {
	sets  arena                       // packed
	inode pages[uint32]               // sets in inodes, by their reference
	block pages[xattrBlock]           // sets in blocks
	known map[[sha256.Size]byte]int32 // index of a set by where and what it is; of equal blocks the one that still takes inodes
}

// xattrBlock is a block that inodes with equal attributes share.
type xattrBlock struct {
	set  uint32 // reference
	refs uint32 // h_refcount
	phys uint32 // block number
}

// maxSets bounds the attributes that one image takes, in bytes of sets that are not
// equal: they stay in memory, and anybody can give each file of his 4 KiB of others.
// An entry whose name, target and attributes take no more than textEach bytes is taken
// in any case.
const maxSets = 256 << 20

var errSetsFull = fmt.Errorf("the attributes before its own take %d MiB, the most that one image takes", maxSets>>20)

// planXattrs decides where attributes go, and drops what has no place with a
// warning. It returns indexes in the plan, -1 for none. text is how many bytes the
// entry's name and target have.
func (t *tree) planXattrs(path string, in []Xattr, text int) (inode, block int32, err error) {
	if len(in) == 0 {
		return -1, -1, nil
	}
	xs := make([]ondisk.Xattr, 0, len(in))
	for _, x := range in {
		d, ok := ondisk.NewXattr(x.Name, x.Value)
		if !ok {
			t.warn(path, fmt.Sprintf("attribute %q dropped: ext4 has no form for it", x.Name))
			continue
		}
		if d.Size() > ondisk.XattrBlockSize {
			t.warn(path, fmt.Sprintf("attribute %q dropped: its %d bytes do not fit in a block", x.Name, len(x.Value)))
			continue
		}
		xs = append(xs, d)
	}
	ondisk.SortXattrs(xs)
	xs = slices.CompactFunc(xs, func(a, b ondisk.Xattr) bool { return a.Index == b.Index && a.Name == b.Name }) // FUSE may list a name twice
	inInode, inBlock, dropped := ondisk.FitXattrs(xs)
	for _, x := range dropped {
		t.warn(path, fmt.Sprintf("an attribute of %d bytes (%q) dropped: the attributes of a file fit in its inode and one block", len(x.Value), x.FullName()))
	}
	for _, x := range inInode {
		text += x.Size()
	}
	for _, x := range inBlock {
		text += x.Size()
	}
	p := &t.xattrs
	if inode, err = p.toInode(inInode, text); err == nil {
		block, err = p.toBlock(inBlock, text)
	}
	if err != nil {
		return -1, -1, err
	}
	return inode, block, nil
}

// find returns the index of a set, and under which key it is to be known if ok is
// false; where is 'i' for inodes, 'b' for blocks.
func (p *xattrPlan) find(where byte, set string) (key [sha256.Size]byte, i int32, ok bool) {
	h := sha256.New()
	h.Write([]byte{where})
	h.Write([]byte(set))
	key = [sha256.Size]byte(h.Sum(nil))
	i, ok = p.known[key]
	return key, i, ok
}

// store keeps a set that is not known, of an entry with so many bytes.
func (p *xattrPlan) store(set string, entry int) (ref uint32, err error) {
	if entry > textEach && p.sets.bytes+int64(len(set)) > maxSets {
		return 0, errSetsFull
	}
	ref, ok := p.sets.add(set)
	if !ok {
		return 0, errSetsFull
	}
	if p.known == nil {
		p.known = make(map[[sha256.Size]byte]int32)
	}
	return ref, nil
}

func (p *xattrPlan) toInode(xs []ondisk.Xattr, entry int) (int32, error) {
	if len(xs) == 0 {
		return -1, nil
	}
	set := packXattrs(xs)
	key, i, ok := p.find('i', set)
	if ok {
		return i, nil
	}
	ref, err := p.store(set, entry)
	if err != nil {
		return -1, err
	}
	i = p.inode.add(ref)
	p.known[key] = i
	return i, nil
}

func (p *xattrPlan) toBlock(xs []ondisk.Xattr, entry int) (int32, error) {
	if len(xs) == 0 {
		return -1, nil
	}
	set := packXattrs(xs)
	key, i, ok := p.find('b', set)
	if ok {
		if x := p.block.at(i); x.refs < ondisk.XattrRefcountMax {
			x.refs++
			return i, nil
		}
	}
	var ref uint32
	if ok { // one more block of that set
		ref = p.block.at(i).set
	} else {
		var err error
		if ref, err = p.store(set, entry); err != nil {
			return -1, err
		}
	}
	i = p.block.add(xattrBlock{set: ref, refs: 1})
	p.known[key] = i
	return i, nil
}

// share counts one more inode that uses a block.
func (p *xattrPlan) share(block int32) {
	if block >= 0 {
		p.block.at(block).refs++
	}
}

// drop counts one inode less.
func (p *xattrPlan) drop(block int32) {
	if block >= 0 {
		p.block.at(block).refs--
	}
}

// packXattrs makes one string of attributes that fit in a block: of each its name
// index, the lengths of name and value in bytes (1 and 2), name and value.
func packXattrs(xs []ondisk.Xattr) string {
	var b []byte
	for _, x := range xs {
		b = append(b, x.Index, byte(len(x.Name)))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(x.Value)))
		b = append(append(b, x.Name...), x.Value...)
	}
	return string(b)
}

// get is the way back from packXattrs.
func (p *xattrPlan) get(ref uint32) (xs []ondisk.Xattr) {
	for s := p.sets.get(ref); s != ""; {
		name := 4 + int(s[1])
		value := name + int(s[2]) + int(s[3])<<8
		xs = append(xs, ondisk.Xattr{Index: s[0], Name: s[4:name], Value: s[name:value]})
		s = s[value:]
	}
	return xs
}
