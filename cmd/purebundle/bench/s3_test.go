package main

import (
	"os"
	"path/filepath"
	"testing"

	"purebundle/chunk/s3/s3test"
)

// TestServeAndPut sends a bundle of two parts to the server of the bench.
func TestServeAndPut(t *testing.T) {
	s3test.Program(t) // skips if versitygw is not built
	t.Setenv("PUREBUNDLE_BENCH_CHILD", "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{config: config{self: self, dir: t.TempDir()}, ctx: t.Context(), log: os.Stderr}
	s, err := b.serve()
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if !stopped {
			s.stop()
		}
		stopped = true
	}
	t.Cleanup(stop)

	dir := t.TempDir()
	for name, size := range map[string]int{"image.part.000": partSize, "image.part.001": partSize, "image.sha256": 10, "image.manifest.json": 10} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	size := int64(0)
	if s.holds(&size) == nil {
		t.Error("an empty bucket passes for a bundle")
	}
	for range 2 {
		if _, _, err := measure(t.Context(), s.run(self, "put", s.Bucket, dir)); err != nil {
			t.Fatal(err)
		}
		if err := s.holds(&size); err != nil || size != 2*partSize {
			t.Errorf("%d bytes, %v", size, err)
		}
	}
	if err := os.Remove(filepath.Join(s.bucketDir(), "dir", "image.part.001")); err != nil {
		t.Fatal(err)
	}
	if s.holds(&size) == nil {
		t.Error("a missing part is not noticed")
	}
	stop()
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("left: %v", err)
	}
}
