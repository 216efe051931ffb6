package ext2img

import (
	"fmt"
	"testing"
)

// An image of automatic size has room for more inodes, not only for more data: a
// tree of 65,332 symlinks left two.
func TestRoomForInodes(t *testing.T) {
	for _, c := range []struct {
		name    string
		p       Params
		at, not int64 // least and most of what is free
	}{
		{"percent", Params{FreePercent: 10}, 6533, 20_000},
		{"bytes", Params{Free: 160 << 20}, 10_240, 40_000},
		{"none", Params{}, 0, 20_000},
	} {
		c.p.PartSize = 10 << 20
		b := NewBuilder(c.p)
		if err := b.Add("/", File{Mode: 0o40755}); err != nil {
			t.Fatal(err)
		}
		for i := range 65_332 {
			if err := b.Add(fmt.Sprintf("/%05d", i), File{Mode: 0o120777, Size: 1, Target: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		plan, err := b.Layout(nil)
		if err != nil {
			t.Fatal(err)
		}
		if free := plan.Stats().FreeInodes; free < c.at || free > c.not {
			t.Errorf("%s: %d inodes are free, want %d to %d", c.name, free, c.at, c.not)
		}
	}
}
