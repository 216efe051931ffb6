package ext2img

import (
	"fmt"
	"slices"
	"testing"
)

// TestDataByAge has data in the order in which files changed, the oldest first, those of
// one moment in the order of the walk, as all of it is if the image is to depend on the
// tree alone.
func TestDataByAge(t *testing.T) {
	for _, c := range []struct {
		latest *Time
		want   string
	}{
		{nil, "[/d/e /c /d/f /b /a]"},
		{&Time{Sec: 100}, "[/a /b /c /d/e /d/f]"},
	} {
		b := NewBuilder(Params{PartSize: 1 << 20, Latest: c.latest})
		for _, e := range []struct {
			path  string
			mode  uint32
			ctime Time
		}{
			{"/", 0o40755, Time{}}, {"/a", 0o100644, Time{9, 1}}, {"/b", 0o100644, Time{9, 0}}, {"/c", 0o100644, Time{8, 5}},
			{"/d", 0o40755, Time{}}, {"/d/e", 0o100644, Time{-1, 5}}, {"/d/f", 0o100644, Time{8, 5}},
		} {
			if err := b.Add(e.path, File{Mode: e.mode, Size: 5000, Ctime: e.ctime}); err != nil {
				t.Fatal(err)
			}
		}
		m, err := b.Layout(nil)
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, s := range m.spans[m.data:] {
			have = append(have, m.path(m.nodes.at(s.owner).name))
		}
		if !slices.IsSortedFunc(m.spans, func(a, b span) int { return int(a.phys) - int(b.phys) }) {
			t.Error("spans are not in order")
		}
		if fmt.Sprint(have) != c.want {
			t.Errorf("with Latest %v the data lies in the order %v, want %s", c.latest, have, c.want)
		}
	}
}
