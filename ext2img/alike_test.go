package ext2img

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// places returns the blocks of a file of the last image.
func (s *shelf) places(name string) (list []uint32) {
	for _, sp := range s.plan.spans[s.plan.data:] {
		if s.plan.path(s.plan.nodes.at(sp.owner).name) == "/"+name {
			for i := range sp.count {
				list = append(list, sp.phys+i)
			}
		}
	}
	return list
}

// TestSamePlace has a file that is replaced by one of its length, or written to, keep its
// place, since much of it may be the same.
func TestSamePlace(t *testing.T) {
	s := &shelf{files: make(map[string]*File)}
	for i := range 60 {
		s.put(fmt.Sprintf("f%03d", i), 40)
		s.files[fmt.Sprintf("f%03d", i)].Btime = Time{Sec: s.moves}
	}
	s.layOut(t)
	replaced, grown := s.places("f010"), s.places("f020")
	if len(replaced) != 40 || len(grown) != 40 {
		t.Fatalf("files of 40 blocks have %d and %d", len(replaced), len(grown))
	}
	for gen := range int64(6) {
		s.put("f010", 40)
		s.put("f011", 60+gen) // whose place is free for others
		s.put(fmt.Sprintf("f%03d", 30+gen), 20+gen)
		log := s.files["f020"]
		s.moves++
		if log.Ctime.Sec = s.moves; gen < 4 {
			log.Size += leastPiece * BlockSize
		} else { // it is cut
			log.Size -= 2 * leastPiece * BlockSize
		}
		s.layOut(t)
		if got := s.places("f010"); !slices.Equal(got, replaced) {
			t.Errorf("generation %d: a file of the same length lies in %d, was in %d", gen, got, replaced)
		}
		now := s.places("f020")
		if least := min(len(now), len(grown)); int64(len(now)) != log.Size/BlockSize || !slices.Equal(now[:least], grown[:least]) {
			t.Errorf("generation %d: a file of %d bytes that was written to lies in %d, was in %d", gen, log.Size, now, grown)
		}
		grown = now
	}
}

// TestNoRoomOnBase has more than the base has room for: all of it has a place in a layout of its own.
func TestNoRoomOnBase(t *testing.T) {
	s := &shelf{files: make(map[string]*File)}
	for i := range 30 {
		s.put(fmt.Sprintf("f%03d", i), 40)
	}
	s.layOut(t)
	b := NewBuilder(Params{PartSize: shelfPart, UUID: [16]byte{1}, FreePercent: 100,
		Base: &Base{Image: s, Size: s.plan.Size(), Synced: Time{Sec: s.moves + 60}}})
	s.put("more", s.plan.Size()/BlockSize)
	err := b.Add("/", File{Mode: 0o40755, Nlink: 2})
	want := int64(0)
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		want += s.files[name].Size / BlockSize
		if err == nil {
			err = b.Add("/"+name, *s.files[name])
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	plan, err := b.Layout(nil)
	if err != nil {
		t.Fatal(err)
	}
	got := int64(0)
	for _, sp := range plan.spans[plan.data:] {
		got += int64(sp.count)
	}
	if plan.Fresh() != "it has too little room" || got != want {
		t.Errorf("the base is not used as %q; %d blocks of data have a place, %d are wanted", plan.Fresh(), got, want)
	}
}
