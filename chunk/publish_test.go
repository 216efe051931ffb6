package chunk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What Describe and Texts make is what a Writer makes on disk.
func TestPublish(t *testing.T) {
	dir := t.TempDir()
	im := &image{parts: 3, zero: map[int]bool{1: true}}
	build(t, dir, im, Options{Prefix: "p"})
	b, err := Load(dir, "")
	must(t, err)
	defer b.Close()
	var digests []string
	for _, p := range b.Manifest().Parts {
		digests = append(digests, p.SHA256)
	}
	m := testManifest()
	must(t, m.Describe("p", digests))
	text, sums, err := m.Texts()
	must(t, err)
	for name, want := range map[string][]byte{"p.manifest.json": text, "p.sha256": sums} {
		if have, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s is\n%s\nwant\n%s (%v)", name, have, want, err)
		}
	}
	digests[1] = "not a digest"
	wantText(t, m.Describe("p", digests), "p.part.001", "sha256")
	wantText(t, m.Describe("p", nil), "image.size")
}

// A whole part is checked each time it is read.
func TestReadPart(t *testing.T) {
	dir := t.TempDir()
	im := &image{parts: 3, zero: map[int]bool{1: true}}
	build(t, dir, im, Options{Prefix: "p"})
	b, err := Load(dir, "")
	must(t, err)
	buf := bytes.Repeat([]byte{0xff}, Size)
	for i := range 3 {
		must(t, b.ReadPart(t.Context(), i, buf))
		if !bytes.Equal(buf, im.part(i)) {
			t.Errorf("part %d is another", i)
		}
	}
	flip(t, filepath.Join(dir, "p.part.002"), Size-1)
	wantText(t, b.ReadPart(t.Context(), 2, buf), "p.part.002", "SHA-256 is")
	must(t, b.Close())
}
