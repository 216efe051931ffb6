package walker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMark tells a file that was appended to from one that was rewritten.
func TestMark(t *testing.T) {
	text := func(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n] }
	for _, size := range []int{1, 100, 2 * markEdge, 2*markEdge + 1, 3 << 20} {
		for name, c := range map[string]struct {
			change func(b []byte) []byte
			same   bool
		}{
			"as it is":  {func(b []byte) []byte { return b }, true},
			"appended":  {func(b []byte) []byte { return append(b, "more"...) }, true},
			"its start": {func(b []byte) []byte { b[0]++; return append(b, "more"...) }, false},
			"its end":   {func(b []byte) []byte { b[len(b)-1]++; return append(b, "more"...) }, false},
			"cut":       {func(b []byte) []byte { return b[:len(b)-1] }, false},
		} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				f, err := os.Create(filepath.Join(t.TempDir(), "file"))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				_, err = f.Write(text(size))
				before, markErr := Mark(int(f.Fd()), int64(size))
				err = errors.Join(err, markErr, f.Truncate(0))
				_, writeErr := f.WriteAt(c.change(text(size)), 0)
				after, markErr := Mark(int(f.Fd()), int64(size))
				if err := errors.Join(err, writeErr, markErr); err != nil || before == 0 {
					t.Fatal(before, err)
				}
				if (before == after) != c.same {
					t.Errorf("mark %x, then %x", before, after)
				}
			})
		}
	}
}

// TestMarked says which files of a tree are opened for a mark.
func TestMarked(t *testing.T) {
	dir := t.TempDir()
	want := map[string]bool{"/small now": true, "/small an hour ago": false, "/large an hour ago": true, "/large a week ago": false, "/empty now": false}
	for name, size := range map[string]int{"small": 100, "large": largeFile, "empty": 0} {
		for when, age := range map[string]time.Duration{"now": 0, "an hour ago": time.Hour, "a week ago": 7 * 24 * time.Hour} {
			path := filepath.Join(dir, name+" "+when)
			at := time.Now().Add(-age)
			if err := errors.Join(os.WriteFile(path, make([]byte, size), 0o600), os.Chtimes(path, at, at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	seen := 0
	tree, err := Walk(context.Background(), dir, Options{}, func(e *Entry) error {
		if marked, ok := want[e.Path]; ok {
			seen++
			if (e.Mark != 0) != marked {
				t.Errorf("%s: mark %x", e.Path, e.Mark)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tree.Close()
	if seen != len(want) {
		t.Errorf("%d entries seen, want %d", seen, len(want))
	}
}

// TestMarkOfGeneration has ext4 give the number of a removed file to a new one with the same bytes: it has another mark.
func TestMarkOfGeneration(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	loopMount(t, loopImage(t, 16<<20, "mkfs.ext4", "-q"), dir)
	name := filepath.Join(dir, "file")
	marks := make(map[uint64][]uint64) // by inode number
	for range 5 {
		must(t, os.WriteFile(name, []byte("the same"), 0o600))
		f, err := os.Open(name)
		must(t, err)
		var st unix.Stat_t
		must(t, unix.Fstat(int(f.Fd()), &st))
		mark, err := Mark(int(f.Fd()), st.Size)
		must(t, err)
		must(t, f.Close())
		must(t, os.Remove(name))
		if slices.Contains(marks[st.Ino], mark) {
			t.Errorf("inode %d has the mark of another one with its number", st.Ino)
		}
		marks[st.Ino] = append(marks[st.Ino], mark)
	}
	if len(marks) == 5 {
		t.Error("no number was used again")
	}
}
