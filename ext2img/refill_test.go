package ext2img

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// shelf is a tree of files that have sizes and ages and no content, and the last image of
// it, of which only the metadata is there.
type shelf struct {
	files map[string]*File
	moves int64 // of which each has a second of its own
	plan  *Plan
	parts map[int64][]byte
	has   []string // what each block holds of a file
	freed int64    // units from which something went, in all
}

const shelfPart = 4 * unitBlocks * BlockSize // bytes of a part of an image of a shelf

// put gives a file so many blocks, as if another had taken its name.
func (s *shelf) put(name string, blocks int64) {
	s.moves++
	s.files[name] = &File{Mode: 0o100644, Nlink: 1, Size: blocks * BlockSize, Ino: uint64(s.moves), Steady: true, Ctime: Time{Sec: s.moves}}
}

// ReadAt implements io.ReaderAt: file data is zero.
func (s *shelf) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < s.plan.Size() {
		part := s.parts[off/shelfPart]
		if part == nil {
			part = make([]byte, shelfPart)
		}
		k := copy(p[n:], part[off%shelfPart:])
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// layOut makes the next image on the base of the last one.
func (s *shelf) layOut(t *testing.T) {
	t.Helper()
	p := Params{PartSize: shelfPart, UUID: [16]byte{1}, FreePercent: 100}
	if s.plan != nil {
		last := *s
		p.Base = &Base{Image: &last, Size: last.plan.Size(), Synced: Time{Sec: s.moves + 60}}
		s.moves += 120
	}
	b := NewBuilder(p)
	err := b.Add("/", File{Mode: 0o40755, Nlink: 2})
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		if err == nil {
			err = b.Add("/"+name, *s.files[name])
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.plan, err = b.Layout(nil); err != nil || s.plan.Fresh() != "" {
		t.Fatal(err, s.plan.Fresh())
	}
	s.has = make([]string, s.plan.g.blocks)
	for _, sp := range s.plan.spans[s.plan.data:] {
		nd := s.plan.nodes.at(sp.owner)
		for i := range sp.count {
			if at := &s.has[sp.phys+i]; *at == "" {
				*at = fmt.Sprint(s.plan.path(nd.name), nd.id, sp.logical+i)
			} else {
				t.Errorf("block %d is of two files", sp.phys+i)
			}
		}
	}
	s.parts = make(map[int64][]byte)
	meta := s.plan.Parts().Meta
	if _, err := s.plan.Make(t.Context(), Output{
		Parts: func(_ context.Context, b Batch) error {
			for _, i := range b.Parts {
				if _, ok := slices.BinarySearch(meta, i); ok {
					s.parts[int64(i)] = make([]byte, shelfPart)
					if _, err := b.Image.ReadAt(s.parts[int64(i)], int64(i)*shelfPart); err != nil && err != io.EOF {
						return err
					}
				}
			}
			return nil
		},
		Zeros: func(context.Context, []int) error { return nil },
		Keep:  func(context.Context, []int) ([]int, error) { return nil, nil },
	}); err != nil {
		t.Fatal(err)
	}
}

// TestRefill replaces files, a few at a time: of the units of 512 KiB with data, those differ
// from which something went, and no more others than what does not fit in these needs; and
// files are in few pieces.
func TestRefill(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 16))
			blocks := func() int64 { // most files are small
				return 1 + r.Int64N([]int64{3, 30, 300}[r.IntN(3)])
			}
			s := &shelf{files: make(map[string]*File)}
			for i := range 400 {
				s.put(fmt.Sprintf("f%03d", i), blocks())
			}
			s.layOut(t)
			for gen := range 5 {
				before := slices.Clone(s.has)
				first := r.IntN(300)
				for i := range 1 + r.IntN(60) {
					s.put(fmt.Sprintf("f%03d", first+i), blocks())
				}
				s.layOut(t)
				s.compare(t, gen, before)
			}
		})
	}
}

// TestLargeFile puts a file of 64 MiB into an image in which every other file of 80 KiB goes: it
// is not cut into hundreds of pieces, unless there is no other room, and smaller ones fill the gaps.
func TestLargeFile(t *testing.T) {
	const count, size, large = 1600, 20, 16 << 10
	for _, c := range []struct {
		name        string
		large       int64 // blocks
		least, most int   // pieces
	}{
		{"room elsewhere", large, 1, 8},
		{"no room elsewhere", large + 28_000, 100, count},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &shelf{files: make(map[string]*File)}
			for i := range count {
				s.put(fmt.Sprintf("f%04d", i), size)
			}
			s.layOut(t)
			for i := 0; i < count; i += 2 {
				delete(s.files, fmt.Sprintf("f%04d", i))
			}
			s.put("large", c.large)
			s.put("small", 200)
			s.layOut(t)
			pieces := make(map[string]int)
			for _, sp := range s.plan.spans[s.plan.data:] {
				pieces[s.plan.path(s.plan.nodes.at(sp.owner).name)]++
			}
			if n := pieces["/large"]; n < c.least || n > c.most {
				t.Errorf("the large file is in %d pieces, want %d to %d", n, c.least, c.most)
			}
			if n := pieces["/small"]; n != 200/size {
				t.Errorf("the small file is in %d pieces, want them to fill gaps", n)
			}
		})
	}
}

// compare compares the last image with the one before it.
func (s *shelf) compare(t *testing.T, gen int, before []string) {
	t.Helper()
	var freed, other, room, lack int64
	for start := 0; start < len(before); start += unitBlocks {
		end := min(start+unitBlocks, len(before))
		was, is := before[start:end], s.has[start:end]
		gone, free := false, int64(0)
		for i := range was {
			gone = gone || was[i] != "" && was[i] != is[i]
			if is[i] == "" {
				free++
			}
		}
		switch {
		case gone:
			freed, room = freed+1, room+free
		case !slices.Equal(was, is):
			other++
			for i := range was {
				if was[i] != is[i] {
					lack++
				}
			}
		}
	}
	if freed == 0 {
		t.Error("nothing was freed")
	}
	if most := ceilDiv(lack, unitBlocks) + 1; other > most || other > 0 && room > leastPiece*freed {
		t.Errorf("generation %d: %d units differ from which something went, with %d blocks free, and %d others for %d blocks", gen, freed, room, other, lack)
	}
	s.freed += freed
	if cut := len(s.plan.spans) - s.plan.data - len(s.files); cut < 0 || int64(cut) > s.freed {
		t.Errorf("generation %d: files have %d pieces more than there are files, after %d units were filled", gen, cut, s.freed)
	}
}
