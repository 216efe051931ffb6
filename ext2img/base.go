package ext2img

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"time"

	"purebundle/ext2img/extfs"
	"purebundle/ext2img/internal/ondisk"
)

// Base is an older image of the same source, of the same version of this package. A
// layout that has one keeps what it can of it: inode numbers, the places of directories,
// and of files that did not change content and place, which so need not be read.
//
// A file did not change if it is a regular one in both images, with the same path, inode
// number in the source, size, modification, change and birth time, if it is Steady, and
// not one of Changed; and if it changed last so long before Synced that no write(2) can
// have been going on since, and that the next write through mmap(2) had to move its
// change time again.
type Base struct {
	Image  io.ReaderAt // its bytes; an error means that it is damaged
	Size   int64       // of it, in bytes
	Synced Time        // when the run that made it had every file system synced, before its walk, by the clock that stamps files
	// Changed lists paths whose content in the image may not be that of their times:
	// those of Report.Changes, and those that had File.Content.
	Changed []string
	// Reread has every file read all the same, and compared with the base.
	Reread bool
}

// settled is how long before Base.Synced the last change of a file must be: write(2)
// stamps the file before it copies up to 2 GiB into it.
const settled = 10 * time.Second

// numbers are the inode numbers of nodes.
type numbers struct {
	of   []uint32 // by node
	node []int32  // by inode number; rootNode: it is free, or reserved
	used []int64  // by group: how many inodes there are up to the last in use
}

// old is what is known of the base, for a layout.
type old struct {
	*tree
	base *Base
	fs   *extfs.FS
	geo  geometry
	now  Time // Params.Now of the base

	ours    bool            // lost+found is none of the source
	dirs    []uint32        // inode numbers by index in tree.dirs; 0: not in the base
	ofs     []uint32        // inode numbers by node; 0: none yet
	taken   blockSet        // inode numbers that nodes have
	changed map[uint32]bool // inodes of Base.Changed
	meta    []span          // blocks that directories and symlinks have in the base
	acl     map[int32]int64 // block that attributes have in the base, by index in xattrs.block
	data    []span          // of files that did not change, those of a node in a row
	older   []span          // the same of files that changed, and may be alike: what they had in the base
	trees   []treeBlock     // of these
}

// MadeAt returns Params.Now of an image of size bytes, which a layout keeps that has it as
// its base.
func MadeAt(image io.ReaderAt, size int64) (Time, error) {
	fs, err := extfs.Open(image, size)
	if err != nil {
		return Time{}, err
	}
	journal, err := fs.Inode(ondisk.JournalIno)
	if err != nil {
		return Time{}, err
	}
	return Time{journal.Crtime.Sec, journal.Crtime.Nsec}, nil
}

// errNoBase is an error that says why a base is of no use, for people.
type errNoBase string

func (e errNoBase) Error() string { return string(e) }

// openBase reads what the base is, and says why it is of no use.
func (b *Builder) openBase(order []int32) (*old, error) {
	if b.p.Latest != nil {
		return nil, errNoBase("the image is to depend on the tree and the time alone")
	}
	o := &old{tree: b.tree, base: b.p.Base, ours: !b.hasLostFound, changed: make(map[uint32]bool), acl: make(map[int32]int64)}
	r := &pagedReader{r: o.base.Image, size: o.base.Size}
	var err error
	if o.fs, err = extfs.Open(r, o.base.Size); err != nil {
		return nil, err
	}
	if err := o.readGeometry(r); err != nil {
		return nil, err
	}
	if err := o.findChanged(); err != nil {
		return nil, err
	}
	return o, o.match(order)
}

// readGeometry finds the geometry of the base, and checks that all is where a file
// system of that geometry has it, and that it is the one that is asked for.
func (o *old) readGeometry(r io.ReaderAt) error {
	info, p := o.fs.Info(), &o.p
	switch {
	case info.BlockSize != BlockSize || info.InodeSize != ondisk.InodeSize:
		return errNoBase("its blocks or inodes have another size")
	case info.UUID != p.UUID:
		return errNoBase("it has another UUID")
	case info.Label != p.Label:
		return errNoBase("it has another label")
	}
	whole := ceilDiv(int64(info.Blocks)*BlockSize+p.Tail, p.PartSize) * p.PartSize
	if b := o.base; whole != b.Size || p.Size != 0 && ceilDiv(p.Size, p.PartSize)*p.PartSize != b.Size {
		return errNoBase("it has another size")
	}
	g, ok := newGeometry(int64(info.Blocks)*BlockSize, int64(info.Inodes))
	if !ok || g.blocks != int64(info.Blocks) || g.inodes() != int64(info.Inodes) || g.groups != int64(info.Groups) {
		return errNoBase("it is laid out in another way")
	}
	o.geo = g
	for n, want := range g.descriptors() {
		raw := make([]byte, ondisk.GroupDescSize)
		if _, err := r.ReadAt(raw, BlockSize+int64(n)*ondisk.GroupDescSize); err != nil {
			return err
		}
		if ondisk.ReadGroup(raw) != want {
			return errNoBase("it is laid out in another way")
		}
	}
	journal, err := o.fs.Inode(ondisk.JournalIno)
	if err != nil {
		return err
	}
	at, _ := g.journal()
	for e, err := range o.fs.Extents(journal) {
		if err != nil {
			return err
		}
		if int64(e.Phys) != at.start || int64(e.Count) != at.count {
			return errNoBase("its journal lies elsewhere")
		}
	}
	o.now = Time{journal.Crtime.Sec, journal.Crtime.Nsec}
	return nil
}

// findChanged finds the inodes of Base.Changed.
func (o *old) findChanged() error {
	for _, path := range o.base.Changed {
		if len(path) > 4000 { // it may have been shortened
			return errNoBase("its list of changes is not whole")
		}
		n, err := o.fs.Lookup(path)
		switch {
		case err == nil:
			o.changed[n.Ino] = true
		case !notThere(err):
			return err
		}
	}
	return nil
}

// match finds the entries of the tree in the base, directory by directory; order has
// the names of each in byte order.
func (o *old) match(order []int32) error {
	o.dirs, o.ofs = make([]uint32, len(o.tree.dirs)), make([]uint32, o.nodes.len())
	o.taken = make(blockSet, ceilDiv(o.geo.inodes()+int64(o.nodes.len())+ondisk.FirstIno+1, 64)) // number may count further than there are inodes
	o.ofs[rootNode], o.ofs[lostFoundNode] = ondisk.RootIno, ondisk.LostFoundIno
	for i := range o.tree.dirs {
		d := &o.tree.dirs[i]
		switch d.node {
		case rootNode:
			o.dirs[i] = ondisk.RootIno
		case lostFoundNode:
			o.dirs[i] = ondisk.LostFoundIno
		}
		if o.dirs[i] == 0 {
			continue
		}
		n, err := o.fs.Inode(o.dirs[i])
		if err == nil && n.IsDir() {
			err = o.matchDir(d, n, order[d.first:d.first+d.count])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// matchDir finds the names of one directory in that of the base.
func (o *old) matchDir(d *dir, n *extfs.Inode, names []int32) error {
	if err := o.takeMeta(d.node, n); err != nil {
		return err
	}
	if d.node == lostFoundNode && o.ours {
		nd := o.nodes.at(lostFoundNode)
		nd.atime, nd.mtime, nd.ctime, nd.crtime = stampOf(n.Atime), stampOf(n.Mtime), stampOf(n.Ctime), stampOf(n.Crtime)
	}
	o.takeAttributes(d.node, n)
	list, err := o.fs.ReadDirSorted(n)
	if err != nil {
		return err
	}
	for _, i := range names {
		nm := o.names.at(i)
		if nm.node == lostFoundNode {
			continue
		}
		text := o.text.get(nm.ref)
		at, ok := slices.BinarySearchFunc(list, text, func(e extfs.DirEntry, name string) int { return strings.Compare(e.Name, name) })
		if ok {
			if err := o.meet(nm.node, list[at].Ino); err != nil {
				return err
			}
		}
		list = list[at:]
	}
	return nil
}

// meet takes what the base has for a node under one of its names.
func (o *old) meet(n int32, ino uint32) error {
	if o.ofs[n] != 0 || ino <= ondisk.LostFoundIno || int64(ino) > o.geo.inodes() || o.taken.has(int64(ino)) {
		return nil // it is known under another name, or another has its inode
	}
	old, err := o.fs.Inode(ino)
	if err != nil {
		return err
	}
	o.ofs[n] = ino
	o.taken.set(int64(ino))
	nd := o.nodes.at(n)
	if nd.is(unborn) {
		nd.crtime = stampOf(old.Crtime)
	}
	o.takeAttributes(n, old)
	switch {
	case nd.fmt() == ondisk.SIFDIR && old.IsDir():
		o.dirs[nd.ref] = ino // takeMeta follows
	case nd.fmt() == ondisk.SIFLNK && nd.size > ondisk.FastSymlinkMax && old.IsSymlink():
		return o.takeMeta(n, old)
	case o.same(nd, old):
		return o.takeData(n, old)
	case o.alike(nd, old):
		return o.eachExtent(n, old, &o.older)
	}
	return nil
}

// same says whether a file did not change, see Base.
func (o *old) same(nd *node, old *extfs.Inode) bool {
	synced := time.Unix(o.base.Synced.Sec, int64(o.base.Synced.Nsec))
	return nd.fmt() == ondisk.SIFREG && old.IsRegular() && nd.is(steady) && nd.size == old.Size &&
		nd.mtime == stampOf(old.Mtime) && nd.ctime == stampOf(old.Ctime) && nd.crtime == stampOf(old.Crtime) &&
		o.generation(nd) == old.Generation && !o.changed[old.Ino] &&
		!nd.ctime.Time().Add(settled).After(synced)
}

// alike says whether a file that changed may hold much of what it did: it was written to, or
// replaced by one of that length.
func (o *old) alike(nd *node, old *extfs.Inode) bool {
	written := !nd.is(unborn) && nd.crtime == stampOf(old.Crtime) && o.generation(nd) == old.Generation
	return nd.fmt() == ondisk.SIFREG && old.IsRegular() && (written || ceilDiv(nd.size, BlockSize) == ceilDiv(old.Size, BlockSize))
}

// takeMeta notes the blocks of a directory or a symlink.
func (o *old) takeMeta(n int32, old *extfs.Inode) error {
	if old.IsSymlink() && old.Size <= ondisk.FastSymlinkMax {
		return nil
	}
	return o.eachExtent(n, old, &o.meta)
}

// takeAttributes notes the block of attributes.
func (o *old) takeAttributes(n int32, old *extfs.Inode) {
	acl := o.nodes.at(n).acl
	if acl < 0 || old.XattrBlock() == 0 {
		return
	}
	if _, ok := o.acl[acl]; !ok {
		o.acl[acl] = int64(old.XattrBlock())
	}
}

// takeData notes blocks and extent tree of a file that did not change, and has it keep
// them: where the base has holes are zeros in the file.
func (o *old) takeData(n int32, old *extfs.Inode) error {
	first := len(o.data)
	if err := o.eachExtent(n, old, &o.data); err != nil {
		return err
	}
	nodes, err := o.fs.ExtentNodes(old)
	if err != nil {
		return err
	}
	for i, phys := range nodes {
		o.trees = append(o.trees, treeBlock{phys: uint32(phys), owner: n, index: int32(i)})
	}
	nd := o.nodes.at(n)
	nd.traits |= kept
	nd.flags |= old.Flags & ondisk.ChattrFl &^ (ondisk.DirsyncFl | ondisk.TopdirFl) // of which the walk knows some only
	ranges, blocks := []Range{}, int64(0)
	for _, s := range o.data[first:] {
		ranges = append(ranges, Range{int64(s.logical) * BlockSize, int64(s.count) * BlockSize})
		blocks += int64(s.count)
	}
	if delete(o.sparse, n); blocks < ceilDiv(nd.size, BlockSize) {
		o.sparse[n] = ranges
	}
	return nil
}

// eachExtent adds the blocks of an inode to list.
func (o *old) eachExtent(n int32, old *extfs.Inode, list *[]span) error {
	for e, err := range o.fs.Extents(old) {
		if err != nil {
			return err
		}
		*list = append(*list, span{phys: uint32(e.Phys), count: uint32(e.Count), logical: uint32(e.Logical), owner: n})
	}
	return nil
}

// stampOf encodes a time of the base.
func stampOf(t extfs.Time) ondisk.Stamp {
	s, _ := ondisk.NewStamp(t.Sec, t.Nsec)
	return s
}

// number gives every node its inode number: that of the base, or the lowest that is free.
func (o *old) number() *numbers {
	count := o.nodes.len()
	nums := &numbers{of: o.ofs, node: make([]int32, 1, count+ondisk.FirstIno), used: make([]int64, o.geo.groups)}
	next := uint32(ondisk.LostFoundIno + 1)
	for n := range count {
		if nums.of[n] == 0 {
			for o.taken.has(int64(next)) {
				next++
			}
			nums.of[n] = next
			next++
		}
		if n == rootNode || n == lostFoundNode && o.nodes.at(n).gone {
			continue
		}
		ino := nums.of[n]
		if more := int(ino) + 1 - len(nums.node); more > 0 {
			nums.node = append(nums.node, make([]int32, more)...)
		}
		nums.node[ino] = n
		group := int64(ino-1) / o.geo.inodesPerGroup
		nums.used[group] = max(nums.used[group], int64(ino-1)%o.geo.inodesPerGroup+1)
	}
	nums.used[0] = max(nums.used[0], ondisk.LostFoundIno)
	return nums
}

// notThere says whether an error of Lookup means that there is no such path.
func notThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// pagedReader reads an image in pages and keeps the last ones: inodes are asked for one
// by one. It is not safe for concurrent use.
type pagedReader struct {
	r     io.ReaderAt
	size  int64 // bytes
	pages [64]struct {
		number int64 // counted from 1; 0: empty
		data   []byte
	}
}

const pagedSize = 16 << 10 // bytes of a page

// ReadAt implements io.ReaderAt.
func (c *pagedReader) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		if at < 0 || at >= c.size {
			return n, io.EOF
		}
		number := at / pagedSize
		page := &c.pages[number%int64(len(c.pages))]
		if page.number != number+1 {
			page.number = 0
			if page.data == nil {
				page.data = make([]byte, pagedSize)
			}
			want := page.data[:min(pagedSize, c.size-number*pagedSize)]
			if got, err := c.r.ReadAt(want, number*pagedSize); got < len(want) {
				return n, cmp.Or(err, io.ErrUnexpectedEOF)
			}
			page.number = number + 1
		}
		n += copy(p[n:], page.data[at-number*pagedSize:])
	}
	return n, nil
}

// whyNot says why a base is of no use.
func whyNot(err error) string {
	var why errNoBase
	if errors.As(err, &why) {
		return string(why)
	}
	return fmt.Sprintf("it cannot be read: %v", err)
}
