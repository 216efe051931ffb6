package extfs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"

	"purebundle/ext2img/internal/ondisk"
)

func TestCheckFindsDamage(t *testing.T) {
	sample := sampleImage(t)
	scratch := filepath.Join(imgtest.Tmpfs(t, 64<<20), "image")
	hashedName := "a rather long name, so that it fills blocks 7"
	for _, c := range []struct {
		name  string
		spoil func(d *damaged)
		want  string // part of a problem
	}{
		{"nothing", func(*damaged) {}, ""},
		// Superblock and groups.
		{"state", func(d *damaged) { d.super(func(b []byte) { put16(b, 0x3a, 2) }) }, "s_state is 0x2"},
		{"free blocks", func(d *damaged) { d.super(func(b []byte) { put32(b, 0xc, 7) }) }, "superblock: 7 free blocks"},
		{"free inodes", func(d *damaged) { d.super(func(b []byte) { put32(b, 0x10, 7) }) }, "superblock: 7 free inodes"},
		{"orphan list", func(d *damaged) { d.super(func(b []byte) { put32(b, 0xe8, 12) }) }, "orphan list is not empty"},
		{"hash seed", func(d *damaged) { d.super(func(b []byte) { b[0xec]++ }) }, "this leaf is for"},
		{"journal copy", func(d *damaged) { d.super(func(b []byte) { b[0x10c+20]++ }) }, "s_jnl_blocks is not a copy"},
		{"backup superblock", func(d *damaged) { d.img[4097*1024+0x38]++ }, "group 1: backup superblock: not an ext4"},
		{"backup of another", func(d *damaged) {
			b := d.img[4097*1024 : 4098*1024]
			b[0x68]++
			put32(b, ondisk.SChecksum, ondisk.SuperSum(b))
		}, "group 1: backup superblock: not of this file system"},
		{"descriptor checksum", func(d *damaged) { d.img[2048+0x1e]++ }, "group 0: descriptor: bad checksum"},
		{"group free blocks", func(d *damaged) { d.group(1, func(b []byte) { b[0xc]++ }) }, "group 1: "},
		{"group free inodes", func(d *damaged) { d.group(0, func(b []byte) { b[0xe]++ }) }, "free inodes, want"},
		{"group directories", func(d *damaged) { d.group(0, func(b []byte) { b[0x10]++ }) }, "directories, want 3"},
		{"group unused inodes", func(d *damaged) { d.group(0, func(b []byte) { put16(b, 0x1c, 200) }) }, "which were never used"},
		{"group block bitmap place", func(d *damaged) { d.group(0, func(b []byte) { put32(b, 0, 1<<30) }) }, "block bitmap: block 1073741824 is outside"},
		{"group inode table place", func(d *damaged) { d.group(0, func(b []byte) { put32(b, 8, 1<<30) }) }, "inode table: block 1073741824 is outside"},
		{"group inode table overlaps", func(d *damaged) { d.group(1, func(b []byte) { put32(b, 8, le32(b, 8)-1) }) }, "inode table: block"},
		{"block uninit", func(d *damaged) { d.group(0, func(b []byte) { b[0x12] |= ondisk.BlockUninit }) }, "the block bitmap is not initialised"},
		{"block bitmap checksum", func(d *damaged) { d.group(0, func(b []byte) { b[0x18]++ }) }, "block bitmap: bad checksum"},
		{"inode bitmap checksum", func(d *damaged) { d.group(0, func(b []byte) { b[0x1a]++ }) }, "inode bitmap: bad checksum"},
		{"block marked free", func(d *damaged) {
			n := d.phys("/file", 0) - 1
			d.bitmap(uint32(n/4096), 0, func(b []byte) { b[n%4096/8] &^= 1 << (n % 8) })
		}, "is in use, but marked free"},
		{"block marked used", func(d *damaged) { d.bitmap(1, 0, func(b []byte) { b[511] |= 0x40 }) }, "is marked in use, but is not"},
		{"block bitmap padding", func(d *damaged) { d.bitmap(1, 0, func(b []byte) { b[1023] = 0 }) }, "group 1: block bitmap: bit 8184 behind the end"},
		{"inode bitmap padding", func(d *damaged) { d.bitmap(0, 4, func(b []byte) { b[1023] = 0 }) }, "inode bitmap: bit 8184 behind the end"},
		{"inode marked free", func(d *damaged) {
			i := d.ino("/other").Ino - 1
			d.bitmap(0, 4, func(b []byte) { b[i/8] &^= 1 << (i % 8) })
		}, "but is free in the bitmap"},
		{"inode marked used", func(d *damaged) { d.bitmap(0, 4, func(b []byte) { b[31] |= 0x80 }) }, "never used"},
		// Inodes.
		{"inode checksum", func(d *damaged) {
			d.inode("/file", func([]byte) {})
			off := bytes.Index(d.img, []byte("fast\x00")) // i_block of the fast symlink
			d.img[off-0x28+0x7c]++
		}, "bad checksum"},
		{"link count", func(d *damaged) { d.inode("/file", func(b []byte) { put16(b, 0x1a, 3) }) }, "link count is 3, want 2"},
		{"no links", func(d *damaged) { d.inode("/file", func(b []byte) { put16(b, 0x1a, 0) }) }, "has no links"},
		{"directory link count", func(d *damaged) { d.inode("/sub", func(b []byte) { put16(b, 0x1a, 2) }) }, "link count is 2, want 3"},
		{"deletion time", func(d *damaged) { d.inode("/file", func(b []byte) { put32(b, 0x14, 5) }) }, "has a deletion time"},
		{"mode", func(d *damaged) { d.inode("/file", func(b []byte) { put16(b, 0, 0o20644) }) }, "file type"},
		{"impossible mode", func(d *damaged) { d.inode("/file", func(b []byte) { put16(b, 0, 0o150644) }) }, "mode 0150644"},
		{"small size", func(d *damaged) { d.inode("/file", func(b []byte) { put32(b, 4, 1) }) }, "size 1, but data in block"},
		{"large size", func(d *damaged) { d.inode("/file", func(b []byte) { put32(b, 0x6c, 1<<30) }) }, "size 46116860184273"},
		{"i_blocks", func(d *damaged) { d.inode("/file", func(b []byte) { b[0x1c]++ }) }, "i_blocks is"},
		{"nanoseconds", func(d *damaged) { d.inode("/file", func(b []byte) { put32(b, 0x84, 1000000000<<2) }) }, "nanoseconds"},
		{"extra size", func(d *damaged) { d.inode("/file", func(b []byte) { put16(b, 0x80, 300) }) }, "extra size 300"},
		{"encrypted", func(d *damaged) { d.inode("/file", func(b []byte) { put32(b, 0x20, le32(b, 0x20)|ondisk.EncryptFl) }) }, "flags 0x"},
		{"inode erased", func(d *damaged) {
			var at []byte
			d.inode("/other", func(b []byte) { at = b })
			clear(at)
		}, "in use in the bitmap, but empty"},
		{"fifo with a size", func(d *damaged) { d.inode("/fifo", func(b []byte) { b[4] = 1 }) }, "fifo or socket with a size of 1"},
		{"device with data", func(d *damaged) { d.inode("/device", func(b []byte) { b[0x50] = 1 }) }, "device with data in i_block"},
		{"root is a file", func(d *damaged) { d.inodeNo(2, func(b []byte) { put16(b, 0, 0o100644) }) }, "root is not a directory"},
		{"fast symlink length", func(d *damaged) { d.inode("/fast", func(b []byte) { b[4] = 3 }) }, "without a NUL behind"},
		{"fast symlink NUL", func(d *damaged) { d.inode("/fast", func(b []byte) { b[0x29] = 0 }) }, "NUL in its target"},
		{"fast symlink empty", func(d *damaged) { d.inode("/fast", func(b []byte) { b[4] = 0 }) }, "symlink without a target"},
		{"slow symlink NUL", func(d *damaged) { d.block(d.phys("/slow", 0))[3] = 0 }, "NUL in its target"},
		{"slow symlink long", func(d *damaged) { d.inode("/slow", func(b []byte) { put16(b, 4, 2000) }) }, "symlink of 2000 bytes"},
		// Extents.
		{"extent magic", func(d *damaged) { d.inode("/file", func(b []byte) { b[0x28]++ }) }, "extent magic number"},
		{"extent count", func(d *damaged) { d.inode("/file", func(b []byte) { put16(b, 0x2a, 9) }) }, "9 of 4 extent entries"},
		{"extent depth", func(d *damaged) { d.inode("/file", func(b []byte) { put16(b, 0x2e, 9) }) }, "extent depth is 9"},
		{"extent outside", func(d *damaged) { d.inode("/file", func(b []byte) { put32(b, 0x3c, 1<<31) }) }, "are outside of the file system"},
		{"extent of nothing", func(d *damaged) { d.inode("/file", func(b []byte) { put16(b, 0x38, 0) }) }, "0 logical blocks"},
		{"extent past the end", func(d *damaged) { d.inode("/file", func(b []byte) { put32(b, 0x34, 1<<32-2) }) }, "logical blocks from 4294967294"},
		{"extent of another", func(d *damaged) {
			other := uint32(d.phys("/other", 0))
			d.inode("/sub/inner/leaf", func(b []byte) { put32(b, 0x3c, other) })
		}, "is in use already"},
		{"extent of metadata", func(d *damaged) { d.inode("/other", func(b []byte) { put32(b, 0x3c, 1) }) }, "block 1 is in use already"},
		{"node depth", func(d *damaged) { d.node("/deep", func(b []byte) { put16(b, 6, 1) }) }, "extent depth is 1, want 0"},
		{"node order", func(d *damaged) { d.node("/deep", func(b []byte) { put32(b, 24, 0) }) }, "logical block 0 is not in"},
		{"node start", func(d *damaged) { d.node("/deep", func(b []byte) { put32(b, 12, 1) }) }, "its parent says 0"},
		{"node checksum", func(d *damaged) { d.block(nodeChild(d.ino("/deep").iblock[:], 0))[1020]++ }, "bad checksum of an extent node"},
		{"node outside", func(d *damaged) { d.inode("/deep", func(b []byte) { put32(b, 0x28+16, 1<<30) }) }, "is outside of the file system"},
		{"node loop", func(d *damaged) {
			child := uint32(nodeChild(d.ino("/deep").iblock[:], 0))
			d.inode("/deep", func(b []byte) { put16(b, 0x2e, 2) })
			d.node("/deep", func(b []byte) { put16(b, 2, 1); put16(b, 6, 1); put32(b, 16, child); put32(b, 20, 0) })
		}, "is in use already"},
		{"node as data", func(d *damaged) {
			child := uint32(nodeChild(d.ino("/deep").iblock[:], 0))
			d.inode("/other", func(b []byte) { put32(b, 0x3c, child) })
		}, "is in use already"},
		// Xattrs.
		{"inline xattr end", func(d *damaged) {
			d.inode("/empty", func(b []byte) { b[0xa0+4] = 200 })
		}, "xattrs:"},
		{"inline xattr value", func(d *damaged) { d.inode("/empty", func(b []byte) { put16(b, 0xa0+6, 5000) }) }, "value of 6 bytes at 5000"},
		{"xattr block magic", func(d *damaged) { d.xattrBlock("/file", func(b []byte) { b[0]++ }) }, "magic number"},
		{"xattr block checksum", func(d *damaged) { d.block(d.ino("/file").fileACL)[0x10]++ }, "bad checksum"},
		{"xattr refcount", func(d *damaged) { d.xattrBlock("/file", func(b []byte) { b[4]++ }) }, "reference count is 3, want 2"},
		{"xattr value", func(d *damaged) { d.xattrBlock("/file", func(b []byte) { b[1023]++ }) }, "hash is"},
		{"xattr block hash", func(d *damaged) { d.xattrBlock("/file", func(b []byte) { b[12]++ }) }, "hash is"},
		{"xattr order", func(d *damaged) {
			d.xattrBlock("/file", func(b []byte) {
				first, second := append([]byte(nil), b[32:52]...), append([]byte(nil), b[52:72]...)
				copy(b[32:], second)
				copy(b[52:], first)
			})
		}, "is out of order"},
		{"xattr offset", func(d *damaged) { d.xattrBlock("/file", func(b []byte) { put16(b, 34, 40) }) }, "value of"},
		{"xattr overlap", func(d *damaged) { d.xattrBlock("/file", func(b []byte) { copy(b[34:36], b[54:56]) }) }, "overlap"},
		{"xattr block outside", func(d *damaged) { d.inode("/file", func(b []byte) { put32(b, 0x68, 1<<30) }) }, "xattr block 1073741824 is outside"},
		{"xattr block in use", func(d *damaged) { d.inode("/file", func(b []byte) { put32(b, 0x68, 1) }) }, "xattr block: block 1 is in use already"},
		// Directories.
		{"leaf checksum", func(d *damaged) { d.block(d.phys("/sub", 0))[1023]++ }, "bad checksum"},
		{"entry length", func(d *damaged) { d.leaf("/sub", 0, func(b []byte) { put16(b, 28, 3) }) }, "length 3"},
		{"entry covers checksum", func(d *damaged) {
			d.leaf("/sub", 0, func(b []byte) {
				last := 0
				for e := range d.f.entries(b) {
					if e.ino != 0 {
						last = e.off
					}
				}
				put16(b, last+4, uint16(1024-last))
			})
		}, "covers the checksum"},
		{"slash", func(d *damaged) { d.leaf("/sub", 0, func(b []byte) { b[entryAt(d.f, b, "link")+9] = '/' }) }, "has a slash or NUL"},
		{"nul", func(d *damaged) { d.leaf("/sub", 0, func(b []byte) { b[entryAt(d.f, b, "link")+9] = 0 }) }, "has a slash or NUL"},
		{"no name", func(d *damaged) { d.leaf("/sub", 0, func(b []byte) { b[entryAt(d.f, b, "link")+6] = 0 }) }, "without a name"},
		{"twice", func(d *damaged) {
			d.leaf("/", 0, func(b []byte) { copy(b[entryAt(d.f, b, "slow")+8:], "fast") })
		}, `"fast" twice`},
		{"dot name", func(d *damaged) {
			d.leaf("/sub", 0, func(b []byte) { off := entryAt(d.f, b, "link"); b[off+6] = 1; b[off+8] = '.' })
		}, `"." out of its place`},
		{"dot", func(d *damaged) { d.leaf("/sub", 0, func(b []byte) { put32(b, 0, 2) }) }, `"." is inode 2`},
		{"dotdot", func(d *damaged) {
			other := d.ino("/hashed").Ino
			d.leaf("/sub/inner", 0, func(b []byte) { put32(b, 12, other) })
		}, `".." is inode`},
		{"dots missing", func(d *damaged) { d.leaf("/sub", 0, func(b []byte) { put32(b, 0, 0) }) }, "directory without"},
		{"type byte", func(d *damaged) { d.leaf("/sub", 0, func(b []byte) { b[entryAt(d.f, b, "link")+7] = 7 }) }, "has file type 7"},
		{"entry of a free inode", func(d *damaged) {
			d.leaf("/sub", 0, func(b []byte) { put32(b, entryAt(d.f, b, "link"), 500) })
		}, "inode 500, which is not in use"},
		{"entry of no inode", func(d *damaged) {
			d.leaf("/sub", 0, func(b []byte) { put32(b, entryAt(d.f, b, "link"), 1<<31) })
		}, "which no name may have"},
		{"entry of the journal", func(d *damaged) {
			d.leaf("/sub", 0, func(b []byte) { put32(b, entryAt(d.f, b, "link"), 8) })
		}, "inode 8, which no name may have"},
		{"entry removed", func(d *damaged) {
			d.leaf("/", 0, func(b []byte) { put32(b, entryAt(d.f, b, "other"), 0) })
		}, "in use, but in no directory"},
		{"directory twice", func(d *damaged) {
			n := d.ino("/sub/inner").Ino
			d.leaf("/", 0, func(b []byte) { off := entryAt(d.f, b, "other"); put32(b, off, n); b[off+7] = 2 })
		}, "which is in directory"},
		{"circle", func(d *damaged) {
			sub := d.ino("/sub").Ino
			d.leaf("/sub/inner", 0, func(b []byte) {
				off := entryAt(d.f, b, "leaf")
				put32(b, off, sub)
				b[off+7] = 2
			})
			d.leaf("/", 0, func(b []byte) { put32(b, entryAt(d.f, b, "sub"), 0) })
		}, "circle"},
		{"directory size", func(d *damaged) { d.inode("/sub", func(b []byte) { put32(b, 4, 2048) }) }, "directory of 2048 bytes, with 1 blocks"},
		{"directory of no bytes", func(d *damaged) { d.inode("/sub", func(b []byte) { put32(b, 4, 0) }) }, "directory of 0 bytes"},
		// What e2fsck found and Check did not, once.
		{"extent just beyond the size", func(d *damaged) {
			d.inode("/deep", func(b []byte) { put32(b, ondisk.ISizeLo, (le32(b, ondisk.ISizeLo)-1)/1024*1024) })
		}, "but data in block"},
		{"device with a size", func(d *damaged) { d.inode("/device", func(b []byte) { put32(b, ondisk.ISizeHigh, 1) }) }, "i_size_high is 0x1"},
		{"directory with a high size", func(d *damaged) { d.inode("/sub", func(b []byte) { put32(b, ondisk.ISizeHigh, 1) }) }, "i_size_high is 0x1"},
		{"old fragment", func(d *damaged) { d.inode("/file", func(b []byte) { put32(b, ondisk.IObsoFaddr, 1) }) }, "i_obso_faddr is 0x1"},
		{"more than half reserved", func(d *damaged) { d.super(func(b []byte) { put32(b, ondisk.SRBlocksCountLo, 4097) }) }, "4097 blocks reserved for root"},
		{"required extra size", func(d *damaged) { d.super(func(b []byte) { put16(b, ondisk.SMinExtraIsize, 300) }) }, "behind the first 128 of an inode"},
		{"external journal", func(d *damaged) { d.super(func(b []byte) { b[ondisk.SJournalUUID] = 1 }) }, "names an external journal"},
		{"quota inode without the feature", func(d *damaged) { d.super(func(b []byte) { put32(b, ondisk.SGrpQuotaInum, 77) }) }, "inode 77 holds quotas"},
		{"orphan file without the feature", func(d *damaged) { d.super(func(b []byte) { put32(b, ondisk.SOrphanFileInum, 16) }) }, "the orphan file without"},
		{"AFS inode", func(d *damaged) { d.inode("/file", func(b []byte) { b[ondisk.IFlags+1] |= 0x20 }) }, "flags 0x"},
		{"hashed file", func(d *damaged) { d.inode("/file", func(b []byte) { b[ondisk.IFlags+1] |= 0x10 }) }, "flags 0x"},
		{"immutable symlink", func(d *damaged) { d.inode("/fast", func(b []byte) { b[ondisk.IFlags] |= 0x10 }) }, "symlink with flags"},
		{"slow target cut", func(d *damaged) { d.inode("/slow", func(b []byte) { put32(b, 4, 100) }) }, "without a NUL behind its 100"},
		{"dots without NUL", func(d *damaged) { d.leaf("/sub", 0, func(b []byte) { b[9] = 'x' }) }, "without a NUL behind it"},
		{"extent node's limit", func(d *damaged) { d.node("/deep", func(b []byte) { put16(b, ondisk.EhMax, 81) }) }, "room for"},
		{"resize inode without links", func(d *damaged) { d.inodeNo(7, func(b []byte) { put16(b, ondisk.ILinksCount, 0) }) }, "resize inode is not a file"},
		// Hashed directories.
		{"index checksum", func(d *damaged) { d.block(d.phys("/hashed", 0))[1023]++ }, "bad checksum of an htree node"},
		{"index version", func(d *damaged) { d.index("/hashed", 0, 0x20, func(b []byte) { b[0x1c] = 9 }) }, "htree root: information"},
		{"index levels", func(d *damaged) { d.index("/hashed", 0, 0x20, func(b []byte) { b[0x1e] = 3 }) }, "htree root: 3 levels"},
		{"index limit", func(d *damaged) { d.index("/hashed", 0, 0x20, func(b []byte) { b[0x20]-- }) }, "htree node:"},
		{"index count", func(d *damaged) { d.index("/hashed", 0, 0x20, func(b []byte) { put16(b, 0x22, 0) }) }, "0 of 123 entries"},
		{"index order", func(d *damaged) { d.index("/hashed", 0, 0x20, func(b []byte) { put32(b, 0x28, 0xfffffff0) }) }, "htree entry"},
		{"index block", func(d *damaged) { d.index("/hashed", 0, 0x20, func(b []byte) { put32(b, 0x24, 900) }) }, "leads to block 900"},
		{"index block twice", func(d *damaged) { d.index("/hashed", 0, 0x20, func(b []byte) { copy(b[0x24:0x28], b[0x2c:0x30]) }) }, "in the tree already"},
		{"index without a leaf", func(d *damaged) { d.index("/hashed", 0, 0x20, func(b []byte) { b[0x22]-- }) }, "not in the htree"},
		{"index range", func(d *damaged) { d.index("/hashed", 0, 0x20, func(b []byte) { put32(b, 0x28, 2) }) }, "this leaf is for"},
		{"name in the wrong leaf", func(d *damaged) {
			for block := uint64(1); ; block++ {
				b := d.block(d.phys("/hashed", block))
				if bytes.Contains(b, []byte(hashedName)) {
					d.leaf("/hashed", block, func(b []byte) { b[bytes.Index(b, []byte(hashedName))] = 'b' })
					return
				}
			}
		}, "this leaf is for"},
		// Journal.
		{"journal start", func(d *damaged) { d.journal(func(b []byte) { b[0x1f] = 1 }) }, "journal is not empty"},
		{"journal magic", func(d *damaged) { d.journal(func(b []byte) { b[0] = 0 }) }, "journal has no superblock"},
		{"journal length", func(d *damaged) { d.journal(func(b []byte) { b[0x10] = 1 }) }, "the journal is"},
		{"journal type", func(d *damaged) { d.inodeNo(8, func(b []byte) { put16(b, 0, 0o20600) }) }, "journal is not a regular file"},
		// Resize inode.
		{"resize inode", func(d *damaged) { d.inodeNo(7, func(b []byte) { put32(b, 0x28, 99) }) }, "resize inode"},
		{"resize inode entry", func(d *damaged) {
			n, _ := d.f.Inode(7)
			put32(d.block(uint64(le32(n.iblock[:], 52))), 4*200, 99)
		}, "the resize inode has block"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &damaged{t: t, img: bytes.Clone(sample)}
			var err error
			if d.f, err = Open(bytes.NewReader(d.img), int64(len(d.img))); err != nil {
				t.Fatal(err)
			}
			c.spoil(d)
			f, err := Open(bytes.NewReader(d.img), int64(len(d.img)))
			if err != nil {
				t.Fatal(err)
			}
			list := problems(t, f)
			all := strings.Join(list, "\n")
			if c.want == "" && len(list) > 0 || !strings.Contains(all, c.want) {
				t.Errorf("got:\n%.2000s\nwant %q", all, c.want)
			}
			if clean := e2fsckFindsNothing(t, scratch, d.img); clean != (c.want == "") && !kernelOnly(c.name) {
				t.Errorf("e2fsck: clean %v", clean)
			}
		})
	}
}

// kernelOnly returns true for damage that e2fsck 1.47.0 says nothing of, though
// the kernel or a user would meet it.
func kernelOnly(name string) bool {
	return slices.Contains([]string{
		"state", "orphan list", "journal copy", "backup superblock", "backup of another",
		"nanoseconds", "device with data", "node depth", "xattr block hash", "xattr order",
	}, name)
}

// e2fsckFindsNothing says whether e2fsck finds an image clean, written to a file.
func e2fsckFindsNothing(t *testing.T, image string, img []byte) bool {
	t.Helper()
	imgtest.NeedTool(t, "e2fsck")
	if err := os.WriteFile(image, img, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("e2fsck", "-fn", image).CombinedOutput()
	return err == nil && !strings.Contains(string(out), "? no")
}

func TestOpenRefuses(t *testing.T) {
	sample := sampleImage(t)
	for _, c := range []struct {
		name  string
		spoil func(b []byte) // of the superblock
		size  int            // of the image, 0: all
		want  string
	}{
		{"nothing", func([]byte) {}, 0, ""},
		{"short", func([]byte) {}, 2047, "2047 bytes are too few"},
		{"truncated", func([]byte) {}, 8<<20 - 1, "truncated: the file system has 8192 blocks of 1024 bytes, the image 8388607 bytes"},
		{"magic", func(b []byte) { b[0x38]++ }, 0, "not an ext4 file system"},
		{"checksum", func(b []byte) { b[0x3fc]++ }, 0, "superblock checksum is"},
		{"revision", func(b []byte) { b[0x4c] = 2 }, 0, "unknown revision 2"},
		{"needs recovery", func(b []byte) { b[0x60] |= 4 }, 0, "the journal needs recovery"},
		{"inline data", func(b []byte) { b[0x61] |= 0x80 }, 0, "feature inline_data"},
		{"encrypt and casefold", func(b []byte) { b[0x62] |= 3 }, 0, "feature encrypt, casefold"},
		{"meta_bg", func(b []byte) { b[0x60] |= 0x10 }, 0, "feature meta_bg"},
		{"ea_inode", func(b []byte) { b[0x61] |= 4 }, 0, "feature ea_inode"},
		{"unknown feature", func(b []byte) { b[0x63] |= 0x40 }, 0, "feature incompat bit 0x40000000"},
		{"bigalloc", func(b []byte) { b[0x65] |= 2 }, 0, "feature bigalloc"},
		{"checksum type", func(b []byte) { b[0x175] = 2 }, 0, "unknown checksum type 2"},
		{"block size", func(b []byte) { b[0x18] = 7 }, 0, "block size 2^7 KiB"},
		{"huge block size", func(b []byte) { put32(b, 0x18, 1<<31) }, 0, "block size"},
		{"cluster size", func(b []byte) { b[0x1c] = 4 }, 0, "cluster size"},
		{"inode size", func(b []byte) { put16(b, 0x58, 200) }, 0, "inode size 200"},
		{"large inode size", func(b []byte) { put16(b, 0x58, 2048) }, 0, "inode size 2048"},
		{"descriptor size", func(b []byte) { put16(b, 0xfe, 0) }, 0, "descriptor size 0"},
		{"blocks per group", func(b []byte) { put32(b, 0x20, 0); put32(b, 0x24, 0) }, 0, "0 blocks per group"},
		{"inodes per group", func(b []byte) { put32(b, 0x28, 0) }, 0, "0 inodes per group"},
		{"first data block", func(b []byte) { b[0x14] = 0 }, 0, "first data block 0"},
		{"no blocks", func(b []byte) { put32(b, 4, 0) }, 0, "0 blocks"},
		{"too many blocks", func(b []byte) { put32(b, 0x150, 1<<31) }, 0, "blocks"},
		{"inodes", func(b []byte) { b[0]++ }, 0, "inodes in 2 groups"},
		{"first inode", func(b []byte) { b[0x54] = 1 }, 0, "first inode 1"},
		{"reserved descriptors", func(b []byte) { put16(b, 0xce, 999) }, 0, "999 reserved"},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := bytes.Clone(sample)
			b := img[1024:2048]
			c.spoil(b)
			if c.name != "checksum" {
				put32(b, ondisk.SChecksum, ondisk.SuperSum(b))
			}
			if c.size != 0 {
				img = img[:c.size]
			}
			_, err := Open(bytes.NewReader(img), int64(len(img)))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestCheckEnds checks that a cancelled check, a failing device and an image
// that is nothing but problems end it with an error.
func TestCheckEnds(t *testing.T) {
	sample := sampleImage(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f, err := Open(bytes.NewReader(sample), int64(len(sample)))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check(ctx, func(Problem) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	f, err = Open(bytes.NewReader(sample[:100<<10]), int64(len(sample)))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check(context.Background(), func(Problem) {}); err == nil {
		t.Error("half a device: no error")
	}
}
