package ext2img_test

import (
	"fmt"
	"testing"

	"purebundle/ext2img"
)

// BenchmarkLayoutOfNothing is what free space costs: mkfs and group descriptors
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
