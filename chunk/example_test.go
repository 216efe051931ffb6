package chunk_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"purebundle/chunk"
)

// An image of two parts becomes a bundle in a directory, and is read back.
func Example() {
	path, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(path)
	ctx := context.Background()
	image := make([]byte, 2*chunk.Size)
	copy(image, "data")

	w, err := chunk.Create(path, chunk.Options{Prefix: "web"})
	if err != nil {
		panic(err)
	}
	defer w.Abort() // nothing after Commit
	if err := w.Write(ctx, bytes.NewReader(image), []int{0}, nil); err != nil {
		panic(err)
	}
	if err := w.WriteZero(ctx, []int{1}, nil); err != nil {
		panic(err)
	}
	m := &chunk.Manifest{Tool: "example", Created: time.Unix(1700000000, 0), Source: "/", Image: chunk.Image{Type: "ext4"}}
	if err := w.Commit(ctx, m); err != nil {
		panic(err)
	}

	b, err := chunk.Load(path, "")
	if err != nil {
		panic(err)
	}
	defer b.Close()
	head := make([]byte, 4)
	if _, err := b.ReadAt(head, 0); err != nil {
		panic(err)
	}
	fmt.Println(b.Manifest().Parts[1].Name, b.Size(), string(head))
	// Output: web.part.001 20971520 data
}
