package ext2img_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/ext2img/extfs"
	"purebundle/ext2img/imgtest"
)

// made is an image of a tree, and what it took to make it.
type made struct {
	name   string // of the image file
	plan   *ext2img.Plan
	report ext2img.Report
	synced ext2img.Time
	part   int64 // bytes
	kept   int   // parts
	opened map[string]bool
}

// baseOf returns an image as the base of the next.
func baseOf(t *testing.T, m *made) *ext2img.Base {
	t.Helper()
	if m == nil {
		return nil
	}
	f, size := imgtest.OpenImage(t, m.name)
	b := &ext2img.Base{Image: f, Size: size, Synced: m.synced}
	for _, c := range m.report.Changes {
		b.Changed = append(b.Changed, c.Path)
	}
	return b
}

// again makes an image of the tree at dir from a base, which may be nil.
func again(t *testing.T, dir string, p ext2img.Params, base *ext2img.Base) *made {
	t.Helper()
	return againAt(t, filepath.Join(t.TempDir(), "image"), dir, p, base)
}

// againAt does the same with an image file of this name.
func againAt(t *testing.T, name, dir string, p ext2img.Params, base *ext2img.Base) *made {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Syncfs(fd); err != nil {
		t.Fatal(err)
	}
	// Files count as settled at once: nobody writes to them while the test looks.
	now := time.Now().Add(10 * time.Second)
	m := &made{name: name, synced: ext2img.Time{Sec: now.Unix(), Nsec: uint32(now.Nanosecond())}, opened: make(map[string]bool), part: p.PartSize}
	p.Base = base
	b := ext2img.NewBuilder(p)
	addTree(t, b, dir)
	open := opener(dir)
	if m.plan, err = b.Layout(func(path string, st *unix.Stat_t) (int, error) {
		m.opened[path] = true
		return open(path, st)
	}); err != nil {
		t.Fatal(err)
	}
	m.make(t, base)
	tick(t) // the next change has another time
	return m
}

// coarseNow returns what the clock says that stamps files.
func coarseNow(t *testing.T) time.Time {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now); err != nil {
		t.Fatal(err)
	}
	return time.Unix(now.Unix())
}

// tick waits until that clock has moved.
func tick(t *testing.T) {
	t.Helper()
	for then := coarseNow(t); !coarseNow(t).After(then); {
		time.Sleep(time.Millisecond)
	}
}

// read says whether the source was asked for a file.
func (m *made) read(path string) bool { return m.opened[path] }

// make makes the image file.
func (m *made) make(t *testing.T, base *ext2img.Base) {
	t.Helper()
	f, err := os.Create(m.name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(m.plan.Size()); err != nil {
		t.Fatal(err)
	}
	buf, whole := make([]byte, m.part), make(map[int]bool)
	m.report, err = m.plan.Make(t.Context(), ext2img.Output{
		Parts: func(_ context.Context, b ext2img.Batch) error {
			for _, i := range b.Parts {
				off := int64(i) * m.part
				if n, err := b.Image.ReadAt(buf, off); n != int(m.part) || err != nil && err != io.EOF {
					return fmt.Errorf("read part %d: %d bytes, %w", i, n, err)
				}
				if _, err := f.WriteAt(buf, off); err != nil {
					return err
				}
				whole[i] = true
			}
			return nil
		},
		Zeros: func(_ context.Context, parts []int) error { return nil },
		Keep: func(_ context.Context, parts []int) ([]int, error) {
			own := make([]byte, m.part)
			for _, i := range parts {
				off := int64(i) * m.part
				if n, err := base.Image.ReadAt(own, off); n != int(m.part) {
					return nil, err
				}
				if _, err := f.WriteAt(own, off); err != nil {
					return nil, err
				}
				whole[i] = true
			}
			m.kept = len(parts)
			return nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range m.plan.Parts().Zero {
		whole[i] = true
	}
	if all := int(m.plan.Size() / m.part); len(whole) != all {
		t.Errorf("%d parts made of %d", len(whole), all)
	}
}

// judge has all oracles look at an image of the tree at dir.
func (m *made) judge(t *testing.T, dir string) {
	t.Helper()
	for _, c := range m.report.Changes {
		t.Errorf("%s: %s %s", c.Path, c.Kind, c.Detail)
	}
	imgtest.Fsck(t, m.name)
	deepCheck(t, m.name)
	freeIsZero(t, m.name)
	mnt := imgtest.Mount(t, m.name)
	imgtest.Compare(t, dir, mnt, imgtest.CompareOptions{})
	imgtest.Unmount(t, mnt)
}

// freeIsZero checks that blocks which nothing uses are zero.
func freeIsZero(t *testing.T, image string) {
	t.Helper()
	f, size := imgtest.OpenImage(t, image)
	fs, err := extfs.Open(f, size)
	if err != nil {
		t.Fatal(err)
	}
	const many = 256 // blocks that are read at once
	bitmap, blocks, zero, free := make([]byte, 4096), make([]byte, many*4096), make([]byte, 4096), 0
	info := fs.Info()
	for g := range info.Groups {
		ok, err := fs.InUse(uint32(g), bitmap)
		if err != nil {
			t.Fatal(err)
		}
		for i := range min(32768, int(info.Blocks)-g*32768) {
			if i%many == 0 {
				if n, err := f.ReadAt(blocks, int64(g*32768+i)*4096); err != nil && (err != io.EOF || n == 0) {
					t.Fatal(err)
				}
			}
			if ok && bitmap[i/8]>>(i%8)&1 != 0 || !ok && i < 1100 { // a superblock and descriptors may be there
				continue
			}
			free++
			if !bytes.Equal(blocks[i%many*4096:][:4096], zero) {
				t.Errorf("block %d is free and not zero", g*32768+i)
				return
			}
		}
	}
	if free == 0 {
		t.Error("no block is free")
	}
}

// small fills dir with files of which each has a part of its own, nearly.
func small(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%02d", i)), noise(int64(i), 60_000), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// smallParts returns parameters of an image with many parts.
func smallParts() ext2img.Params {
	p := params()
	p.PartSize = 64 << 10
	return p
}

// TestSameAgain makes an image again, of a tree in which nothing changed, and of one with
// one more file: nothing else is read.
func TestSameAgain(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	small(t, dir, 40)
	first := again(t, dir, smallParts(), nil)
	second := again(t, dir, smallParts(), baseOf(t, first))
	second.judge(t, dir)
	if second.report.FilesRead != 0 || len(second.opened) != 0 || second.kept < 30 {
		t.Errorf("%d files read, %d opened, %d parts kept", second.report.FilesRead, len(second.opened), second.kept)
	}
	if err := os.WriteFile(filepath.Join(dir, "new"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	third := again(t, dir, smallParts(), baseOf(t, second))
	third.judge(t, dir)
	if third.report.FilesRead > 2 || !third.read("/new") || third.kept < second.kept-1 {
		t.Errorf("%d files read, %d parts kept of %d", third.report.FilesRead, third.kept, second.kept)
	}
}

// TestWhatIsRead changes one file in ways that are easy to miss.
func TestWhatIsRead(t *testing.T) {
	imgtest.RequireRoot(t)
	set := func(t *testing.T, name string, was os.FileInfo) {
		if err := os.Chtimes(name, was.ModTime(), was.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		change func(t *testing.T, dir string, base *ext2img.Base)
		keeps  bool
	}{
		{"nothing", func(*testing.T, string, *ext2img.Base) {}, true},
		{"touch -r", func(t *testing.T, dir string, _ *ext2img.Base) {
			name := dir + "/f07"
			was, _ := os.Stat(name)
			if err := os.WriteFile(name, noise(99, 60_000), 0o644); err != nil {
				t.Fatal(err)
			}
			set(t, name, was)
		}, false},
		{"replaced by a twin", func(t *testing.T, dir string, _ *ext2img.Base) {
			was, _ := os.Stat(dir + "/f07")
			if err := os.WriteFile(dir+"/other", noise(99, 60_000), 0o644); err != nil {
				t.Fatal(err)
			}
			set(t, dir+"/other", was)
			if err := os.Rename(dir+"/other", dir+"/f07"); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"listed under changes", func(_ *testing.T, _ string, b *ext2img.Base) { b.Changed = []string{"/f07"} }, false},
		{"changed just before the sync", func(t *testing.T, dir string, b *ext2img.Base) {
			var st unix.Stat_t
			if err := unix.Stat(dir+"/f07", &st); err != nil {
				t.Fatal(err)
			}
			b.Synced = ext2img.Time{Sec: st.Ctim.Sec + 9, Nsec: uint32(st.Ctim.Nsec)} // however long the sync took
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			small(t, dir, 20)
			base := baseOf(t, again(t, dir, smallParts(), nil))
			c.change(t, dir, base)
			m := again(t, dir, smallParts(), base)
			m.judge(t, dir)
			if m.plan.Fresh() != "" {
				t.Error(m.plan.Fresh())
			}
			if m.read("/f07") == c.keeps {
				t.Errorf("read: %v", !c.keeps)
			}
		})
	}
}

// TestMappedWriter has a program that keeps writing through a mapping, which moves the
// change time of its file only when a page becomes dirty.
func TestMappedWriter(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := ext4Dir(t) // a tmpfs has no clean pages
	small(t, dir, 20)
	f, err := os.OpenFile(dir+"/f07", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := unix.Mmap(int(f.Fd()), 0, 60_000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(m)
	var last *made
	for i := range 4 {
		m[100]++ // the page stays mapped, and was clean since the sync of the last image
		next := again(t, dir, smallParts(), baseOf(t, last))
		next.judge(t, dir)
		// Its place, of before and of now, is in two parts at most, which others share: a few
		// files, but not all, are read as well.
		if i > 0 && (!next.read("/f07") || len(next.opened) > 8) {
			t.Errorf("image %d: f07 read: %v, %d files read of 20", i, next.read("/f07"), len(next.opened))
		}
		last = next
	}
}

// TestTwinsExchanged exchanges directories with files of one size and one moment, which
// moves the times of neither file.
func TestTwinsExchanged(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	const pairs = 200 // of which some are made within one tick of the clock
	for i := range pairs {
		for _, name := range []string{"a", "b"} {
			if err := os.Mkdir(fmt.Sprintf("%s/%s%d", dir, name, i), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"a", "b"} {
			if err := os.WriteFile(fmt.Sprintf("%s/%s%d/x", dir, name, i), []byte(name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	base := baseOf(t, again(t, dir, smallParts(), nil))
	for i := range pairs {
		if err := unix.Renameat2(unix.AT_FDCWD, fmt.Sprintf("%s/a%d", dir, i), unix.AT_FDCWD, fmt.Sprintf("%s/b%d", dir, i), unix.RENAME_EXCHANGE); err != nil {
			t.Fatal(err)
		}
	}
	again(t, dir, smallParts(), base).judge(t, dir)
}

// TestReread has every file read, and tells of the one that looks as it was and is not.
func TestReread(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	small(t, dir, 20)
	first := again(t, dir, smallParts(), nil)
	image, err := os.ReadFile(first.name)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(image, noise(7, 60_000))
	if at < 0 {
		t.Fatal("f07 is not in the image")
	}
	image[at+5000] ^= 1
	base := baseOf(t, first)
	base.Image, base.Reread = bytes.NewReader(image), true
	second := again(t, dir, smallParts(), base)
	second.judge(t, dir)
	if w := second.report.Warnings; len(w) != 1 || w[0].Path != "/f07" || second.report.FilesRead != 20 {
		t.Errorf("warnings %v, %d files read", w, second.report.FilesRead)
	}
}

// TestUselessBase has bases that a layout can make nothing of: the image is right, and
// the plan says why it is a fresh one.
func TestUselessBase(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	small(t, dir, 20)
	first := again(t, dir, smallParts(), nil)
	for _, c := range []struct {
		name string
		harm func(b *ext2img.Base, p *ext2img.Params)
	}{
		{"nothing but zeros", func(b *ext2img.Base, _ *ext2img.Params) { b.Image = bytes.NewReader(make([]byte, b.Size)) }},
		{"cut off", func(b *ext2img.Base, _ *ext2img.Params) { b.Image = io.NewSectionReader(b.Image, 0, 300<<10) }},
		{"half", func(b *ext2img.Base, _ *ext2img.Params) { b.Size /= 2 }},
		{"another UUID", func(_ *ext2img.Base, p *ext2img.Params) { p.UUID[0]++ }},
		{"another label", func(_ *ext2img.Base, p *ext2img.Params) { p.Label = "other" }},
		{"another size", func(b *ext2img.Base, p *ext2img.Params) { p.Size = b.Size + 1<<20 }},
		{"no room", func(b *ext2img.Base, p *ext2img.Params) { p.Free = 100 << 20 }},
		{"a time that was given", func(_ *ext2img.Base, p *ext2img.Params) { p.Latest = &p.Now }},
	} {
		t.Run(c.name, func(t *testing.T) {
			base, p := baseOf(t, first), smallParts()
			c.harm(base, &p)
			m := again(t, dir, p, base)
			if m.plan.Fresh() == "" || m.kept > 0 {
				t.Errorf("fresh because %q, %d parts kept", m.plan.Fresh(), m.kept)
			}
			t.Log(m.plan.Fresh())
			imgtest.Fsck(t, m.name)
			freeIsZero(t, m.name)
		})
	}
}
