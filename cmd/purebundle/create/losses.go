package create

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img"
)

// Lost counts what belongs in the image and is not in it as it was.
func (r *Run) Lost() int {
	return r.Report.Lost() + len(r.Tree.Unreadable) + r.Tree.Omitted.Unreadable
}

// Loss is one entry that a bundle lacks.
type Loss struct {
	Path chunk.Path
	UID  *uint32 // its owner; nil if that is not known
}

// Losses returns what a manifest lists of the entries that its bundle lacks.
func Losses(m *chunk.Manifest) []Loss {
	var list []Loss
	for _, p := range m.Unreadable {
		list = append(list, Loss{p.Path, p.UID})
	}
	for _, c := range m.Changes {
		if lostKind(c.Kind) {
			list = append(list, Loss{c.Path, c.UID})
		}
	}
	return list
}

// lostKind says whether a change of that name loses something.
func lostKind(name string) bool {
	for k := ext2img.Vanished; k <= ext2img.Unfit; k++ {
		if k.String() == name {
			return k.Lost()
		}
	}
	return false
}

// ownerJSON returns an owner as a manifest has it; negative is unknown.
func ownerJSON(uid int64) *uint32 {
	if uid < 0 {
		return nil
	}
	id := uint32(uid)
	return &id
}

// maxOwners is how many owners a line names.
const maxOwners = 5

// LostLine says how much was lost, and whose it is: "3 entries could not be read as
// they were: 2 of uid 1000, 1 of root".
func (r *Run) LostLine() string {
	lost := r.Lost()
	text := "1 entry could not be read as it was"
	if lost != 1 {
		text = words.Count(int64(lost)) + " entries could not be read as they were"
	}
	count, rest := map[int64]int{}, lost
	add := func(uid int64) {
		if uid >= 0 {
			count[uid]++
			rest--
		}
	}
	for _, p := range r.Tree.Unreadable {
		add(p.UID)
	}
	for _, c := range r.Report.Changes {
		if c.Kind.Lost() {
			add(int64(c.UID))
		}
	}
	owners := make([]int64, 0, len(count))
	for uid := range count {
		owners = append(owners, uid)
	}
	slices.SortFunc(owners, func(a, b int64) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	var whose []string
	for i, uid := range owners {
		if i == maxOwners {
			break
		}
		name := "root"
		if uid != 0 {
			name = fmt.Sprintf("uid %d", uid)
		}
		whose = append(whose, words.Count(int64(count[uid]))+" of "+name)
	}
	for _, uid := range owners[min(len(owners), maxOwners):] {
		rest += count[uid]
	}
	switch {
	case len(whose) == 0:
		return text
	case rest > 0:
		whose = append(whose, words.Count(int64(rest))+" of others")
	}
	return text + ": " + strings.Join(whose, ", ")
}
