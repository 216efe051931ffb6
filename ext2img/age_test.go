package ext2img_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"purebundle/ext2img"
	"purebundle/ext2img/extfs"
	"purebundle/ext2img/imgtest"
)

// TestDataByAge has data in the order in which files changed, the oldest first, so that
// what is replaced together lies together; an image that depends on the tree alone has it in
// the order of the walk.
func TestDataByAge(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	byAge := []string{"m", "z", "sub/k", "a", "sub/b"}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range byAge {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // more than a tick of the clock that stamps files
	}
	p := ext2img.Params{UUID: [16]byte{1}, Now: ext2img.Time{Sec: time.Now().Unix()}, PartSize: 1 << 20}
	for _, latest := range []*ext2img.Time{nil, {Sec: p.Now.Sec}} {
		want := byAge
		if p.Latest = latest; latest != nil {
			want = []string{"a", "m", "sub/b", "sub/k", "z"}
		}
		m := again(t, dir, p, nil)
		f, size := imgtest.OpenImage(t, m.name)
		image, err := extfs.Open(f, size)
		if err != nil {
			t.Fatal(err)
		}
		at := make(map[string]int64)
		for _, name := range byAge {
			n, err := image.Lookup("/" + name)
			if err != nil {
				t.Fatal(err)
			}
			for e, err := range image.Extents(n) {
				if err != nil {
					t.Fatal(err)
				}
				at[name] = int64(e.Phys)
			}
		}
		have := slices.SortedFunc(slices.Values(byAge), func(x, y string) int { return int(at[x] - at[y]) })
		if !slices.Equal(have, want) {
			t.Errorf("with Latest %v the data of %q lies in that order, want %q", latest, have, want)
		}
	}
}
