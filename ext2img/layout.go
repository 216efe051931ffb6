package ext2img

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"purebundle/ext2img/internal/ondisk"
)

// Layout gives every entry its inode and block numbers. Nothing is read from
// the source; open is for later, see Plan.Make. The error is a *TooSmallError
// if Params.Size does not hold the content.
func (b *Builder) Layout(open Opener) (*Plan, error) {
	if err := b.p.check(); err != nil {
		return nil, err
	}
	if b.stack == nil {
		return nil, fmt.Errorf("layout: no entries")
	}
	b.addLostFound()
	hashSeed := b.p.hashSeed()
	order := b.groupNames()
	var o *old
	var noBase error
	if b.p.Base != nil {
		o, noBase = b.openBase(order)
	}
	b.planDirs(order, hashSeed)
	var a allocation
	if o != nil && noBase == nil {
		a, noBase = o.allocate()
	}
	var base *Base
	if o != nil && noBase == nil {
		b.numbers, b.p.Now, base = o.number(), o.now, b.p.Base
	} else {
		b.forgetBase()
		var err error
		if a, err = b.allocate(); err != nil {
			return nil, err
		}
	}
	b.byAge = nil // no longer needed
	st, groups, err := mkfs(a.g, b.p)
	if err != nil {
		return nil, err
	}
	m := &Plan{
		tree:       b.tree,
		allocation: a,
		order:      order,
		st:         st,
		groups:     groups,
		open:       open,
		seed:       ondisk.Seed(b.p.UUID),
		hashSeed:   hashSeed,
		base:       base,
	}
	if noBase != nil {
		m.noBase = whyNot(noBase)
	}
	m.findInUse()
	m.encodeTrees()
	m.encodeResize()
	m.writeBackups()
	m.encodeGroups()
	return m, nil
}

// forgetBase makes no file keep what it has in a base.
func (t *tree) forgetBase() {
	t.byAge = nil
	for n := range t.nodes.len() {
		t.nodes.at(n).traits &^= kept
	}
}

// check rejects parameters that make no file system.
func (p Params) check() error {
	switch {
	case len(p.Label) > 16:
		return fmt.Errorf("label %q: longer than 16 bytes", p.Label)
	case p.Now.Sec < 0 || p.Now.Sec > 1<<32-1:
		return fmt.Errorf("time %d: not between 0 and %d seconds, which a superblock holds", p.Now.Sec, int64(1<<32-1))
	case p.PartSize < BlockSize || p.PartSize%BlockSize != 0:
		return fmt.Errorf("part size %d: no multiple of %d", p.PartSize, BlockSize)
	case p.Tail < 0 || p.Tail%BlockSize != 0:
		return fmt.Errorf("tail %d: no multiple of %d", p.Tail, BlockSize)
	case p.Size < 0 || p.Size > MaxSize:
		return fmt.Errorf("size %d bytes: not between 0 and %d (16 TiB)", p.Size, int64(MaxSize))
	}
	return nil
}

// hashSeed derives s_hash_seed from the UUID, so that the same UUID gives the
// same image.
func (p Params) hashSeed() (seed [4]uint32) {
	sum := sha256.Sum256(p.UUID[:])
	for i := range seed {
		seed[i] = binary.LittleEndian.Uint32(sum[4*i:])
	}
	return seed
}

// addLostFound makes the lost+found directory if the tree has none.
func (b *Builder) addLostFound() {
	if b.hasLostFound {
		nd := b.nodes.at(lostFoundNode)
		nd.gone = nd.links == 0 // a further link to another file: inode 11 stays free
		return
	}
	now, _ := ondisk.NewStamp(b.p.Now.Sec, b.p.Now.Nsec)
	*b.nodes.at(lostFoundNode) = node{
		mode: ondisk.SIFDIR | 0o700, links: 2, xattrs: -1, acl: -1,
		atime: now, mtime: now, ctime: now, crtime: now,
		name: b.names.add(name{parent: rootNode, node: lostFoundNode, ref: b.lostFound}),
	}
	b.nodes.at(rootNode).links++
}
