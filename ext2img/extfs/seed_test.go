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

// region is a run of bytes of an image that holds metadata.
type region struct{ off, len int }

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
	list := []region{{1024, 1024}, {(int(f.sb.firstDataBlock) + 1) * bs, int(f.sb.groups()) * f.sb.descSize}}
	block := func(n uint64) {
		if n > 0 && n < f.sb.blocksCount {
			list = append(list, region{int(n) * bs, bs})
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
			block(g.blockBitmap)
			block(g.inodeBitmap)
		}
		if le16(raw, 0x1a) == 0 {
			continue
		}
		list = append(list, region{int(g.inodeTable)*bs + int((ino-1)%f.sb.inodesPerGroup)*f.sb.inodeSize, f.sb.inodeSize})
		n, err := f.parseInode(ino, raw)
		if err != nil {
			return nil, err
		}
		block(n.fileACL)
		switch {
		case n.IsDir():
			for b, err := range f.dirBlocks(n, nil) {
				if err != nil {
					return nil, err
				}
				block(b.phys)
			}
		case n.IsRegular() && n.Flags&ondisk.ExtentsFl != 0 && nodeDepth(n.iblock[:]) > 0:
			block(nodeChild(n.iblock[:], 0))
		case n.IsRegular() && n.Flags&ondisk.ExtentsFl == 0:
			for i := directBlocks; i < 15; i++ {
				block(uint64(le32(n.iblock[:], 4*i)))
			}
		}
	}
	return list, nil
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
