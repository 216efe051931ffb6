package extfs

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"slices"

	"purebundle/ext2img/internal/ondisk"
)

// directories reads every directory whose blocks are sound, and counts what
// its entries name.
func (c *checker) directories() {
	var hashes []uint64 // a buffer
	for ino, st := range c.states.all() {
		if c.stopped() {
			return
		}
		if st.kind != ondisk.SIFDIR>>12 {
			continue
		}
		if n := c.again(ino); n != nil {
			d := dirCheck{c: c, n: n, hashes: hashes[:0]}
			d.run()
			hashes = d.hashes
		}
	}
}

// dirCheck checks one directory.
type dirCheck struct {
	c      *checker
	n      *Inode
	tree   *htree   // nil: linear
	hashes []uint64 // of the names
	dots   int      // "." and ".." seen at their places
}

func (d *dirCheck) problem(block uint64, off int, format string, args ...any) {
	d.c.add(Problem{Ino: d.n.Ino, Where: fmt.Sprintf("directory %d, block %d, offset %d", d.n.Ino, block, off), Text: fmt.Sprintf(format, args...)})
}

func (d *dirCheck) run() {
	f := d.c.f
	if d.n.Flags&ondisk.IndexFl != 0 {
		if f.sb.compat&ondisk.CompatDirIndex == 0 {
			d.c.inInode(d.n.Ino, "hashed directory without the feature dir_index")
		} else {
			d.tree = readHtree(d.c, d.n)
		}
	}
	for b, err := range f.dirBlocks(d.n, d.c.dirData) {
		if err != nil {
			d.fail(err)
			return
		}
		if d.c.stopped() {
			return
		}
		switch {
		case d.tree == nil || !d.tree.isNode(b):
			d.leaf(b)
		case b.block == 0:
			d.rootNode(b)
		}
	}
	if d.dots != 2 {
		d.c.inInode(d.n.Ino, "directory without \".\" and \"..\" at its start")
	}
	d.duplicates()
}

// fail ends the check for what reading said, which it says only of images
// that change or fail while they are read: the blocks were checked before.
func (d *dirCheck) fail(err error) {
	if d.c.err == nil {
		d.c.err = err
	}
}

// rootNode takes "." and ".." from the root of an htree.
func (d *dirCheck) rootNode(b dirBlock) {
	at := 0
	for e, err := range d.c.f.entries(b.data) {
		if err != nil {
			d.problem(b.block, 0, "%v", err)
			return
		}
		d.entry(b, e, at)
		at++
	}
}

// leaf checks a block of entries.
func (d *dirCheck) leaf(b dirBlock) {
	f := d.c.f
	if !f.leafChecksumOK(d.n, b.data) {
		d.problem(b.block, len(b.data)-ondisk.DirTailSize, "bad checksum")
	}
	at, last := 0, 0
	for e, err := range f.entries(b.data) {
		if err != nil {
			d.problem(b.block, last, "%v", err)
			return
		}
		if last = e.off; e.ino != 0 {
			d.entry(b, e, at)
		}
		at++
		if d.c.err != nil {
			return
		}
	}
	if f.sb.metadataCsum() && last != len(b.data)-ondisk.DirTailSize {
		d.problem(b.block, last, "the last entry covers the checksum")
	}
}

// entry checks one used entry, the nth of its block.
func (d *dirCheck) entry(b dirBlock, e entry, nth int) {
	f := d.c.f
	dot, dotdot := string(e.name) == ".", string(e.name) == ".."
	switch {
	case len(e.name) == 0:
		d.problem(b.block, e.off, "entry without a name")
		return
	case (dot || dotdot) && (b.block != 0 || dot != (nth == 0) || dotdot != (nth == 1)):
		d.problem(b.block, e.off, "%q out of its place", e.name)
		return
	case bytes.IndexByte(e.name, '/') >= 0 || bytes.IndexByte(e.name, 0) >= 0:
		d.problem(b.block, e.off, "name %q has a slash or NUL", e.name)
	}
	if !dot && !dotdot {
		d.name(b, e)
	} else {
		d.dots++
		if b.data[e.off+ondisk.DirHeaderSize+len(e.name)] != 0 {
			d.problem(b.block, e.off, "%q without a NUL behind it", e.name)
		}
	}
	if e.ino > f.sb.inodesCount || e.ino < f.sb.firstIno && (e.ino != ondisk.RootIno || !dot && !dotdot) {
		d.problem(b.block, e.off, "%q is inode %d, which no name may have", e.name, e.ino)
		return
	}
	st := d.c.states.get(e.ino)
	if st == nil {
		d.problem(b.block, e.off, "%q is inode %d, which is not in use", e.name, e.ino)
		return
	}
	st.links++
	switch {
	case f.sb.incompat&ondisk.IncompatFiletype == 0 && e.kind != 0:
		d.problem(b.block, e.off, "%q has file type %d, without the feature filetype", e.name, e.kind)
	case f.sb.incompat&ondisk.IncompatFiletype != 0 && e.kind != kindOf(st.kind):
		d.problem(b.block, e.off, "%q has file type %d, inode %d is of type %d", e.name, e.kind, e.ino, kindOf(st.kind))
	}
	switch own := d.c.states.get(d.n.Ino); {
	case dot:
		if e.ino != d.n.Ino {
			d.problem(b.block, e.off, "\".\" is inode %d", e.ino)
		}
	case dotdot:
		own.dotdot = e.ino
	case st.kind == ondisk.SIFDIR>>12:
		if st.parent != 0 {
			d.problem(b.block, e.off, "%q is directory %d, which is in directory %d too", e.name, e.ino, st.parent)
			return
		}
		st.parent = d.n.Ino
	}
}

// kindOf turns the type bits of a mode into the file type byte of entries.
func kindOf(mode uint8) uint8 { return ondisk.FileType(uint32(mode) << 12) }

// name remembers a name for duplicates, and checks its place in the htree.
func (d *dirCheck) name(b dirBlock, e entry) {
	d.hashes = append(d.hashes, maphash.Bytes(d.c.seed, e.name))
	if d.tree == nil {
		return
	}
	hash, ok := d.c.f.nameHash(d.tree.version, string(e.name))
	if r := d.tree.blocks[b.block]; ok && !d.tree.broken && r.kind == htreeLeaf && (hash < r.lo || hash > r.hi) {
		d.problem(b.block, e.off, "%q has hash %#x, this leaf is for %#x to %#x", e.name, hash, r.lo, r.hi)
	}
}

// duplicates looks for equal hashes of names, and then for the names, of
// which it reports no more than a few.
func (d *dirCheck) duplicates() {
	slices.Sort(d.hashes)
	twice := map[uint64]bool{}
	for i := 1; i < len(d.hashes) && len(twice) < 10; i++ {
		if d.hashes[i] == d.hashes[i-1] {
			twice[d.hashes[i]] = true
		}
	}
	if len(twice) == 0 {
		return
	}
	seen := map[string]bool{}
	for b, err := range d.c.f.dirBlocks(d.n, d.c.dirData) {
		if err != nil {
			d.fail(err)
			return
		}
		for e, err := range d.c.f.entries(b.data) {
			if err != nil {
				break
			}
			if e.ino == 0 || !twice[maphash.Bytes(d.c.seed, e.name)] {
				continue
			}
			if seen[string(e.name)] {
				d.problem(b.block, e.off, "%q twice", e.name)
			}
			seen[string(e.name)] = true
		}
	}
}
