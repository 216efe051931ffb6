package extfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"purebundle/ext2img/imgtest"

	"purebundle/ext2img/internal/ondisk"
)

// damaged is an image in memory and ways to spoil it that leave checksums
// right, so that what finds the damage is not a checksum.
type damaged struct {
	t   *testing.T
	img []byte
	f   *FS
}

func (d *damaged) ino(path string) *Inode {
	d.t.Helper()
	n, err := d.f.Lookup(path)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d *damaged) block(number uint64) []byte {
	bs := uint64(d.f.sb.blockSize)
	return d.img[number*bs : (number+1)*bs]
}

// phys gives where a logical block of a path lies.
func (d *damaged) phys(path string, block uint64) uint64 {
	d.t.Helper()
	m := mapper{f: d.f, n: d.ino(path)}
	s, err := m.at(block)
	if err != nil || !s.data() {
		d.t.Fatalf("%s: block %d: %+v %v", path, block, s, err)
	}
	return s.phys
}

// super changes the superblock.
func (d *damaged) super(change func(b []byte)) {
	b := d.img[1024:2048]
	change(b)
	put32(b, ondisk.SChecksum, ondisk.SuperSum(b))
}

// group changes a descriptor.
func (d *damaged) group(group uint32, change func(b []byte)) {
	off := (int(d.f.sb.firstDataBlock)+1)*d.f.sb.blockSize + int(group)*d.f.sb.descSize
	b := d.img[off : off+d.f.sb.descSize]
	change(b)
	put16(b, 0x1e, d.f.groupChecksum(group, b))
}

// bitmap changes a bitmap and its checksum; field is 0x0 for the blocks', 0x4
// for the inodes'.
func (d *damaged) bitmap(group uint32, field int, change func(b []byte)) {
	d.group(group, func(desc []byte) {
		b := d.block(uint64(le32(desc, field)))
		change(b)
		n := d.f.sb.blocksPerGroup
		if field == 4 {
			n = d.f.sb.inodesPerGroup
		}
		crc := d.f.seed.Add(b[:n/8])
		put16(desc, 0x18+field/2, uint16(crc))
		put16(desc, 0x38+field/2, uint16(crc>>16))
	})
}

// inodeNo changes an inode.
func (d *damaged) inodeNo(ino uint32, change func(b []byte)) {
	d.t.Helper()
	g, err := d.f.group((ino - 1) / d.f.sb.inodesPerGroup)
	if err != nil {
		d.t.Fatal(err)
	}
	off := int(g.inodeTable)*d.f.sb.blockSize + int((ino-1)%d.f.sb.inodesPerGroup)*d.f.sb.inodeSize
	b := d.img[off : off+d.f.sb.inodeSize]
	change(b)
	crc, _ := ondisk.InodeSum(b, ino, d.f.seed)
	put16(b, 0x7c, uint16(crc))
	put16(b, 0x82, uint16(crc>>16))
}

func (d *damaged) inode(path string, change func(b []byte)) {
	d.t.Helper()
	d.inodeNo(d.ino(path).Ino, change)
}

// leaf changes a block of directory entries.
func (d *damaged) leaf(path string, block uint64, change func(b []byte)) {
	d.t.Helper()
	n, b := d.ino(path), d.block(d.phys(path, block))
	change(b)
	tail := len(b) - ondisk.DirTailSize
	put32(b, tail+8, uint32(d.f.inodeSeed(n).Add(b[:tail])))
}

// index changes an htree node whose counts are at offset.
func (d *damaged) index(path string, block uint64, offset int, change func(b []byte)) {
	d.t.Helper()
	n, b := d.ino(path), d.block(d.phys(path, block))
	change(b)
	limit, count := int(le16(b, offset)), int(le16(b, offset+2))
	tail := offset + 8*limit
	if tail+8 > len(b) || offset+8*count > len(b) {
		return
	}
	put32(b, tail+4, ondisk.HtreeSum(b, offset, count, tail, d.f.inodeSeed(n)))
}

// node changes the first extent node below an inode.
func (d *damaged) node(path string, change func(b []byte)) {
	d.t.Helper()
	n := d.ino(path)
	b := d.block(nodeChild(n.iblock[:], 0))
	change(b)
	tail := ondisk.ExtentHeaderSize + ondisk.ExtentSize*((len(b)-ondisk.ExtentHeaderSize)/ondisk.ExtentSize)
	put32(b, tail, uint32(d.f.inodeSeed(n).Add(b[:tail])))
}

// xattrBlock changes an xattr block.
func (d *damaged) xattrBlock(path string, change func(b []byte)) {
	d.t.Helper()
	number := d.ino(path).fileACL
	b := d.block(number)
	change(b)
	put32(b, 0x10, 0)
	put32(b, ondisk.XattrHChecksum, ondisk.XattrSum(b, number, d.f.seed))
}

// journal changes the journal's superblock.
func (d *damaged) journal(change func(b []byte)) {
	d.t.Helper()
	n, err := d.f.Inode(d.f.sb.journalInum)
	if err != nil {
		d.t.Fatal(err)
	}
	m := mapper{f: d.f, n: n}
	s, err := m.at(0)
	if err != nil {
		d.t.Fatal(err)
	}
	b := d.block(s.phys)
	change(b)
	binary.BigEndian.PutUint32(b[0xfc:], 0)
	binary.BigEndian.PutUint32(b[ondisk.JournalChecksum:], ondisk.JournalSum(b))
}

func put16(b []byte, off int, v uint16) { binary.LittleEndian.PutUint16(b[off:], v) }
func put32(b []byte, off int, v uint32) { binary.LittleEndian.PutUint32(b[off:], v) }

// entryAt gives the offset of a name in a block.
func entryAt(f *FS, b []byte, name string) int {
	for e, err := range f.entries(b) {
		if err == nil && string(e.name) == name {
			return e.off
		}
	}
	panic("no entry " + name)
}

// sampleImage makes a small image that has one of everything.
func sampleImage(t testing.TB) []byte {
	t.Helper()
	imgtest.RequireRoot(t)
	image := makeImage(t, "8M", "-b", "1024", "-N", "512", "-g", "4096", "-I", "256", "-E", "hash_seed=01234567-89ab-cdef-0123-456789abcdef",
		"-O", "metadata_csum,64bit,^metadata_csum_seed,^orphan_file,^has_journal")
	imgtest.Run(t, "tune2fs", "-J", "size=1", "-O", "has_journal", image)
	dir := imgtest.MountRW(t, image)
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("file", strings.Repeat("content\n", 1000))
	write("other", "other")
	write("empty", "")
	mkdir(t, dir, "sub")
	mkdir(t, dir, "sub/inner")
	write("sub/inner/leaf", "leaf")
	deepExtents(t, filepath.Join(dir, "deep"), 1024, 100)
	for _, err := range []error{
		os.Link(filepath.Join(dir, "file"), filepath.Join(dir, "sub/link")),
		os.Symlink("fast", filepath.Join(dir, "fast")),
		os.Symlink(strings.Repeat("slow", 50), filepath.Join(dir, "slow")),
		unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
		unix.Mknod(filepath.Join(dir, "device"), unix.S_IFCHR|0o600, 0x103),
		unix.Setxattr(filepath.Join(dir, "empty"), "user.inline", []byte("inline"), 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"file", "other"} {
		for _, key := range []string{"user.b", "user.a", "trusted.cc"} {
			if err := unix.Setxattr(filepath.Join(dir, name), key, bytes.Repeat([]byte(key), 40), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	hashed := mkdir(t, dir, "hashed")
	for i := range 120 {
		if err := os.WriteFile(filepath.Join(hashed, fmt.Sprintf("a rather long name, so that it fills blocks %d", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	imgtest.Unmount(t, dir)
	imgtest.Fsck(t, image)
	img, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	return img
}
