package ec2

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
)

func rawManifest() *chunk.Manifest {
	return &chunk.Manifest{Tool: "test", Created: time.Unix(1e9, 0).UTC(), Source: "/",
		Image:  chunk.Image{FSSize: 30 * mib, BlockSize: 4096, Blocks: 7680, Type: "ext4", UUID: "6f9c9a5e-1c2d-4b3a-9e8f-0123456789ab"},
		Mounts: []chunk.Mount{}, Filtered: []chunk.Left{}, Excluded: []chunk.Left{},
		Unreadable: []chunk.Problem{}, Changes: []chunk.Change{}, Warnings: []chunk.Warning{}}
}

// diskOf returns what the files of a directory occupy, in bytes.
func diskOf(t *testing.T, dir string) (n int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		n += blocksOf(t, filepath.Join(dir, e.Name()))
	}
	return n
}

// Parts that are made become a bundle while they go; never is there more on disk
// than they had and a little.
func TestMade(t *testing.T) {
	img := image(40*mib, Range{0, 9 * mib}, Range{12 * mib, 15 * mib}, Range{39 * mib, 4096})
	rawDir, dir := t.TempDir(), t.TempDir()
	raw, err := chunk.Create(rawDir, chunk.Options{Prefix: "image"})
	must(t, err)
	must(t, raw.Write(t.Context(), bytes.NewReader(img), []int{0, 1, 2, 3}, nil))
	before := diskOf(t, rawDir)
	const size = 39*mib + 4096 // less than the parts have
	src, err := Made(raw, size)
	must(t, err)
	w, err := Create(dir, Options{Prefix: "image"})
	must(t, err)
	most := int64(0)
	must(t, w.Write(t.Context(), src, func(int64) { most = max(most, diskOf(t, rawDir)+diskOf(t, dir)) }))
	must(t, w.Commit(t.Context(), testManifest(), testKeys()))
	if most > before+12*mib {
		t.Errorf("%d bytes on disk at most, the parts had %d", most, before)
	}
	must(t, raw.Abort())
	if left := names(t, rawDir); left != "" {
		t.Errorf("left: %s", left)
	}
	out := filepath.Join(t.TempDir(), "out")
	must(t, load(t, filepath.Join(dir, "image.manifest.xml")).Unbundle(t.Context(), userPair().key, out, UnbundleOptions{}))
	got, err := os.ReadFile(out)
	must(t, err)
	if !bytes.Equal(got, img[:size]) {
		t.Error("not the image")
	}
}

// A raw bundle becomes one of Amazon's and that a raw one again, with the same
// image, whether the first stays or goes.
func TestRawBothWays(t *testing.T) {
	img := image(30*mib, Range{0, 5 * mib}, Range{25 * mib, 5 * mib})
	for name, consume := range map[string]Consume{"keep": Keep, "remove": Remove} {
		t.Run(name, func(t *testing.T) {
			first, second, third := t.TempDir(), t.TempDir(), t.TempDir()
			raw, err := chunk.Create(first, chunk.Options{Prefix: "p"})
			must(t, err)
			must(t, raw.Write(t.Context(), bytes.NewReader(img), []int{0, 1, 2}, nil))
			must(t, raw.Commit(t.Context(), rawManifest()))

			b, err := chunk.Load(first, "")
			must(t, err)
			defer b.Close()
			src, err := Raw(t.Context(), b, consume, nil)
			must(t, err)
			w, err := Create(second, Options{Prefix: "p"})
			must(t, err)
			must(t, w.Write(t.Context(), src, nil))
			must(t, w.Commit(t.Context(), testManifest(), testKeys()))
			must(t, b.Close()) // lets go of the lock
			if left := names(t, first); (left == "") != (consume == Remove) {
				t.Errorf("left: %q", left)
			}

			raw, err = chunk.Create(third, chunk.Options{Prefix: "p"})
			must(t, err)
			must(t, load(t, filepath.Join(second, "p.manifest.xml")).ToParts(t.Context(), userPair().key, raw, nil))
			must(t, raw.Commit(t.Context(), rawManifest()))
			again, err := chunk.Load(third, "")
			must(t, err)
			defer again.Close()
			got := make([]byte, len(img))
			_, err = again.ReadAt(got, 0)
			must(t, err)
			if !bytes.Equal(got, img) || again.Size() != int64(len(img)) {
				t.Error("not the image")
			}
		})
	}
}

// blocksOf is what a file occupies, in bytes; 0 if it is gone.
func blocksOf(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return 0
	}
	return st.Blocks * 512
}
