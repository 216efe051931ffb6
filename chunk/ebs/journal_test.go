package ebs_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/chunk/ebs/ebstest"
)

// journal opens a journal until the test ends.
func journal(t *testing.T, path string) *ebs.Journal {
	t.Helper()
	j, err := ebs.OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// cut writes some parts of an image, and leaves it at that, as a killed run does; it returns
// the id.
func cut(t *testing.T, c *ebs.Client, path string, b []byte, m ebs.Making, parts ...int) string {
	t.Helper()
	m.Journal = journal(t, path)
	defer m.Journal.Close()
	w := c.Create(m)
	if err := errors.Join(w.Preflight(len(b)/chunk.Size, 0), w.Write(t.Context(), bytes.NewReader(b), parts, nil), w.Abort()); err != nil {
		t.Fatal(err)
	}
	return w.ID()
}

// A snapshot with a journal is gone on with: what is there as it is to be is not sent again,
// and what is left of the first run is as the second one wants it.
func TestGoOn(t *testing.T) {
	zeroFrom := func(n int) func(int) bool { return func(i int) bool { return i >= n } }
	old := disk(31, 3, zeroFrom(50))
	for _, tt := range []struct {
		name  string
		parts []int // of the first run
		next  []byte
		more  string // lines of the journal that the first run has written
		sent  int    // blocks of the second
	}{
		{"the same", []int{0, 1}, old, "", 10},
		{"nothing was put", []int{}, old, "", 50},
		{"a block changed", []int{0, 1, 2}, changed(old, 5), "", 1},
		{"a block is free now", []int{0, 1, 2}, freed(old, 5), "", 1},
		{"the image is smaller", []int{0, 1, 2}, old[:2*chunk.Size], "", 10},
		{"a block that may be there", []int{0}, old, "put 59\nput 61\n", 32},
		{"a line that was cut", []int{0, 1}, old, "has 3 00", 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := ebstest.Start(t)
			path := filepath.Join(t.TempDir(), "journal")
			m := ebs.Making{InUse: func(off, n int64) bool { return off < 0 }, Tags: map[string]string{"Name": "old"}}
			c := connect(t, s, ebs.Options{})
			if len(tt.parts) == 0 {
				m.Journal = journal(t, path)
				w := c.Create(m)
				if err := errors.Join(w.Preflight(3, 0), w.WriteZero(t.Context(), []int{2}, nil), m.Journal.Close()); err != nil {
					t.Fatal(err)
				}
			} else {
				cut(t, c, path, old, m, tt.parts...)
			}
			id := s.Snapshots()[0].ID
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = f.WriteString(tt.more)
			}
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			before := s.Count("PutSnapshotBlock")
			m.Journal, m.Tags = journal(t, path), map[string]string{"Name": "new"}
			m.Anew = func(_, why string) { t.Errorf("not gone on with: %s", why) }
			done, w, err := write(t, t.Context(), c, tt.next, m)
			if err != nil {
				t.Fatal(err)
			}
			if list := s.Snapshots(); done != id || len(list) != 1 || list[0].State != "completed" || list[0].Tags["Name"] != "new" {
				t.Errorf("%s, first %s; %+v", done, id, list)
			}
			if n := s.Count("PutSnapshotBlock") - before; n != tt.sent || w.Stats().Bytes != int64(n)*ebs.BlockSize {
				t.Errorf("%d blocks sent, want %d; %+v", n, tt.sent, w.Stats())
			}
			whole := make([]byte, len(old)+chunk.Size)
			copy(whole, tt.next)
			same(t, s, id, whole, nil)
			if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the journal is left: %v", err)
			}
		})
	}
}

// changed returns b with another byte in a block, freed one with a block that is zero.
func changed(b []byte, block int) []byte {
	b = bytes.Clone(b)
	b[block*ebs.BlockSize] ^= 1
	return b
}

func freed(b []byte, block int) []byte {
	b = bytes.Clone(b)
	clear(b[block*ebs.BlockSize:][:ebs.BlockSize])
	return b
}

// What cannot be gone on with is told, and deleted if nobody else may want it.
func TestAnew(t *testing.T) {
	b := disk(32, 2, func(int) bool { return false })
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, c *ebs.Client, id, path string, m *ebs.Making)
		why    string
		left   bool // the old one
	}{
		{"after a boot", func(t *testing.T, _ *ebs.Client, _, path string, _ *ebs.Making) {
			text, err := os.ReadFile(path)
			_, rest, _ := strings.Cut(string(text), "\n")
			if err := errors.Join(err, os.WriteFile(path, []byte("purebundle EBS journal 1 another\n"+rest), 0o600)); err != nil {
				t.Fatal(err)
			}
		}, "started again", false},
		{"another description", func(_ *testing.T, _ *ebs.Client, _, _ string, m *ebs.Making) { m.Description = "other" }, "description", false},
		{"encrypted now", func(_ *testing.T, _ *ebs.Client, _, _ string, m *ebs.Making) { m.Encrypt = true }, "encryption", false},
		{"deleted", func(t *testing.T, c *ebs.Client, id, _ string, _ *ebs.Making) {
			if err := c.Remove(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}, "gone", false},
		{"complete", func(t *testing.T, c *ebs.Client, _, path string, m *ebs.Making) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			one := *m
			one.Journal = journal(t, path)
			if _, _, err := write(t, t.Context(), c, b, one); err != nil {
				t.Fatal(err)
			}
			one.Journal.Close()
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "completed", true},
		{"about to be", func(t *testing.T, _ *ebs.Client, id, path string, _ *ebs.Making) {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = f.WriteString("seal " + id + "\n")
			}
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}, "about to be complete", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := ebstest.Start(t)
			path := filepath.Join(t.TempDir(), "journal")
			c := connect(t, s, ebs.Options{})
			m := ebs.Making{}
			id := cut(t, c, path, b, m, 0)
			tt.change(t, c, id, path, &m)
			said := ""
			m.Journal = journal(t, path)
			m.Anew = func(of, why string) { said += of + ": " + why }
			next, _, err := write(t, t.Context(), c, b, m)
			if err != nil {
				t.Fatal(err)
			}
			same(t, s, next, b, nil)
			if next == id || !strings.HasPrefix(said, id+": ") || !strings.Contains(said, tt.why) {
				t.Errorf("%s after %s: %q", next, id, said)
			}
			left := false
			for _, sn := range s.Snapshots() {
				left = left || sn.ID == id
			}
			if left != tt.left {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// A file that is no journal is not written over, and a journal has one run at a time.
func TestJournalRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := journal(t, path)
	if _, err := ebs.OpenJournal(path); err == nil || !strings.Contains(err.Error(), "lock ") {
		t.Errorf("opened twice: %v", err)
	}
	j.Close()
	const title, start = "purebundle EBS journal 1 x\n", "start snap-0123456789abcdef0 x\n"
	for _, text := range []string{"text\n", title + "put 1\n", title + start + "put\n", title + start + "put x\n", title + start + "has 1\n", title + start + "has 1 00\n", title + start + "what 1\n",
		title + start + "put -1\n", title + start + "seal snap-0123456789abcdef1\n", title + "start vol-1 x\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if j, err := ebs.OpenJournal(path); err == nil {
			j.Close()
			t.Errorf("%q is taken for a journal", text)
		}
		if have, _ := os.ReadFile(path); string(have) != text {
			t.Errorf("%q became %q", text, have)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if j, err := ebs.OpenJournal(link); err == nil {
		j.Close()
		t.Error("a link is followed")
	}
}

// A journal that cannot be written ends the run, before EBS has what it does not know.
func TestJournalFull(t *testing.T) {
	s := ebstest.Start(t)
	c := connect(t, s, ebs.Options{})
	j := journal(t, filepath.Join(t.TempDir(), "journal"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, w, err := write(t, ctx, c, disk(33, 1, func(int) bool { return false }), ebs.Making{Journal: j, Started: func(string, bool) { j.Close() }})
	if err == nil || !strings.Contains(err.Error(), "journal") || s.Count("PutSnapshotBlock") != 0 {
		t.Errorf("error %v, %d blocks put, %v", err, s.Count("PutSnapshotBlock"), w.ID())
	}
}
