package extfs

import (
	"bytes"
	"compress/gzip"
	"context"
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
		case n.IsRegular() && n.Flags&flagExtents != 0 && nodeDepth(n.iblock[:]) > 0:
			block(nodeChild(n.iblock[:], 0))
		case n.IsRegular() && n.Flags&flagExtents == 0:
			for i := directBlocks; i < 15; i++ {
				block(uint64(le32(n.iblock[:], 4*i)))
			}
		}
	}
	return list, nil
}

// damage applies edits of eight bytes each: region, how, offset, value.
func (s *seedImage) damage(edits []byte) []byte {
	img := bytes.Clone(s.img)
	for ; len(edits) >= 8; edits = edits[8:] {
		r := s.regions[int(edits[0])%len(s.regions)]
		off := r.off + int(le16(edits, 2))%r.len
		var value [4]byte
		copy(value[:], edits[4:8])
		switch width := 1 << (edits[1] % 3); edits[1] / 64 {
		case 0:
			copy(img[off:min(off+width, len(img))], value[:])
		case 1:
			img[off] += value[0]
		case 2:
			img[off] ^= 1 << (value[0] % 8)
		case 3: // a copy of another place
			from := s.regions[int(value[0])%len(s.regions)]
			copy(img[off&^3:min(off&^3+4*width, len(img))], img[from.off+int(le16(value[:], 2))%from.len:])
		}
	}
	// So that Open goes on to what is behind the superblock.
	put32(img, 1024+0x3fc, crc32c(^uint32(0), img[1024:1024+0x3fc]))
	return img
}

// countingReader counts what is read.
type countingReader struct {
	r io.ReaderAt
	n int64
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	c.n += int64(len(p))
	return c.r.ReadAt(p, off)
}

var errEnough = errors.New("enough")

// enough is a writer that takes 256 KiB.
type enough struct{ n int }

func (e *enough) Write(p []byte) (int, error) {
	if e.n += len(p); e.n > 256<<10 {
		return 0, errEnough
	}
	return len(p), nil
}

// exercise reads all of an image that may be hostile. It must end, with few
// reads; and where Check finds nothing, nothing may fail.
func exercise(t *testing.T, img []byte) {
	r := &countingReader{r: bytes.NewReader(img)}
	f, err := Open(r, int64(len(img)))
	if err != nil {
		return
	}
	found := 0
	if err := f.Check(context.Background(), func(p Problem) {
		found++
		_ = p.String()
	}); err != nil {
		found++
	}
	if limit := 32*int64(len(img)) + 1<<20; r.n > limit {
		t.Fatalf("Check read %d bytes of an image of %d", r.n, len(img))
	}
	fail := func(what string, ino uint32, err error) {
		if err != nil && !errors.Is(err, errEnough) && found == 0 {
			t.Fatalf("Check found nothing, but %s of inode %d: %v", what, ino, err)
		}
	}
	queue := []uint32{rootIno}
	seen := map[uint32]bool{rootIno: true}
	for len(queue) > 0 {
		ino := queue[0]
		queue = queue[1:]
		n, err := f.Inode(ino)
		if err != nil {
			fail("inode", ino, err)
			continue
		}
		_, err = f.Xattrs(n)
		fail("xattrs", ino, err)
		switch {
		case n.IsDir():
			for e, err := range f.ReadDir(n) {
				fail("names", ino, err)
				if err == nil && !seen[e.Ino] && len(seen) < 2000 {
					seen[e.Ino] = true
					queue = append(queue, e.Ino)
				}
			}
		case n.IsRegular():
			file, err := f.File(n)
			fail("file", ino, err)
			if err == nil {
				_, err := file.WriteTo(&enough{})
				fail("content", ino, err)
				buf := make([]byte, 5000)
				_, err = file.ReadAt(buf, max(0, n.Size-4000))
				if err != io.EOF {
					fail("end of content", ino, err)
				}
			}
		case n.IsSymlink():
			_, err := f.Readlink(n)
			fail("target", ino, err)
		}
	}
	for _, path := range []string{"/", "/dir/../dir/loop/x", "/fast", "dir//inner/.", "/hashed/no such name"} {
		_, _ = f.Resolve(path) // must end
	}
}

// FuzzDamage damages metadata of small images; the superblock's checksum is
// made right again.
func FuzzDamage(f *testing.F) {
	seeds, err := seedImages()
	if err != nil {
		f.Fatal(err)
	}
	for i := range seeds {
		f.Add(byte(i), []byte{})
		for region := range seeds[i].regions {
			f.Add(byte(i), []byte{byte(region), 0, 4, 0, 0xff, 0xff, 0xff, 0xff, byte(region), 64, 20, 0, 1, 0, 0, 0})
		}
	}
	f.Fuzz(func(t *testing.T, which byte, edits []byte) {
		seed := seeds[int(which)%len(seeds)]
		if len(edits) > 800 {
			return
		}
		exercise(t, seed.damage(edits))
	})
}

// FuzzOpen takes any superblock, with its checksum made right, over an image.
func FuzzOpen(f *testing.F) {
	seeds, err := seedImages()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range seeds {
		f.Add(s.img[1024:2048])
	}
	f.Fuzz(func(t *testing.T, super []byte) {
		img := bytes.Clone(seeds[len(super)%len(seeds)].img)
		copy(img[1024:2048], super)
		put32(img, 1024+0x3fc, crc32c(^uint32(0), img[1024:1024+0x3fc]))
		exercise(t, img)
	})
}

// FuzzXattrs takes any xattr area.
func FuzzXattrs(f *testing.F) {
	seeds, err := seedImages()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range seeds {
		for _, r := range s.regions {
			if b := s.img[r.off : r.off+r.len]; le32(b, 0) == xattrMagic {
				f.Add(b, xattrHeaderSize)
			}
		}
	}
	f.Add([]byte{1, 1, 20, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 0, 0, 0, 0, 0, 0, 'v', 0, 0, 0}, 0)
	f.Fuzz(func(t *testing.T, area []byte, first int) {
		if first != 0 && first != xattrHeaderSize || len(area) < first || len(area) > 1<<16 {
			return
		}
		total := 0
		_ = parseXattrs(area, first, func(e xattrEntry) error {
			_ = xattrHash(&e)
			x, err := e.decode()
			total += len(x.Name) + len(x.Value)
			return err
		})
		if total > 64*len(area)+1<<20 {
			t.Fatalf("%d bytes of xattrs in an area of %d", total, len(area))
		}
	})
}

// FuzzDirectory takes any directory block, of 1 KiB or of 64 KiB.
func FuzzDirectory(f *testing.F) {
	seeds, err := seedImages()
	if err != nil {
		f.Fatal(err)
	}
	fs, err := Open(bytes.NewReader(seeds[1].img), int64(len(seeds[1].img)))
	if err != nil {
		f.Fatal(err)
	}
	root, err := fs.Root()
	if err != nil {
		f.Fatal(err)
	}
	for b, err := range fs.dirBlocks(root, nil) {
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(b.data), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, large bool) {
		block := make([]byte, 1024)
		if large {
			block = make([]byte, 1<<16)
		}
		copy(block, data)
		end := 0
		for e, err := range fs.entries(block) {
			if err != nil {
				return
			}
			if e.off != end || e.recLen < len(e.name)+dirHeaderSize {
				t.Fatalf("entry %+v behind %d", e, end)
			}
			end += e.recLen
			for version := range uint8(3) {
				if h, ok := fs.nameHash(version, e.name); !ok || h&1 != 0 {
					t.Fatalf("hash %#x of %q", h, e.name)
				}
			}
		}
		if end != len(block) {
			t.Fatalf("entries end at %d", end)
		}
	})
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
