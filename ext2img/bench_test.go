package ext2img_test

import (
	"fmt"
	"testing"

	"purebundle/ext2img"
)

// BenchmarkLayoutOfNothing measures what free space costs: mkfs and group descriptors
// of an empty file system.
func BenchmarkLayoutOfNothing(b *testing.B) {
	for _, size := range []int64{1 << 30, 100 << 30, 1 << 40} {
		b.Run(fmt.Sprintf("%dGiB", size>>30), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p := params()
				p.Size = size
				bld := ext2img.NewBuilder(p)
				if err := bld.Add("/", ext2img.File{Mode: 0o40755}); err != nil {
					b.Fatal(err)
				}
				if _, err := bld.Layout(nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAdd measures what the Builder takes for entries of the shape of the bench's
// trees B and E: small files, a hundred in a directory, four levels deep.
func BenchmarkAdd(b *testing.B) {
	for _, n := range []int{200_000, 1_000_000} {
		var paths []string
		for i := range n {
			if i%100 == 0 {
				paths = append(paths, fmt.Sprintf("/tree/level-two/dir%05d", i/100))
			}
			paths = append(paths, fmt.Sprintf("/tree/level-two/dir%05d/file-%06d.dat", i/100, i))
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bld := ext2img.NewBuilder(params())
				dir, file := ext2img.File{Mode: 0o40755}, ext2img.File{Mode: 0o100644, Size: 100}
				for _, p := range []string{"/", "/tree", "/tree/level-two"} {
					if err := bld.Add(p, dir); err != nil {
						b.Fatal(err)
					}
				}
				for i, p := range paths {
					f := file
					if i%101 == 0 {
						f = dir
					}
					if err := bld.Add(p, f); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(paths)), "ns/entry")
		})
	}
}
