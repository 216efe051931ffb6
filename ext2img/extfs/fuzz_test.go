package extfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"testing"

	"purebundle/ext2img/internal/ondisk"
)

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
	put32(img, 1024+ondisk.SChecksum, ondisk.SuperSum(img[1024:]))
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
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := f.Check(context.Background(), func(p Problem) {
		found++
		_ = p.String()
	}); err != nil {
		found++
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 32<<20 {
		t.Fatalf("Check allocated %d bytes for an image of %d", took, len(img))
	}
	if limit := 32*int64(len(img)) + 1<<20; r.n > limit {
		t.Fatalf("Check read %d bytes of an image of %d", r.n, len(img))
	}
	fail := func(what string, ino uint32, err error) {
		if err != nil && !errors.Is(err, errEnough) && found == 0 {
			t.Fatalf("Check found nothing, but %s of inode %d: %v", what, ino, err)
		}
	}
	queue := []uint32{ondisk.RootIno}
	seen := map[uint32]bool{ondisk.RootIno: true}
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
		put32(img, 1024+ondisk.SChecksum, ondisk.SuperSum(img[1024:]))
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
			if b := s.img[r.off : r.off+r.len]; le32(b, 0) == ondisk.XattrMagic {
				f.Add(b, ondisk.XattrHeaderSize)
			}
		}
	}
	f.Add([]byte{1, 1, 20, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 0, 0, 0, 0, 0, 0, 'v', 0, 0, 0}, 0)
	f.Fuzz(func(t *testing.T, area []byte, first int) {
		if first != 0 && first != ondisk.XattrHeaderSize || len(area) < first || len(area) > 1<<16 {
			return
		}
		total := 0
		_ = parseXattrs(area, first, func(e xattrEntry) error {
			_ = e.hashOK()
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
			if e.off != end || e.recLen < len(e.name)+ondisk.DirHeaderSize {
				t.Fatalf("entry %+v behind %d", e, end)
			}
			end += e.recLen
			for version := range uint8(3) {
				if h, ok := fs.nameHash(version, string(e.name)); !ok || h&1 != 0 {
					t.Fatalf("hash %#x of %q", h, e.name)
				}
			}
		}
		if end != len(block) {
			t.Fatalf("entries end at %d", end)
		}
	})
}
