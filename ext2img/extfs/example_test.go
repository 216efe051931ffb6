package extfs_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"purebundle/ext2img/extfs"
)

// An image is checked, and a directory of it listed.
func Example() {
	file, err := os.Open("testdata/csum.img.gz")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		log.Fatal(err)
	}
	image, err := io.ReadAll(unpacked)
	if err != nil {
		log.Fatal(err)
	}

	fs, err := extfs.Open(strings.NewReader(string(image)), int64(len(image)))
	if err != nil {
		log.Fatal(err)
	}
	if err := fs.Check(context.Background(), func(p extfs.Problem) { fmt.Println(p) }); err != nil {
		log.Fatal(err)
	}
	dir, err := fs.Resolve("/dir")
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range fs.ReadDir(dir) {
		if err != nil {
			log.Fatal(err)
		}
		n, err := fs.Inode(e.Ino)
		if err != nil {
			log.Fatal(err)
		}
		target, err := fs.Readlink(n)
		fmt.Println(e.Name, target, err)
	}
	// Output:
	// loop /dir <nil>
}
