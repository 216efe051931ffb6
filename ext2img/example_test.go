package ext2img_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/ext2img/extfs"
)

// A tree of one file becomes an image in a file.
func Example() {
	image, err := os.CreateTemp("", "image")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(image.Name())
	defer image.Close()

	const partSize = 10 << 20
	b := ext2img.NewBuilder(ext2img.Params{Label: "example", PartSize: partSize})
	if err := b.Add("/", ext2img.File{Mode: unix.S_IFDIR | 0o755}); err != nil {
		log.Fatal(err)
	}
	if err := b.Add("/link", ext2img.File{Mode: unix.S_IFLNK | 0o777, Target: "elsewhere"}); err != nil {
		log.Fatal(err)
	}
	plan, err := b.Layout(func(path string, st *unix.Stat_t) (int, error) {
		return -1, unix.ENOENT // no regular files: nothing to open
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := image.Truncate(plan.Size()); err != nil {
		log.Fatal(err)
	}
	report, err := plan.Make(context.Background(), ext2img.Output{
		Parts: func(_ context.Context, batch ext2img.Batch) error {
			for _, part := range batch.Parts {
				off := int64(part) * partSize
				if _, err := io.Copy(io.NewOffsetWriter(image, off), io.NewSectionReader(batch.Image, off, partSize)); err != nil {
					return err
				}
			}
			return nil
		},
		Zeros: func(context.Context, []int) error { return nil }, // zeros already
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(plan.Size()/partSize, "part,", len(report.Changes), "changes")

	fs, err := extfs.Open(image, plan.Size())
	if err != nil {
		log.Fatal(err)
	}
	link, err := fs.Lookup("/link")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(fs.Readlink(link))
	// Output:
	// 1 part, 0 changes
	// elsewhere <nil>
}
