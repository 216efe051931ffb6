package extfs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
	"purebundle/ext2img/internal/ondisk"
)

// TestInfo holds what Info says against dumpe2fs' words for it.
func TestInfo(t *testing.T) {
	imgtest.RequireRoot(t)
	image := makeImage(t, "8M", "-b", "2048", "-N", "512", "-L", "a label", "-U", "01020304-0506-4708-890a-0b0c0d0e0f10")
	info := open(t, image).Info()
	said := map[string]string{}
	for line := range strings.Lines(imgtest.Run(t, "dumpe2fs", "-h", image)) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			said[key] = strings.TrimSpace(value)
		}
	}
	for key, got := range map[string]any{
		"Filesystem volume name": info.Label, "Block size": info.BlockSize, "Block count": info.Blocks, "Free blocks": info.FreeBlocks,
		"Inode count": info.Inodes, "Free inodes": info.FreeInodes, "First inode": info.FirstInode, "Journal inode": info.JournalNo, "Inode size": info.InodeSize,
	} {
		if text := fmt.Sprint(got); said[key] != text || text == "" || text == "0" {
			t.Errorf("%s: %s, dumpe2fs says %q", key, text, said[key])
		}
	}
	if info.Groups != 1 || info.UUID != [16]byte{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16} {
		t.Errorf("%d groups, UUID %x", info.Groups, info.UUID)
	}
	if info.Compat&0x4 == 0 || info.Incompat&0x40 == 0 || info.Ro&0x1 == 0 {
		t.Errorf("features %#x %#x %#x lack has_journal, extent or sparse_super", info.Compat, info.Incompat, info.Ro)
	}
}

// TestXattrsSorted wants names in order, whatever their order on disk.
func TestXattrsSorted(t *testing.T) {
	img := sampleImage(t)
	fs, err := Open(bytes.NewReader(img), int64(len(img)))
	if err != nil {
		t.Fatal(err)
	}
	n, err := fs.Lookup("/file")
	if err != nil {
		t.Fatal(err)
	}
	list, err := fs.Xattrs(n)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range list {
		names = append(names, x.Name)
	}
	if want := []string{"trusted.cc", "user.a", "user.b"}; !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
}

// TestDirectoryOfOneBlock has a directory whose one block is mapped four times:
// its names must not come four times.
func TestDirectoryOfOneBlock(t *testing.T) {
	img := sampleImage(t)
	fs, err := Open(bytes.NewReader(img), int64(len(img)))
	if err != nil {
		t.Fatal(err)
	}
	d := &damaged{t: t, img: img, f: fs}
	block := d.phys("/sub", 0)
	d.inode("/sub", func(b []byte) {
		put32(b, ondisk.ISizeLo, 4*1024)
		root := b[ondisk.IBlock:]
		put16(root, ondisk.EhEntries, 4)
		for i := range 4 {
			e := root[ondisk.ExtentHeaderSize+i*ondisk.ExtentSize:]
			put32(e, ondisk.EeBlock, uint32(i))
			put16(e, ondisk.EeLen, 1)
			put16(e, ondisk.EeStartHi, 0)
			put32(e, ondisk.EeStartLo, uint32(block))
		}
	})
	names, err := fs.ReadDirSorted(d.ino("/sub"))
	if err == nil || !strings.Contains(err.Error(), "mapped twice") {
		t.Errorf("%d names, %v", len(names), err)
	}
	if _, err := fs.Lookup("/sub/no such name"); err == nil || !strings.Contains(err.Error(), "mapped twice") {
		t.Errorf("lookup: %v", err)
	}
}
