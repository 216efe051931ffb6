package ext2img

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/internal/ondisk"
)

// TestArenaEnds fills the last of an arena: no reference may lead to an earlier
// string.
func TestArenaEnds(t *testing.T) {
	a := arena{chunk: make([][]byte, maxText/arenaChunk-2)}
	refs := map[uint32]string{}
	for i := 0; ; i++ {
		s := fmt.Sprint(i, strings.Repeat("x", 1+i%4095))
		ref, ok := a.add(s)
		if !ok {
			break
		}
		if refs[ref] != "" || ref == noText {
			t.Fatalf("reference %d twice", ref)
		}
		refs[ref] = s
	}
	for ref, s := range refs {
		if a.get(ref) != s || a.size(ref) != len(s) {
			t.Fatalf("reference %d: %.20q, want %.20q", ref, a.get(ref), s)
		}
	}
	if len(refs) < 500 {
		t.Errorf("only %d strings fit", len(refs))
	}
}

// TestDirectoryFull adds names to a directory that is all but full: the rest is
// unfit, and what lies in its own directories goes with it.
func TestDirectoryFull(t *testing.T) {
	b := NewBuilder(Params{PartSize: 10 << 20})
	if err := b.Add("/", File{Mode: 0o40755}); err != nil {
		t.Fatal(err)
	}
	size := int64(ondisk.DirentSize(8))
	most := maxLeaves * (ondisk.DirLeafSize - (size - 4))
	b.stack[0].size = most - most%4 - 3*size
	for i := range 10 {
		if err := b.Add(fmt.Sprintf("/name%04d", i), File{Mode: 0o40755}); err != nil {
			t.Fatal(err)
		}
		if err := b.Add(fmt.Sprintf("/name%04d/sub", i), File{Mode: 0o100644}); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.names.len(); got != 1+2*3 {
		t.Errorf("%d names, want the root and three times two", got)
	}
	if len(b.report.Changes) != 7 || b.report.Changes[0].Kind != Unfit {
		t.Errorf("changes %v, want seven unfit", b.report.Changes)
	}
}

// TestLeavesBound splits names of every mixture of lengths: the blocks are no
// more than Add's limit makes of their bytes.
func TestLeavesBound(t *testing.T) {
	for _, lengths := range [][]int{{1}, {8}, {255}, {1, 255}, {100, 200, 255, 3}, {247, 248, 252}} {
		b := NewBuilder(Params{PartSize: 10 << 20})
		if err := b.Add("/", File{Mode: 0o40755}); err != nil {
			t.Fatal(err)
		}
		for i := range 20_000 {
			name := fmt.Sprintf("%05d%s", i, strings.Repeat("n", 255))[:max(5, lengths[i%len(lengths)])]
			if err := b.Add("/"+name, File{Mode: 0o100644}); err != nil {
				t.Fatal(err)
			}
		}
		top := b.stack[0]
		b.planDirs(b.groupNames(), [4]uint32{1})
		limit := ceilDiv(top.size, int64(ondisk.DirLeafSize-(top.longest-4)))
		if leaves := int64(len(b.dirs[0].leaves)); leaves > limit || leaves < 2 {
			t.Errorf("%v: %d blocks, the limit says %d", lengths, leaves, limit)
		}
	}
}

// TestLongText adds more long names and targets than an image takes: the rest is
// unfit, and usual ones are not, whoever comes before them.
func TestLongText(t *testing.T) {
	if testing.Short() {
		t.Skip("nothing goes on beside it")
	}
	for _, c := range []struct {
		what         string
		name, target int // bytes
		fit          int // entries
	}{
		{"targets", 7, maxTarget, textMore/(10+maxTarget+3-textEach) + 1}, // each has two bytes more, and an even number
		{"names", ondisk.NameMax, 0, textMore/(ondisk.NameMax+3-textEach) + 1},
		{"both", ondisk.NameMax, ondisk.NameMax, textMore/(2*(ondisk.NameMax+3)-textEach) + 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := NewBuilder(Params{PartSize: 10 << 20})
			if err := b.Add("/", File{Mode: 0o40755}); err != nil {
				t.Fatal(err)
			}
			add := func(prefix string, n, name, target int) {
				f := File{Mode: 0o100644}
				if target > 0 {
					f.Mode, f.Target = 0o120777, strings.Repeat("t", target)
				}
				for i := range n {
					path := fmt.Sprintf("/%s%06d%s", prefix, i, strings.Repeat("n", name-7))
					if err := b.Add(path, f); err != nil {
						t.Fatal(err)
					}
				}
			}
			add("a", c.fit+3000, c.name, c.target)
			fit, text := int(b.names.len()), b.text.bytes
			if fit < c.fit-3 || fit > c.fit+3 || text > textMore+int64(textEach*fit) {
				t.Errorf("%d names with %d bytes, want %d", fit, text, c.fit)
			}
			if last := b.report.Changes[len(b.report.Changes)-1]; last.Kind != Unfit || !strings.Contains(last.Detail, "64 MiB more than 140 bytes each") {
				t.Errorf("%s: %s", last.Kind, last.Detail)
			}
			b.text.bytes = textMore + textEach*int64(fit) // the last byte is taken
			add("b", 1000, textEach, 0)
			add("c", 1000, 40, textEach-40)
			if got := int(b.names.len()); got != fit+2000 {
				t.Errorf("%d usual entries fit after that, want 2000", got-fit)
			}
		})
	}
}

// TestManySets adds more attributes than an image takes, no two sets the same: the
// rest of their files is unfit; those that share a set, or have few, are not.
func TestManySets(t *testing.T) {
	if testing.Short() {
		t.Skip("nothing goes on beside it")
	}
	b := NewBuilder(Params{PartSize: 10 << 20})
	if err := b.Add("/", File{Mode: 0o40755}); err != nil {
		t.Fatal(err)
	}
	const size = 3900
	add := func(prefix string, i, size int) {
		value := make([]byte, size)
		copy(value, fmt.Sprint(prefix, i))
		f := File{Mode: 0o100644, Xattrs: []Xattr{{"user.a", value}}}
		if err := b.Add(fmt.Sprintf("/%s%07d", prefix, i), f); err != nil {
			t.Fatal(err)
		}
	}
	const fit = maxSets / (size + 8)
	for i := range fit + 2000 {
		add("a", i, size)
	}
	got := int(b.names.len()) - 1
	if got < fit-3 || got > fit+3 || b.xattrs.sets.bytes > maxSets || int(b.xattrs.block.len()) != got {
		t.Errorf("%d files with %d bytes in %d blocks, want %d", got, b.xattrs.sets.bytes, b.xattrs.block.len(), fit)
	}
	if last := b.report.Changes[len(b.report.Changes)-1]; last.Kind != Unfit || !strings.Contains(last.Detail, "256 MiB") {
		t.Errorf("%s: %s", last.Kind, last.Detail)
	}
	b.xattrs.sets.bytes = maxSets // the last byte is taken
	before := b.names.len()
	for i := range 1000 {
		add("b", i, 100)
	}
	same := File{Mode: 0o100644, Xattrs: []Xattr{{"user.a", append([]byte("a0"), make([]byte, size-2)...)}}}
	if err := b.Add("/d", same); err != nil {
		t.Fatal(err)
	}
	if got := b.names.len() - before; got != 1001 {
		t.Errorf("%d of 1000 with few attributes, and one whose set is known, are in the image", got)
	}
}

// TestRenamedLinks renames all names of files with many: few are tried of each
// file, however many it has.
func TestRenamedLinks(t *testing.T) {
	const files, links = 4, 5000
	b := NewBuilder(Params{PartSize: 10 << 20})
	if err := b.Add("/", File{Mode: 0o40755}); err != nil {
		t.Fatal(err)
	}
	for f := range files {
		for l := range links {
			file := File{Mode: 0o100644, Size: 5, Ino: uint64(f + 1), Nlink: links}
			path := fmt.Sprintf("/%d-%05d", f, l)
			add := b.Link
			if l == 0 {
				add = b.Add
			}
			if err := add(path, file); err != nil {
				t.Fatal(err)
			}
		}
	}
	opened := 0
	m := newImage(&Plan{tree: b.tree, open: func(string, *unix.Stat_t) (int, error) {
		opened++
		return -1, unix.ENOENT
	}})
	for n := lostFoundNode + 1; n <= lostFoundNode+files; n++ {
		if _, _, err := m.openNode(int32(n)); !errors.Is(err, unix.ENOENT) {
			t.Errorf("node %d: %v", n, err)
		}
	}
	if opened > files*101 || opened < 2*files {
		t.Errorf("%d names tried of %d files, want at most 101 of each", opened, files)
	}
}

// TestSortByHash sorts many names: those that tell the names of equal hashes apart are
// made for these only, or the time would grow faster than the names do.
func TestSortByHash(t *testing.T) {
	const count = 20_000
	b := NewBuilder(Params{})
	order := make([]int32, count)
	for i := range order {
		ref, _ := b.text.add(fmt.Sprintf("some-file-name-%d", i))
		order[i] = b.names.add(name{ref: ref})
	}
	var seed [4]uint32
	if n := testing.AllocsPerRun(1, func() { b.sortByHash(order, seed) }); n > 1.1*count {
		t.Errorf("%g allocations for %d names", n, count)
	}
	hash := func(i int) uint32 { return nameHash(b.text.get(b.names.at(order[i]).ref), seed) }
	for i := range count - 1 {
		if hash(i) > hash(i+1) {
			t.Fatalf("name %d is not in the order of hashes", i)
		}
	}
}
