package main

import (
	"context"
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
func (a *app) openInside(ctx context.Context, path, prefix string, c *s3Config) (*inside, error) {
	b, err := a.openBundle(ctx, path, prefix, c)
	if err != nil {
		return nil, err
	}
	fs, err := extfs.Open(b, b.Size())
	if err != nil {
		b.Close()
		err = fmt.Errorf("%s: %w", path, err)
		if ctx.Err() != nil || hintFor(err) != "" {
			return nil, err
		}
		return nil, withHint(err, "purebundle verify %s says what is wrong with it", shellQuote(path))
	}
	return &inside{fs, b}, nil
}

func (i *inside) close() { _ = i.bundle.Close() } // only read from
