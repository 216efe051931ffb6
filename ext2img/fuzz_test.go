package ext2img_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/ext2img/extfs"
	"purebundle/ext2img/imgtest"
)

// script is a hostile tree as bytes; after they end, all is zero.
type script struct{ b []byte }

func (s *script) byte() byte {
	if len(s.b) == 0 {
		return 0
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c
}

func (s *script) int64() int64 {
	var b [8]byte
	s.b = s.b[copy(b[:], s.b):]
	return int64(binary.LittleEndian.Uint64(b[:]))
}

// size returns a length, mostly small, and sometimes anything.
func (s *script) size() int64 {
	switch k := s.byte(); {
	case k < 128:
		return int64(k) * 300
	case k < 200:
		return int64(k) << 14
	default:
		return s.int64()
	}
}

func (s *script) time() ext2img.Time {
	if s.byte()%4 > 0 {
		return ext2img.Time{Sec: 1_700_000_000, Nsec: uint32(s.byte())}
	}
	return ext2img.Time{Sec: s.int64(), Nsec: uint32(s.int64())}
}

// name returns one of few, so that names come twice and out of order, or a strange one.
func (s *script) name() string {
	k := s.byte()
	switch {
	case k < 200:
		return fmt.Sprintf("%c%0*d", 'a'+k%16, int(k/16), 0)
	case k < 210:
		return strings.Repeat("n", 240+int(k-200)*3)
	case k < 215:
		return "lost+found"
	}
	return []string{"", ".", "..", "a\x00", "a//b", "\xff\xfe", "/"}[k%7]
}

func (s *script) file() ext2img.File {
	types := []uint32{0o100000, 0o100000, 0o40000, 0o120000, 0o20000, 0o60000, 0o10000, 0o140000, 0}
	f := ext2img.File{
		Mode: types[int(s.byte())%len(types)] | uint32(s.byte())<<4, UID: uint32(s.byte()) << 12, GID: uint32(s.byte()) << 12,
		Size: s.size(), Nlink: uint32(s.byte() % 3), Ino: uint64(s.byte()), Flags: uint32(s.byte()),
		Atime: s.time(), Mtime: s.time(), Ctime: s.time(), Btime: s.time(),
	}
	switch f.Mode & 0o170000 {
	case 0o20000, 0o60000:
		f.Major, f.Minor = uint32(s.size()), uint32(s.size())
	case 0o120000:
		f.Target = strings.Repeat("t", int(s.byte()))
		if s.byte() == 1 {
			f.Target = strings.Repeat("T", 4000+int(s.byte())) + "\x00"
		}
	case 0o100000:
		if f.Size > 32<<20 || s.byte()%4 == 1 { // sparse, for the image's sake
			f.Data = []ext2img.Range{}
			for range s.byte() % 6 {
				f.Data = append(f.Data, ext2img.Range{Off: s.size() & (1<<40 - 1), Len: s.size() & (1<<21 - 1)})
			}
		}
	}
	for range s.byte() % 4 {
		k := s.byte()
		x := ext2img.Xattr{
			Name:  []string{"user.a", "user.", "trusted.overlay.opaque", "security.capability", "system.posix_acl_access", "user.\xff", "nfs.x", "user." + strings.Repeat("x", 250)}[k%8],
			Value: bytes.Repeat([]byte{k}, int(s.size()&0x1fff)),
		}
		if k%8 == 4 && k > 100 {
			x.Value = imgtest.ACL(imgtest.ACLEntry{Tag: imgtest.ACLUserObj, Perm: 6, ID: imgtest.ACLUndefined}, imgtest.ACLEntry{Tag: uint16(k), Perm: 4, ID: 7})
		}
		f.Xattrs = append(f.Xattrs, x)
	}
	return f
}

// tree adds entries to a builder; names are as wild as the script makes them.
func (s *script) tree(t *testing.T, b *ext2img.Builder) {
	if err := b.Add("/", ext2img.File{Mode: 0o40755}); err != nil {
		t.Fatal(err)
	}
	dir := ""
	for range 200 {
		if len(s.b) == 0 {
			return
		}
		op := s.byte()
		path, f := dir+"/"+s.name(), s.file()
		add := b.Add
		if op%8 == 1 {
			add = b.Link
		}
		if path == "/" || path == "/lost+found" && f.Mode&0o170000 != 0o40000 {
			continue // an error about the tree; and what e2fsck asks to make one for
		}
		if err := add(path, f); err != nil {
			t.Fatal(err)
		}
		switch {
		case f.Mode&0o170000 == 0o40000 && op&16 == 0:
			dir = path
		case op&32 != 0 && dir != "":
			dir = dir[:strings.LastIndexByte(dir, '/')]
		}
	}
}

// opener gives files that are what the script makes of them: others, shorter,
// longer, changed between two reads, gone. Most are old: one that has just changed is
// waited for, 20 ms each time.
func (s *script) opener(t *testing.T, old string) ext2img.Opener {
	changing := filepath.Join(t.TempDir(), "changing")
	return func(path string, st *unix.Stat_t) (int, error) {
		k := s.byte()
		switch {
		case k%16 == 1:
			return -1, unix.ENOENT
		case k%16 == 2:
			return -1, unix.EIO
		case k%16 == 3:
			return -1, fmt.Errorf("a fifo: %w", ext2img.ErrReplaced)
		}
		name := filepath.Join(old, fmt.Sprint(oldSizes[int(k/16)%len(oldSizes)]))
		if k%16 == 4 {
			name = changing
			if err := sized(name, s.size()&(1<<22-1)); err != nil {
				return -1, err
			}
		}
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Fstat(fd, st)
		}
		if k%16 == 5 {
			st.Size, st.Ino = s.size()&(1<<22-1), uint64(s.byte())
		}
		return fd, err
	}
}

// oldSizes are the sizes in bytes of files that do not change.
var oldSizes = []int64{0, 1, 4096, 30_000, 3 << 20}

// sized makes a file of so many bytes, or changes its size.
func sized(name string, size int64) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(size), file.Close())
}

// FuzzImage makes images of hostile trees whose files are others when they are
// opened: whatever comes, Check and e2fsck find them clean. Some 20 images a second
// are made, if no minute is spent on the smallest form of each new one:
// -fuzzminimizetime 1s.
func FuzzImage(f *testing.F) {
	imgtest.NeedTool(f, "e2fsck")
	old := f.TempDir()
	for _, size := range oldSizes {
		if err := sized(filepath.Join(old, fmt.Sprint(size)), size); err != nil {
			f.Fatal(err)
		}
	}
	f.Add([]byte{}, []byte{})
	f.Add(bytes.Repeat([]byte{16, 3, 0, 7, 9}, 60), []byte{4, 5, 6})
	f.Add(bytes.Repeat([]byte{0, 17, 33, 2, 250, 1, 0, 77}, 80), bytes.Repeat([]byte{64, 5, 200}, 20))
	f.Add(bytes.Repeat([]byte{1, 130, 0, 0xff, 64, 150, 2, 3, 4, 5, 6, 7}, 100), bytes.Repeat([]byte{0x44, 0x20, 1}, 20))
	f.Fuzz(func(t *testing.T, tree, later []byte) {
		if len(tree) > 4000 {
			return
		}
		p := params()
		s := &script{tree}
		switch s.byte() % 8 {
		case 1:
			p.Size = 40 << 20
		case 2:
			p.Size, p.PartSize = 8<<20, 64<<10
		case 3: // as they are made
		default: // small images and parts: more of them in the same time
			p.Free, p.PartSize = 1<<20, 256<<10
		}
		b := ext2img.NewBuilder(p)
		s.tree(t, b)
		m, err := b.Layout((&script{later}).opener(t, old))
		var small *ext2img.TooSmallError
		if errors.As(err, &small) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if m.Size() > 400<<20 {
			return
		}
		checkImage(t, m, p.PartSize)
	})
}

// checkImage makes an image in memory and has Check and e2fsck look at it.
func checkImage(t *testing.T, m *ext2img.Plan, part int64) {
	dir := "/dev/shm"
	if _, err := os.Stat(dir); err != nil {
		dir = ""
	}
	image, err := os.CreateTemp(dir, "image")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(image.Name())
	defer image.Close()
	if err := image.Truncate(m.Size()); err != nil {
		t.Fatal(err)
	}
	buf, zeros := make([]byte, part), make([]byte, ext2img.BlockSize)
	_, err = m.Make(t.Context(), ext2img.Output{
		Parts: func(_ context.Context, b ext2img.Batch) error {
			for _, i := range b.Parts {
				start := int64(i) * part
				if _, err := b.Image.ReadAt(buf, start); err != nil && err != io.EOF {
					return err
				}
				for at := int64(0); at < part; at += ext2img.BlockSize {
					block := buf[at : at+ext2img.BlockSize]
					if !b.Again && bytes.Equal(block, zeros) {
						continue
					}
					if _, err := image.WriteAt(block, start+at); err != nil {
						return err
					}
				}
			}
			return nil
		},
		Zeros: func(context.Context, []int) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	fs, err := extfs.Open(image, m.Size())
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.Check(t.Context(), func(p extfs.Problem) { t.Error(p) }); err != nil {
		t.Error(err)
	}
	cmd := exec.Command("e2fsck", "-fn", image.Name())
	cmd.Env = append(os.Environ(), "LC_ALL=C", "E2FSCK_CONFIG=/dev/null", "E2FSCK_TIME=12884901887") // see imgtest
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "? no") {
		t.Errorf("e2fsck: %v\n%.3000s", err, out)
	}
}
