package ebs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/ebs"
	"purebundle/chunk/ebs/ebstest"
)

// generation is a disk and which of its blocks are in use; those that are not are zero.
type generation struct {
	disk []byte
	used []bool
}

func (g *generation) block(i int) []byte { return g.disk[i*ebs.BlockSize:][:ebs.BlockSize] }

// next returns a generation in which some blocks are other ones, zero, free, or in use again.
func (g *generation) next(rng *rand.Rand) *generation {
	n := &generation{bytes.Clone(g.disk), slices.Clone(g.used)}
	for i := range n.used {
		switch b := n.block(i); rng.IntN(12) {
		case 0:
			n.used[i] = true
			for k := range 64 {
				b[rng.IntN(len(b))] = byte(k)
			}
		case 1:
			n.used[i] = true
			clear(b)
		case 2:
			n.used[i] = false
			clear(b)
		}
	}
	return n
}

// written is a snapshot of a generation.
type written struct {
	*ebs.Writer
	id     string
	bundle *chunk.Bundle
	sn     *ebs.Snapshot
}

var manifest = chunk.Manifest{Tool: "purebundle test", Created: time.Unix(1700000000, 0).UTC(), Image: chunk.Image{Type: "ext4"}}

// make writes a generation, with an older one as the parent, nil for none, of which those
// parts are kept that are the same.
func (g *generation) make(t *testing.T, c *ebs.Client, m ebs.Making, parent *written, old *generation) (*written, error) {
	t.Helper()
	m.Prefix = "image"
	m.InUse = func(off, _ int64) bool { return g.used[off/ebs.BlockSize] }
	if parent != nil {
		m.Parent = func() *ebs.Snapshot { return parent.sn }
	}
	w := &written{Writer: c.Create(m)}
	var same, other, zero []int
	for i := range len(g.disk) / chunk.Size {
		part := g.disk[i*chunk.Size:][:chunk.Size]
		switch {
		case bytes.Count(part, []byte{0}) == len(part):
			zero = append(zero, i)
		case old != nil && bytes.Equal(part, old.disk[i*chunk.Size:][:chunk.Size]):
			same = append(same, i)
		default:
			other = append(other, i)
		}
	}
	err := w.Preflight(len(g.disk)/chunk.Size, 0)
	if err == nil && len(same) > 0 {
		var lost []int
		lost, err = w.Keep(t.Context(), same, nil)
		other = append(other, lost...)
	}
	if err == nil {
		err = errors.Join(w.Write(t.Context(), bytes.NewReader(g.disk), other, nil), w.WriteZero(t.Context(), zero, nil))
	}
	if err == nil {
		copied := manifest
		err = w.Commit(t.Context(), &copied)
	}
	if err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	w.id = w.ID()
	if w.sn, err = c.Open(t.Context(), w.id); err == nil {
		w.bundle, err = w.sn.Bundle(t.Context())
	}
	return w, err
}

// Generations of a disk, each made of the one before it, are what they should be: whatever
// is in use, also in an encrypted volume; blocks are put only if they are other ones than the
// parent's; and each is a bundle that can be verified and read.
func TestGenerations(t *testing.T) {
	generations := 5
	if testing.Short() { // the race detector makes ten times of it
		generations = 2
	}
	for seed, encrypt := range []bool{false, true} {
		t.Run(fmt.Sprintf("encrypted %v", encrypt), func(t *testing.T) {
			s := ebstest.Start(t)
			s.Encrypt = encrypt
			c := connect(t, s, ebs.Options{})
			rng := rand.New(rand.NewPCG(uint64(seed), 1))
			g := &generation{make([]byte, 3*chunk.Size), make([]bool, 3*chunk.Size/ebs.BlockSize)}
			for range 4 {
				g = g.next(rng)
			}
			w, err := g.make(t, c, ebs.Making{}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			kept := 0
			for n := range generations {
				next := g.next(rng)
				copy(next.disk[2*chunk.Size:3*chunk.Size], g.disk[2*chunk.Size:]) // a part that stays
				copy(next.used[40:60], g.used[40:])
				child, err := next.make(t, c, ebs.Making{Alone: func(why string) { t.Error(why) }}, w, g)
				if err != nil {
					t.Fatal(err)
				}
				if have := same(t, s, child.id, next.disk, func(i int) bool { return !next.used[i] && encrypt }); have < 20 {
					t.Errorf("generation %d: %d blocks compared", n, have)
				}
				changed := 1 // the tail
				for i := range next.used {
					if !bytes.Equal(next.block(i), g.block(i)) || next.used[i] && !present(w.sn, i) {
						changed++
					}
				}
				kept += child.Stats().Taken
				if child.Blocks() != changed {
					t.Errorf("generation %d: %d blocks put, %d are other ones", n, child.Blocks(), changed)
				}
				if err := child.bundle.Verify(t.Context(), 0, nil); err != nil {
					t.Errorf("generation %d: %v", n, err)
				}
				have := make([]byte, len(next.disk))
				if _, err := child.bundle.ReadAt(have, 0); err != nil || !bytes.Equal(have, next.disk) {
					t.Errorf("generation %d is read as another: %v", n, err)
				}
				if err := c.Remove(t.Context(), w.id); err != nil { // the child has what it needs
					t.Fatal(err)
				}
				w, g = child, next
			}
			if kept < generations {
				t.Errorf("%d parts kept", kept)
			}
		})
	}
}

// present says whether a block is in a snapshot.
func present(sn *ebs.Snapshot, i int) bool { return slices.Contains(sn.Blocks(), int32(i)) }

// What EBS or the encryption forbids is made without the parent, and why is said once.
func TestParentRefused(t *testing.T) {
	const other = "arn:aws:kms:eu-west-1:123456789012:key/other"
	for _, tt := range []struct {
		name                  string
		encrypt, later, alike bool // the account encrypts: when the parent is made, and when the child is
		m                     ebs.Making
		why                   string // "": the parent is taken
	}{
		{"all plain", false, false, false, ebs.Making{}, ""},
		{"encrypted", true, true, false, ebs.Making{}, ""},
		{"encrypted, and so it was asked", true, true, false, ebs.Making{Encrypt: true}, ""},
		{"encrypted no more by default", true, false, false, ebs.Making{}, ""},
		{"the same key", true, true, false, ebs.Making{KMSKey: ebstest.DefaultKey}, ""},
		{"another key", true, true, false, ebs.Making{KMSKey: other}, "another key"},
		{"to be encrypted", false, false, false, ebs.Making{Encrypt: true}, "is not encrypted"},
		{"encrypted by default since", false, true, false, ebs.Making{}, "encrypts by default"},
		{"another size", false, false, true, ebs.Making{}, "its image has"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := ebstest.Start(t)
			s.Encrypt = tt.encrypt
			c := connect(t, s, ebs.Options{})
			g := &generation{disk(20, 2, func(i int) bool { return i%4 != 0 }), slices.Repeat([]bool{true}, 40)}
			w, err := g.make(t, c, ebs.Making{}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			s.Encrypt = tt.later
			if tt.alike {
				g = &generation{g.disk[:chunk.Size], g.used[:20]}
			}
			var said []string
			tt.m.Alone = func(why string) { said = append(said, why) }
			child, err := g.make(t, c, tt.m, w, g)
			if err != nil {
				t.Fatal(err)
			}
			all := len(g.used) + 1
			switch want := tt.why; {
			case want == "" && (len(said) != 0 || child.Blocks() != 1 || child.Stats().Taken != 2):
				t.Errorf("said %q, %d blocks put, %+v", said, child.Blocks(), child.Stats())
			case want != "" && (len(said) != 1 || !strings.Contains(said[0], want) || child.Blocks() != all):
				t.Errorf("said %q instead of %q, %d blocks put of %d", said, want, child.Blocks(), all)
			}
			list := s.Snapshots()
			if len(list) != 2 || list[1].All != all || list[1].Encrypted != (tt.encrypt && tt.why == "" || tt.later || tt.m.Encrypt || tt.m.KMSKey != "") {
				t.Errorf("%+v", list)
			}
			same(t, s, child.id, g.disk, nil)
		})
	}
}

// A snapshot that is not as its manifest says is no bundle, or damaged; a copy and a
// snapshot of somebody else's have none.
func TestBundleDamaged(t *testing.T) {
	s := ebstest.Start(t)
	c := connect(t, s, ebs.Options{Options: awsapi.Options{Attempts: 2, Patience: time.Millisecond}})
	g := &generation{disk(21, 2, func(i int) bool { return i%2 != 0 }), slices.Repeat([]bool{true}, 40)}
	w, err := g.make(t, c, ebs.Making{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	open := func(id string) (*chunk.Bundle, error) {
		sn, err := c.Open(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		return sn.Bundle(t.Context())
	}
	other, _, err := write(t, t.Context(), c, g.disk, ebs.Making{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(other); !errors.Is(err, chunk.ErrNoBundle) {
		t.Errorf("without a manifest: %v", err)
	}
	if _, err := open(s.Copy(t, w.id)); !errors.Is(err, chunk.ErrNoBundle) {
		t.Errorf("a copy: %v", err)
	}
	s.Put(t, w.id, 5, bytes.Repeat([]byte{7}, ebs.BlockSize)) // with a digest of its own
	b, err := open(w.id)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Verify(t.Context(), 0, nil); !errors.Is(err, chunk.ErrDamaged) || !strings.Contains(err.Error(), w.id+" block 5: SHA-256 is") {
		t.Errorf("another block: %v", err)
	}
	last := int32(1<<30/ebs.BlockSize) - 1
	s.Put(t, w.id, last-1, make([]byte, ebs.BlockSize))
	if _, err := open(w.id); err != nil {
		t.Errorf("a block behind the image: %v", err)
	}
	s.Change(t, w.id, last)
	if _, err := open(w.id); !errors.Is(err, chunk.ErrDamaged) {
		t.Errorf("a tail that cannot be read: %v", err)
	}
}
