package ext2img

import (
	"cmp"
	"slices"

	"purebundle/ext2img/internal/ondisk"
)

// dataOrder returns the regular files, but for those that keep what they have in a base, in
// the order in which their data is placed: by the time at which they changed last, the oldest first. A file that changed lately often changes
// again, and files that came together, as those of a package do, are often replaced together:
// so fewer parts of the next image differ, if this one is its base. An image that depends
// on the tree and a time alone has them in the order of the walk, as the times at which
// files changed are no part of a tree.
func (t *tree) dataOrder() []int32 {
	if t.byAge != nil {
		return t.byAge
	}
	t.byAge = []int32{}
	for n := range t.nodes.len() {
		if nd := t.nodes.at(n); nd.fmt() == ondisk.SIFREG && !nd.is(kept) {
			t.byAge = append(t.byAge, n)
		}
	}
	if t.p.Latest == nil {
		slices.SortFunc(t.byAge, func(a, b int32) int {
			return cmp.Or(t.nodes.at(a).ctime.Compare(t.nodes.at(b).ctime), cmp.Compare(a, b))
		})
	}
	return t.byAge
}
