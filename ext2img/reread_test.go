package ext2img_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/ext2img/extfs"
)

// entry is a name of a small tree, and the inode under it.
type entry struct {
	path string
	file ext2img.File
}

// imageOf makes the image of entries, whose files are all zeros, in memory.
func imageOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	b := ext2img.NewBuilder(params())
	for _, e := range append([]entry{{"/", ext2img.File{Mode: 0o40755}}}, entries...) {
		if err := b.Add(e.path, e.file); err != nil {
			t.Fatal(err)
		}
	}
	zeros := filepath.Join(t.TempDir(), "zeros")
	if err := os.WriteFile(zeros, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := b.Layout(func(_ string, st *unix.Stat_t) (int, error) {
		fd, err := unix.Open(zeros, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Fstat(fd, st)
		}
		return fd, err
	})
	if err != nil {
		t.Fatal(err)
	}
	image := make([]byte, m.Size())
	_, err = m.Make(t.Context(), ext2img.Output{
		Parts: func(_ context.Context, b ext2img.Batch) error {
			for _, i := range b.Parts {
				if _, err := b.Image.ReadAt(image[i*partSize:(i+1)*partSize], int64(i)*partSize); err != nil && err != io.EOF {
					return err
				}
			}
			return nil
		},
		Zeros: func(context.Context, []int) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// TestReadAgainFinds has go-diskfs read another image than extfs has: it must see
// each difference.
func TestReadAgainFinds(t *testing.T) {
	dir := entry{"/dir", ext2img.File{Mode: 0o40755}}
	file := entry{"/dir/file", ext2img.File{Mode: 0o100644, UID: 1, GID: 2}}
	pipe := entry{"/pipe", ext2img.File{Mode: 0o10644}}
	link := entry{"/target", ext2img.File{Mode: 0o120777, Target: "where"}}
	with := func(e entry, change func(*entry)) entry {
		change(&e)
		return e
	}
	first := imageOf(t, dir, file, pipe, link)
	for _, c := range []struct {
		name    string
		entries []entry
		want    string // "" for nothing
	}{
		{"the same", []entry{dir, file, pipe, link}, ""},
		{"a name", []entry{dir, with(file, func(e *entry) { e.path = "/dir/fill" }), pipe, link}, `the name "fill"`},
		{"a name less", []entry{dir, pipe, link}, "1 names, go-diskfs reads 0"},
		{"a type", []entry{dir, file, with(pipe, func(e *entry) { e.file.Mode = 0o140644 }), link}, "mode 010644"},
		{"an inode", []entry{dir, with(file, func(e *entry) { e.path = "/dir.file" }), pipe, link}, "names, go-diskfs"},
		{"an owner", []entry{dir, with(file, func(e *entry) { e.file.UID = 3 }), pipe, link}, "owner 1:2, go-diskfs reads 3:2"},
		{"a group", []entry{dir, with(file, func(e *entry) { e.file.GID = 3 }), pipe, link}, "owner 1:2, go-diskfs reads 1:3"},
		{"a size", []entry{dir, file, pipe, with(link, func(e *entry) { e.file.Target = "there!" })}, "5 bytes, go-diskfs reads 6"},
		{"links", []entry{dir, with(file, func(e *entry) { e.file.Mode = 0o40755 }), pipe, link}, "links, go-diskfs reads"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs, err := extfs.Open(bytes.NewReader(first), int64(len(first)))
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			second := imageOf(t, c.entries...)
			seen, err := ext2img.ReadAgain(t.Context(), fs, bytes.NewReader(second), int64(len(second)), func(path, text string) {
				said = append(said, path+": "+text)
			})
			text := strings.Join(said, "\n")
			if err != nil || (text == "") != (c.want == "") || !strings.Contains(text, c.want) {
				t.Errorf("%v, %q; want %q", err, text, c.want)
			}
			if c.want == "" && (seen.Names != 5 || seen.Left != 0) { // lost+found too
				t.Errorf("read %+v, want 5 names", seen)
			}
		})
	}
}

// TestRacyChange changes a file within the time that one time stamp lasts, just
// before it is read: a change after it could carry the same stamp, so the file
// must be read once more. Whether the test was in time, the stamp says.
func TestRacyChange(t *testing.T) {
	for _, size := range []int{5000, 25 << 20} { // in one part, over three
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "file")
			if err := os.WriteFile(name, noise(1, size), 0o644); err != nil {
				t.Fatal(err)
			}
			seen := 0
			for range 100 {
				again, inTime := racyRead(t, dir, name)
				if !inTime {
					continue
				}
				if !again {
					t.Fatal("read once, with a change in the same tick")
				}
				if seen++; seen == 10 {
					return
				}
			}
			if seen == 0 {
				t.Error("the machine is too busy: no change was in time")
			}
		})
	}
}

// racyRead says whether the first part of the file was read again after a change
// just before it was, and whether that change was in time. The second read comes
// when the time stamp has lasted, 20 ms: a part that took less was read once.
func racyRead(t *testing.T, dir, name string) (again, inTime bool) {
	t.Helper()
	b := ext2img.NewBuilder(params())
	addTree(t, b, dir)
	var opened atomic.Int32
	var began time.Time
	var took time.Duration
	m, err := b.Layout(func(path string, st *unix.Stat_t) (int, error) {
		if opened.Add(1) == 1 {
			if err := os.Chmod(name, 0o644); err != nil {
				return -1, err
			}
			fd, err := opener(dir)(path, st)
			changed := time.Unix(st.Ctim.Sec, st.Ctim.Nsec)
			const near = 15 * time.Millisecond // the read began between began and now
			inTime = changed.Sub(began).Abs() < near && time.Since(changed).Abs() < near
			return fd, err
		}
		return opener(dir)(path, st)
	})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, partSize)
	_, err = m.Make(t.Context(), ext2img.Output{
		Parts: func(_ context.Context, b ext2img.Batch) error {
			for _, i := range b.Parts {
				began = time.Now()
				if _, err := b.Image.ReadAt(buf, int64(i)*partSize); err != nil && err != io.EOF {
					return err
				}
				if took == 0 && opened.Load() > 0 {
					took = time.Since(began)
				}
			}
			return nil
		},
		Zeros: func(context.Context, []int) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return took >= 20*time.Millisecond, inTime
}
