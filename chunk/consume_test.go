package chunk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Parts that are made can be read and dropped before any commit, and nothing is
// left when the run is over.
func TestPartAndDrop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	w, err := Create(dir, Options{Prefix: "p"})
	must(t, err)
	want := bytes.Repeat([]byte("part"), Size/4)
	must(t, w.Write(t.Context(), bytes.NewReader(want), []int{0}, nil))
	if _, err := w.Open(1); err == nil {
		t.Error("a part that was never made opens")
	}
	f, err := w.Open(0)
	must(t, err)
	got, err := os.ReadFile(f.Name())
	must(t, err)
	must(t, f.Close())
	if !bytes.Equal(got, want) {
		t.Error("the part is not what was written")
	}
	must(t, w.Drop(0))
	must(t, w.Drop(0))
	if _, err := w.Open(0); err == nil {
		t.Error("a dropped part opens")
	}
	if err := w.Commit(t.Context(), testManifest()); err == nil {
		t.Error("a bundle without its part is committed")
	}
	must(t, w.Abort())
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory is left")
	}
}

// A bundle that is taken apart can be read to its end.
func TestDismantle(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Options{Prefix: "p"})
	must(t, err)
	must(t, fillAll(t.Context(), w, newer()))
	must(t, w.Commit(t.Context(), testManifest()))
	b, err := Load(dir, "")
	must(t, err)
	defer b.Close()
	must(t, b.Verify(t.Context(), 0, nil))
	must(t, b.Dismantle())
	if _, err := Load(dir, ""); err == nil {
		t.Error("still a bundle")
	}
	buf := make([]byte, 4096)
	for i := range b.Manifest().Parts {
		if _, err := b.ReadAt(buf, int64(i)*Size); err != nil {
			t.Error(err)
		}
		must(t, b.Drop(i))
	}
	must(t, b.Close()) // lets go of the lock
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("left: %v, %v", names, err)
	}
}
