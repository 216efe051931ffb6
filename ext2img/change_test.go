package ext2img_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/ext2img/imgtest"
)

// noise returns n bytes that do not compress, the same for the same seed.
func noise(seed int64, n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(b)
	return b
}

// TestChanges changes a file after the walk: the image must hold what was
// read, stay clean, and say so.
func TestChanges(t *testing.T) {
	imgtest.RequireRoot(t)
	const small, large = 10_000, 25 << 20 // in one part, over three
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		name   string
		change func(file string)
		kind   ext2img.Kind
		after  func(before []byte) []byte // nil: absent
	}{
		{"vanishes", func(f string) { must(os.Remove(f)) }, ext2img.Vanished, nil},
		{"shrinks", func(f string) { must(os.Truncate(f, 5000)) }, ext2img.Shrunk, func(b []byte) []byte { return b[:5000] }},
		{"empties", func(f string) { must(os.Truncate(f, 0)) }, ext2img.Shrunk, func([]byte) []byte { return nil }},
		{"grows", func(f string) {
			w, err := os.OpenFile(f, os.O_APPEND|os.O_WRONLY, 0)
			must(err)
			_, err = w.Write(noise(9, 7000))
			must(errors.Join(err, w.Close()))
		}, ext2img.Grown, func(b []byte) []byte { return b }},
		{"is rewritten", func(f string) {
			w, err := os.OpenFile(f, os.O_WRONLY, 0)
			must(err)
			_, err = w.WriteAt([]byte("new"), 4000)
			must(errors.Join(err, w.Close()))
		}, ext2img.Rewritten, func(b []byte) []byte {
			b = bytes.Clone(b)
			copy(b[4000:], "new")
			return b
		}},
		{"is replaced by a smaller one", func(f string) {
			must(os.WriteFile(f+"~", noise(7, 3000), 0o600))
			must(os.Rename(f+"~", f))
		}, ext2img.Replaced, func([]byte) []byte { return noise(7, 3000) }},
		{"is replaced by a larger one", func(f string) {
			must(os.WriteFile(f+"~", noise(8, 1<<20+large), 0o600))
			must(os.Rename(f+"~", f))
		}, ext2img.Replaced, func([]byte) []byte { return noise(8, 1<<20+large) }},
		{"becomes a directory", func(f string) {
			must(os.Remove(f))
			must(os.Mkdir(f, 0o755))
		}, ext2img.Replaced, nil},
	}
	for _, c := range cases {
		for _, size := range []int{small, large} {
			t.Run(fmt.Sprintf("%s/%d", c.name, size), func(t *testing.T) {
				dir := t.TempDir()
				content := noise(int64(size), size)
				file := filepath.Join(dir, "file")
				must(os.WriteFile(filepath.Join(dir, "before"), content[:100], 0o644))
				must(os.WriteFile(file, content, 0o644))
				must(os.WriteFile(filepath.Join(dir, "other"), content[:6000], 0o644))
				p := params()
				p.Free = 64 << 20
				m := layout(t, dir, p)
				c.change(file)
				image, report := write(t, m)
				if len(report.Changes) != 1 || report.Changes[0].Kind != c.kind || report.Changes[0].Path != "/file" {
					t.Errorf("changes %v, want one: /file %s", report.Changes, c.kind)
				}
				imgtest.Fsck(t, image)
				mnt := imgtest.Mount(t, image)
				got, err := os.ReadFile(filepath.Join(mnt, "file"))
				switch {
				case c.after == nil && !errors.Is(err, os.ErrNotExist):
					t.Errorf("file: %d bytes, %v; want none", len(got), err)
				case c.after != nil && (err != nil || !bytes.Equal(got, c.after(content))):
					t.Errorf("file: %d bytes, %v; want %d", len(got), err, len(c.after(content)))
				}
				if got, err := os.ReadFile(filepath.Join(mnt, "other")); err != nil || !bytes.Equal(got, content[:6000]) {
					t.Errorf("other: %d bytes, %v", len(got), err)
				}
				if in := m.Stats().DataBytes; in != int64(len(got)+100+6000) {
					t.Errorf("%d bytes of data are told, %d are there", in, len(got)+100+6000)
				}
			})
		}
	}
}

// TestLinksChange takes names away from a file with three: its content must
// survive as long as one leads to it.
func TestLinksChange(t *testing.T) {
	imgtest.RequireRoot(t)
	names := []string{"a", "b", "c"}
	for gone := range 4 {
		t.Run(fmt.Sprintf("%d gone", gone), func(t *testing.T) {
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			content := noise(1, 30_000)
			err := os.WriteFile(at("a"), content, 0o644)
			err = errors.Join(err, os.Link(at("a"), at("b")), os.Link(at("a"), at("c")))
			m := layout(t, dir, params())
			for i, name := range names[:gone] {
				err = errors.Join(err, os.Remove(at(name)))
				if i == 0 { // an upgrade puts another file in its place
					err = errors.Join(err, os.WriteFile(at(name), noise(2, 100), 0o644))
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			image, report := write(t, m)
			imgtest.Fsck(t, image)
			mnt := imgtest.Mount(t, image)
			for _, name := range names {
				got, err := os.ReadFile(filepath.Join(mnt, name))
				if gone < 3 && (err != nil || !bytes.Equal(got, content)) {
					t.Errorf("%s: %d bytes, %v; want the content", name, len(got), err)
				}
				if gone == 3 && !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s: %d bytes, %v; want none", name, len(got), err)
				}
			}
			if lost := gone == 3; (len(report.Changes) > 0) != lost {
				t.Errorf("changes %v", report.Changes)
			}
		})
	}
}

// TestHoleFilled writes into a hole after the walk.
func TestHoleFilled(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "sparse")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write1 := func(off int64, b []byte) {
		if _, err := f.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
	}
	write1(0, noise(1, 5000))
	write1(40<<20, noise(2, 5000))
	p := params()
	p.Free = 64 << 20
	m := layout(t, dir, p)
	write1(20<<20, noise(3, 5000))
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	image, report := write(t, m)
	imgtest.Fsck(t, image)
	got, err := os.ReadFile(filepath.Join(imgtest.Mount(t, image), "sparse"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(want))
	}
	if len(report.Changes) != 1 || report.Changes[0].Kind != ext2img.Rewritten {
		t.Errorf("changes %v, want one: rewritten", report.Changes)
	}
}

// TestLogGrows appends to files all the time while they are read: the image
// holds what the walk saw of them.
func TestLogGrows(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	sizes := map[string]int{"small": 10_000, "large": 35 << 20}
	grown, stop, done := make(chan bool, len(sizes)), make(chan bool), make(chan error)
	for name, size := range sizes {
		if err := os.WriteFile(filepath.Join(dir, name), noise(int64(size), size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := layout(t, dir, params())
	for name := range sizes {
		go func() {
			f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_WRONLY, 0)
			for lines := 0; ; lines++ {
				if lines == 1 {
					grown <- true
				}
				select {
				case <-stop:
					done <- errors.Join(err, f.Close())
					return
				default:
					if _, e := f.Write([]byte("a line in the log\n")); e != nil {
						err = e
					}
				}
			}
		}()
	}
	for range sizes { // before it is read
		<-grown
	}
	image, report := write(t, m)
	close(stop)
	for range sizes {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	told := map[string]ext2img.Kind{}
	for _, c := range report.Changes {
		told[c.Path] = c.Kind
	}
	imgtest.Fsck(t, image)
	mnt := imgtest.Mount(t, image)
	for name, size := range sizes {
		if kind, ok := told["/"+name]; !ok || kind != ext2img.Grown {
			t.Errorf("%s: changes %v; want it grown", name, report.Changes)
		}
		if got, err := os.ReadFile(filepath.Join(mnt, name)); err != nil || !bytes.Equal(got, noise(int64(size), size)) {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, size)
		}
	}
}

// TestChangesBetweenParts rewrites a file of three parts before the n-th of them
// is read: what was read of it before must be read again.
func TestChangesBetweenParts(t *testing.T) {
	imgtest.RequireRoot(t)
	const size = 25 << 20
	for _, c := range []struct {
		name    string
		rewrite func(read int) bool // before the read-th part that is read, from 0
		kind    ext2img.Kind
	}{
		{"once", func(read int) bool { return read == 2 }, ext2img.Rewritten},
		{"in both rounds", func(read int) bool { return read == 2 || read == 5 }, ext2img.Rewritten},
		{"always", func(int) bool { return true }, ext2img.Unstable},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "file")
			write1 := func(seed int64) {
				f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o644)
				if err == nil {
					_, err = f.Write(noise(seed, size))
					err = errors.Join(err, f.Close())
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			write1(0)
			m := layout(t, dir, params())
			read, last := 0, int64(0)
			image, report := writeWith(t, m, func(int) {
				if c.rewrite(read) {
					last++
					write1(last)
				}
				read++
			})
			if len(report.Changes) != 1 || report.Changes[0].Kind != c.kind {
				t.Errorf("changes %v, want one: %s", report.Changes, c.kind)
			}
			imgtest.Fsck(t, image)
			got, err := os.ReadFile(filepath.Join(imgtest.Mount(t, image), "file"))
			if err != nil || len(got) != size || c.kind == ext2img.Rewritten && !bytes.Equal(got, noise(last, size)) {
				t.Errorf("%d bytes, %v; want the content last written", len(got), err)
			}
		})
	}
}

// TestUnreadable gives EIO for one of many files.
func TestUnreadable(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	for i := range 300 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d", i)), noise(int64(i), i*10), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := ext2img.NewBuilder(params())
	addTree(t, b, dir)
	m, err := b.Layout(func(path string, st *unix.Stat_t) (int, error) {
		if path == "/150" {
			return -1, &os.PathError{Op: "open", Path: path, Err: unix.EIO}
		}
		return opener(dir)(path, st)
	})
	if err != nil {
		t.Fatal(err)
	}
	image, report := write(t, m)
	if len(report.Changes) != 1 || report.Changes[0].Kind != ext2img.Unreadable || !report.Changes[0].Kind.Lost() {
		t.Errorf("changes %v, want /150 unreadable", report.Changes)
	}
	imgtest.Fsck(t, image)
	if err := os.Remove(filepath.Join(dir, "150")); err != nil {
		t.Fatal(err)
	}
	imgtest.Compare(t, dir, imgtest.Mount(t, image), imgtest.CompareOptions{
		Stat: nil, Scope: func(p string) imgtest.Scope { return imgtest.Full }, NoMtime: true,
	})
}

// TestTight fills images of given sizes to the brim: it fits, or the error says
// which size does, and that one does.
func TestTight(t *testing.T) {
	imgtest.RequireRoot(t)
	for _, files := range [][]int{{1 << 20, 1 << 20}, {5 << 20}, {3 << 20, 12 << 20, 100}, {30 << 20, 4096, 4097}} {
		for _, size := range []int64{10 << 20, 11 << 20, 20 << 20, 25<<20 + 4096, 50 << 20} {
			t.Run(fmt.Sprint(files, size), func(t *testing.T) {
				dir := t.TempDir()
				for i, n := range files {
					if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), noise(int64(n), n), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				p := params()
				p.Size = size
				b := ext2img.NewBuilder(p)
				addTree(t, b, dir)
				_, err := b.Layout(nil)
				var small *ext2img.TooSmallError
				if errors.As(err, &small) {
					if small.Need <= size {
						t.Fatalf("needs %d, which is not more than %d", small.Need, size)
					}
					p.Size = small.Need - ext2img.BlockSize
					b := ext2img.NewBuilder(p)
					addTree(t, b, dir)
					if _, err := b.Layout(nil); !errors.As(err, &small) {
						t.Errorf("a block less than the least size works: %v", err)
					}
					p.Size = small.Need
				} else if err != nil {
					t.Fatal(err)
				}
				roundTrip(t, dir, p)
			})
		}
	}
}
