package ondisk

import (
	"cmp"
	"math/bits"
	"slices"
)

// FitXattrs decides where attributes go: all into the inode if they fit, else
// all into a block, else some to each. Any set that an inode and a block can
// hold in some way has its place, so nothing that an ext4 with inodes of this
// size held is dropped; of larger sets, those are dropped that matter least. All
// lists have the order of xs.
func FitXattrs(xs []Xattr) (inode, block, dropped []Xattr) {
	const word = 4 // bytes; all sizes are multiples of it
	order := make([]int, len(xs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(xs[a].rank(), xs[b].rank()), cmp.Compare(xs[a].Size(), xs[b].Size()))
	})
	// fills has bit n set if some of the attributes so far take exactly n words of the inode.
	fills, total := uint32(1), 0
	before := make([]uint32, len(xs)) // fills without this attribute; 0: it is dropped
	for _, i := range order {
		size := xs[i].Size() / word
		with := (fills | fills<<size) & (1<<(XattrInodeSize/word+1) - 1)
		if over := total + size - XattrBlockSize/word; over > 0 && with>>over == 0 {
			continue
		}
		before[i], fills, total = fills, with, total+size
	}
	fill := bits.Len32(fills) - 1 // words of the inode that are taken
	if total > XattrInodeSize/word && total <= XattrBlockSize/word {
		fill = 0
	}
	inside := make([]bool, len(xs))
	for _, i := range slices.Backward(order) {
		if before[i] != 0 && before[i]>>fill&1 == 0 {
			inside[i] = true
			fill -= xs[i].Size() / word
		}
	}
	for i, x := range xs {
		switch {
		case before[i] == 0:
			dropped = append(dropped, x)
		case inside[i]:
			inode = append(inode, x)
		default:
			block = append(block, x)
		}
	}
	return inode, block, dropped
}

// rank returns how much would be lost with the attribute, 0 most: what decides
// who may do what comes before what programs keep for themselves.
func (x Xattr) rank() int {
	switch {
	case x.Index == XattrACLAccess, x.Index == XattrACLDefault,
		x.Index == XattrSecurity && (x.Name == "capability" || x.Name == "selinux"):
		return 0
	case x.Index == XattrSecurity:
		return 1
	case x.Index == XattrTrusted:
		return 2
	}
	return 3
}

// FullName returns the name as lgetxattr(2) has it.
func (x Xattr) FullName() string { return XattrPrefix(x.Index) + x.Name }
