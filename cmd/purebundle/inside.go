package main

import (
	"fmt"

	"purebundle/chunk"
	"purebundle/ext2img/extfs"
)

// inside is the file system of a bundle, read part by part as it is needed;
// each part's digest is checked when it is first touched.
type inside struct {
	*extfs.FS
	bundle *chunk.Bundle
}

// openInside opens the bundle at path and the file system in it.
func openInside(path, prefix string) (*inside, error) {
	b, err := chunk.Load(path, prefix)
	if err != nil {
		return nil, err
	}
	fs, err := extfs.Open(b, b.Size())
	if err != nil {
		b.Close()
		return nil, withHint(fmt.Errorf("%s: %w", path, err), "purebundle verify %s says what is wrong with it", shellQuote(path))
	}
	return &inside{fs, b}, nil
}

func (i *inside) close() { _ = i.bundle.Close() } // only read from
