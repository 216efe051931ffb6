package extfs

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"purebundle/ext2img/internal/ondisk"
)

// maxProblems is the number of problems at which Check gives up: so damaged an
// image is no file system.
const maxProblems = 10000

// ErrTooManyProblems ends a Check that has reported maxProblems.
var ErrTooManyProblems = errors.New("too many problems")

// Problem is one thing that is wrong in an image.
type Problem struct {
	Ino   uint32 // the inode it is about, 0: none
	Path  string // one of that inode's paths, "" where none is known
	Where string // "superblock", "group 3", "inode 12"
	Text  string
}

func (p Problem) String() string {
	if p.Path != "" {
		return fmt.Sprintf("%s %q: %s", p.Where, p.Path, p.Text)
	}
	return p.Where + ": " + p.Text
}

// Check reads all metadata of the file system and reports each contradiction:
// every checksum, every inode, name, extent and xattr, htree order, blocks
// claimed twice or outside, link, block and free counts, bitmaps, the journal
// and the orphan list. It reads no file content.
//
// The error is nil if the check came to its end, whatever it reported; it
// is not nil if reading failed, ctx ended, or the image has features that
// Check does not know. It holds one bit a block in use and some 16 bytes an
// inode in use. report is called from the same goroutine, when all is read.
func (f *FS) Check(ctx context.Context, report func(Problem)) error {
	if unknown := f.sb.roCompat & (ondisk.ROSnapshot | ondisk.ROReplica | ondisk.ROSharedBlocks | ^uint32(ondisk.ROKnown)); unknown != 0 {
		return fmt.Errorf("check ext4: not supported: read-only feature bits %#x", unknown)
	}
	if unknown := f.sb.compat &^ ondisk.CompatKnown; unknown != 0 {
		return fmt.Errorf("check ext4: not supported: compatible feature bits %#x", unknown)
	}
	c := &checker{
		f: f, ctx: ctx, seed: maphash.MakeSeed(),
		xattrs: map[uint64]*xattrBlock{}, dirData: make([]byte, f.sb.blockSize),
		table: make([]byte, max(f.sb.blockSize, 64<<10)),
	}
	for _, pass := range []func(){
		c.super, c.layout, c.inodes, c.sharedXattrs, c.journal, c.orphanFile, c.directories, c.links, c.bitmaps,
		func() { c.resolve(c.problems) },
	} {
		if pass(); c.err != nil {
			break
		}
	}
	for _, p := range c.problems {
		report(p)
	}
	if c.err != nil {
		return fmt.Errorf("check ext4: %w", c.err)
	}
	return nil
}

type checker struct {
	f        *FS
	ctx      context.Context
	err      error // ends the check
	problems []Problem

	claimed   bitset // blocks that are in use
	badGroups bitset // groups whose inode table is not to be read
	states    states // of inodes
	xattrs    map[uint64]*xattrBlock
	nodes     [ondisk.MaxExtentDepth][]byte // buffers of the tree walks
	dirData   []byte                        // buffer for directory blocks
	table     []byte                        // buffer for parts of inode tables
	seed      maphash.Seed                  // of the hashes that find duplicate names

	parts []string // buffer for the names of a path

	freeBlocks uint64 // sums of what the groups say
	freeInodes uint64
}

func (c *checker) add(p Problem) {
	if c.err != nil {
		return
	}
	c.problems = append(c.problems, p)
	if len(c.problems) == maxProblems {
		c.err = ErrTooManyProblems
	}
}

func (c *checker) inSuper(format string, args ...any) {
	c.add(Problem{Where: "superblock", Text: fmt.Sprintf(format, args...)})
}

func (c *checker) inGroup(group uint32, format string, args ...any) {
	c.add(Problem{Where: fmt.Sprintf("group %d", group), Text: fmt.Sprintf(format, args...)})
}

func (c *checker) inInode(ino uint32, format string, args ...any) {
	c.add(Problem{Ino: ino, Where: fmt.Sprintf("inode %d", ino), Text: fmt.Sprintf(format, args...)})
}

// stopped returns true if the check must end: too many problems, a read error,
// or the end of ctx.
func (c *checker) stopped() bool {
	if c.err == nil {
		c.err = c.ctx.Err()
	}
	return c.err != nil
}

// read fills p from block on; a read error ends the check.
func (c *checker) read(p []byte, block uint64) bool {
	if c.stopped() {
		return false
	}
	c.err = c.f.readBlocks(p, block)
	return c.err == nil
}

// claim marks blocks as in use; it reports and returns false if one is in
// use already.
func (c *checker) claim(start, count uint64, report func(format string, args ...any), what string) bool {
	first, again := c.claimed.setRange(start, count)
	if again > 0 {
		report("%s: block %d is in use already (%d such blocks of %d)", what, first, again, count)
	}
	return again == 0
}

// aboutGroup and aboutInode bind the place of a problem.
func (c *checker) aboutGroup(group uint32) func(string, ...any) {
	return func(format string, args ...any) { c.inGroup(group, format, args...) }
}

func (c *checker) aboutInode(ino uint32) func(string, ...any) {
	return func(format string, args ...any) { c.inInode(ino, format, args...) }
}

// node gives the buffer of a level of a tree.
func (c *checker) node(level int) []byte {
	if c.nodes[level] == nil {
		c.nodes[level] = make([]byte, c.f.sb.blockSize)
	}
	return c.nodes[level]
}
