package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"purebundle/chunk/ebs/ebstest"
)

// TestBlocks puts a bundle of two parts, of which one block has something in it, into the
// server of the bench.
func TestBlocks(t *testing.T) {
	t.Setenv("PUREBUNDLE_BENCH_CHILD", "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{config: config{self: self, dir: t.TempDir()}, ctx: t.Context(), log: os.Stderr}
	s, err := b.serveEBS()
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	dir, part := t.TempDir(), make([]byte, partSize)
	for i := range ebstest.BlockSize {
		part[3*ebstest.BlockSize+i] = byte(rand.Uint32())
	}
	for name, content := range map[string][]byte{"image.part.000": make([]byte, partSize), "image.part.001": part} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var state ebsState
	if s.holds(&state) == nil {
		t.Error("nothing passes for a snapshot")
	}
	for range 2 {
		if _, _, err := measure(t.Context(), s.run(self, "blocks", dir)); err != nil {
			t.Fatal(err)
		}
		if err := s.holds(&state); err != nil || state.Blocks != 1 || state.Puts != 1 {
			t.Errorf("%+v, %v", state, err)
		}
	}
}
