package extfs

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"purebundle/ext2img/imgtest"

	"purebundle/ext2img/internal/ondisk"
)

// region is a run of bytes of an image that holds metadata; mend sets its
// checksum in an image that was damaged, nil: it has none of its own.
type region struct {
	off, len int
	mend     func(img, b []byte)
}

// seedImage is a small image and the places where damage matters.
type seedImage struct {
	img     []byte
	regions []region
}

var seedNames = []string{"csum", "nocsum", "journal"}

// seedImages unpacks testdata once.
var seedImages = sync.OnceValues(func() ([]seedImage, error) {
	var list []seedImage
	for _, name := range seedNames {
		packed, err := os.Open(filepath.Join("testdata", name+".img.gz"))
		if err != nil {
			return nil, err
		}
		z, err := gzip.NewReader(packed)
		if err != nil {
			return nil, err
		}
		img, err := io.ReadAll(z)
		if err != nil {
			return nil, err
		}
		regions, err := metadataOf(img)
		if err != nil {
			return nil, err
		}
		list = append(list, seedImage{img, regions})
	}
	return list, nil
})

// metadataOf finds superblock, descriptors, inodes in use, directories, tree
// nodes and xattr blocks.
func metadataOf(img []byte) ([]region, error) {
	f, err := Open(bytes.NewReader(img), int64(len(img)))
	if err != nil {
		return nil, err
	}
	bs := f.sb.blockSize
	list := []region{{off: 1024, len: 1024}, {off: (int(f.sb.firstDataBlock) + 1) * bs, len: int(f.sb.groups()) * f.sb.descSize}}
	block := func(n uint64, mend func(img, b []byte)) {
		if n > 0 && n < f.sb.blocksCount {
			list = append(list, region{int(n) * bs, bs, mend})
		}
	}
	desc := func(img []byte, group uint32) []byte {
		off := (int(f.sb.firstDataBlock)+1)*bs + int(group)*f.sb.descSize
		return img[off : off+f.sb.descSize]
	}
	bitmap := func(group uint32, field int, count uint32) func(img, b []byte) {
		return func(img, b []byte) {
			sum := uint32(f.seed.Add(b[:count/8]))
			put16(desc(img, group), field, uint16(sum))
			if f.sb.descSize >= 64 {
				put16(desc(img, group), field+ondisk.BgBlockBitmapCsumHi-ondisk.BgBlockBitmapCsumLo, uint16(sum>>16))
			}
		}
	}
	for ino := uint32(1); ino <= f.sb.inodesCount; ino++ {
		raw, err := f.rawInode(ino)
		if err != nil {
			return nil, err
		}
		g, err := f.group((ino - 1) / f.sb.inodesPerGroup)
		if err != nil {
			return nil, err
		}
		if (ino-1)%f.sb.inodesPerGroup == 0 {
			group := (ino - 1) / f.sb.inodesPerGroup
			block(g.blockBitmap, bitmap(group, ondisk.BgBlockBitmapCsumLo, f.sb.blocksPerGroup))
			block(g.inodeBitmap, bitmap(group, ondisk.BgInodeBitmapCsumLo, f.sb.inodesPerGroup))
		}
		if le16(raw, 0x1a) == 0 {
			continue
		}
		list = append(list, region{int(g.inodeTable)*bs + int((ino-1)%f.sb.inodesPerGroup)*f.sb.inodeSize, f.sb.inodeSize, func(_, b []byte) {
			sum, wide := ondisk.InodeSum(b, ino, f.seed)
			put16(b, ondisk.IChecksumLo, uint16(sum))
			if wide {
				put16(b, ondisk.IChecksumHi, uint16(sum>>16))
			}
		}})
		n, err := f.parseInode(ino, raw)
		if err != nil {
			return nil, err
		}
		number := n.fileACL
		block(number, func(_, b []byte) { put32(b, ondisk.XattrHChecksum, ondisk.XattrSum(b, number, f.seed)) })
		switch {
		case n.IsDir():
			for b, err := range f.dirBlocks(n, nil) {
				if err != nil {
					return nil, err
				}
				at := f.indexOffset(n, b)
				block(b.phys, func(_, b []byte) {
					tail := len(b) - ondisk.DirTailSize
					if at == 0 {
						put32(b, tail+ondisk.DirHeaderSize, uint32(f.inodeSeed(n).Add(b[:tail])))
						return
					}
					limit, count := int(le16(b, at)), int(le16(b, at+2))
					if tail := at + ondisk.DxEntrySize*limit; count <= limit && tail+8 <= len(b) {
						put32(b, tail+4, ondisk.HtreeSum(b, at, count, tail, f.inodeSeed(n)))
					}
				})
			}
		case n.IsRegular() && n.Flags&ondisk.ExtentsFl != 0 && nodeDepth(n.iblock[:]) > 0:
			block(nodeChild(n.iblock[:], 0), func(_, b []byte) {
				if tail := ondisk.ExtentHeaderSize + ondisk.ExtentSize*int(le16(b, ondisk.EhMax)); tail+4 <= len(b) {
					put32(b, tail, uint32(f.inodeSeed(n).Add(b[:tail])))
				}
			})
		case n.IsRegular() && n.Flags&ondisk.ExtentsFl == 0:
			for i := directBlocks; i < 15; i++ {
				block(uint64(le32(n.iblock[:], 4*i)), nil)
			}
		}
	}
	for i := range list {
		if mend := list[i].mend; mend != nil && !f.sb.metadataCsum() {
			list[i].mend = nil
		}
	}
	if f.sb.metadataCsum() {
		list[1].mend = func(img, _ []byte) {
			for group := range uint32(f.sb.groups()) {
				put16(desc(img, group), ondisk.BgChecksum, f.groupChecksum(group, desc(img, group)))
			}
		}
		list = append(list, list[1]) // the descriptors once more: they have the bitmaps' checksums
	}
	return list, nil
}

// mend makes the checksums of a damaged image right, so that what finds the
// damage is no checksum.
func (s *seedImage) mend(img []byte) {
	for _, r := range s.regions {
		if r.mend != nil {
			r.mend(img, img[r.off:r.off+r.len])
		}
	}
	put32(img, 1024+ondisk.SChecksum, ondisk.SuperSum(img[1024:]))
}

var makeSeeds = flag.Bool("make-seeds", false, "make the images in testdata anew")

// TestMakeSeeds makes the images that the fuzzers start from.
func TestMakeSeeds(t *testing.T) {
	if !*makeSeeds {
		seeds, err := seedImages()
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range seeds {
			f, err := Open(bytes.NewReader(s.img), int64(len(s.img)))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems(t, f) {
				t.Errorf("%s: %s", seedNames[i], p)
			}
		}
		return
	}
	for i, args := range [][]string{
		{"-O", "metadata_csum,64bit,^has_journal,^resize_inode", "256K"},
		{"-O", "^metadata_csum,^uninit_bg,^has_journal,^64bit", "400K"},
		{"-O", "metadata_csum,64bit,has_journal,resize_inode", "-J", "size=1", "-E", "resize=64M", "2100K"},
	} {
		image := filepath.Join(t.TempDir(), "image")
		size := args[len(args)-1]
		imgtest.Run(t, "mke2fs", append(append([]string{"-q", "-t", "ext4", "-b", "1024", "-N", "128", "-I", "256"}, args[:len(args)-1]...), image, size)...)
		fillSeed(t, imgtest.MountRW(t, image))
		if i == 1 {
			blockMapped(t, image)
		}
		img, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(img); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(z.Close(), os.MkdirAll("testdata", 0o755),
			os.WriteFile(filepath.Join("testdata", seedNames[i]+".img.gz"), packed.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// fillSeed makes one of everything, small, and unmounts.
func fillSeed(t *testing.T, dir string) {
	t.Helper()
	for _, p := range imgtest.Torture() {
		if slices.Contains([]string{"types", "devices"}, p.Name) {
			p.Make(t, mkdir(t, dir, p.Name))
		}
	}
	deepExtents(t, filepath.Join(dir, "deep"), 1024, 10)
	deepExtents(t, filepath.Join(dir, "mapped"), 3*1024, 10)
	mkdir(t, dir, "dir")
	acl := imgtest.ACL(imgtest.ACLEntry{Tag: imgtest.ACLUserObj, Perm: 6, ID: imgtest.ACLUndefined}, imgtest.ACLEntry{Tag: imgtest.ACLUser, Perm: 4, ID: 7},
		imgtest.ACLEntry{Tag: imgtest.ACLGroupObj, ID: imgtest.ACLUndefined}, imgtest.ACLEntry{Tag: imgtest.ACLMask, Perm: 6, ID: imgtest.ACLUndefined}, imgtest.ACLEntry{Tag: imgtest.ACLOther, ID: imgtest.ACLUndefined})
	hashed := mkdir(t, dir, "hashed")
	for i := range 40 {
		// Links, since inodes are few.
		if err := os.Link(filepath.Join(dir, "deep"), filepath.Join(hashed, strings.Repeat("long name ", 5)+string(rune('A'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Symlink("../fast", filepath.Join(dir, "fast")),
		os.Symlink("/dir", filepath.Join(dir, "dir/loop")),
		os.Symlink(strings.Repeat("slow", 50), filepath.Join(dir, "slow")),
		unix.Setxattr(dir+"/dir", "user.inline", []byte("inline"), 0),
		unix.Setxattr(dir+"/dir", "system.posix_acl_default", acl, 0),
		unix.Setxattr(dir+"/deep", "user.large", bytes.Repeat([]byte("large"), 60), 0),
		unix.Setxattr(dir+"/deep", "trusted.block", bytes.Repeat([]byte("block"), 20), 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	imgtest.Unmount(t, dir)
}

// blockMapped gives the file "mapped" a block map with an indirect block: the
// feature is taken away and the file written anew.
func blockMapped(t *testing.T, image string) {
	t.Helper()
	content := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(content, binary.LittleEndian.AppendUint64(make([]byte, 40<<10), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "debugfs", "-w", "-R", "feature -extents", image)
	imgtest.Run(t, "debugfs", "-w", "-R", "write "+content+" indirect", image)
	imgtest.Run(t, "debugfs", "-w", "-R", "feature extents", image)
}
