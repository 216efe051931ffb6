package walker

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnwritten walks files whose space was allocated and only partly written, on
// each file system that can do that: what was not written is no data.
func TestUnwritten(t *testing.T) {
	needRoot(t)
	const size = 8 << 20
	for _, mkfs := range [][]string{{"mkfs.ext4", "-q"}, {"mkfs.xfs", "-q"}, {"mkfs.btrfs", "-q"}} {
		t.Run(mkfs[0], func(t *testing.T) {
			dir := t.TempDir()
			loopMount(t, loopImage(t, 512<<20, mkfs...), dir)
			want := map[string][]Range{
				"/none": {}, "/start": {{0, 1 << 20}}, "/middle": {{2 << 20, 1 << 20}}, "/all": nil,
			}
			for path, data := range want {
				f, err := os.Create(dir + path)
				if err != nil {
					t.Fatal(err)
				}
				err = unix.Fallocate(int(f.Fd()), 0, 0, size)
				if data == nil {
					data = []Range{{0, size}}
				}
				for _, r := range data {
					_, e := f.WriteAt(slices.Repeat([]byte("data"), int(r.Len/4)), r.Off)
					err = errors.Join(err, e)
				}
				if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
					t.Fatal(err)
				}
			}
			seen := 0
			tree, err := Walk(context.Background(), dir, Options{}, func(e *Entry) error {
				if data, ok := want[e.Path]; ok {
					seen++
					if !slices.Equal(e.Data, data) || (e.Data == nil) != (data == nil) {
						t.Errorf("%s: data %v, want %v", e.Path, e.Data, data)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			tree.Close()
			if seen != len(want) {
				t.Errorf("%d files seen, want %d", seen, len(want))
			}
		})
	}
}
