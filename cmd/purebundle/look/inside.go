package look

import (
	"context"
	"fmt"
	"io"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img/extfs"
)

// inside reads the file system of a bundle, part by part as it is needed; each part's digest is checked when it is first touched.
type inside struct {
	*extfs.FS
	bundle *chunk.Bundle
}

// openInside opens the bundle at path and the file system in it.
func openInside(ctx context.Context, a *cli.App, path, prefix string, c *cli.S3) (*inside, error) {
	a.Confine(c.Reading(ctx, path))
	b, err := openBundle(ctx, a, path, prefix, c)
	if err != nil {
		return nil, err
	}
	fs, err := openRoot(b)
	if err != nil {
		b.Close()
		err = fmt.Errorf("%s: %w", path, err)
		if ctx.Err() != nil || cli.HintFor(err) != "" {
			return nil, err
		}
		return nil, cli.WithHint(err, "purebundle verify %s says what is wrong with it", words.Quote(path))
	}
	return &inside{fs, b}, nil
}

// openRoot opens the file system in b: all of it, or the root partition of a disk.
func openRoot(b *chunk.Bundle) (*extfs.FS, error) {
	root := rootOf(b)
	return extfs.Open(root, root.Size())
}

// rootOf returns the part of b's image that is the root file system.
func rootOf(b *chunk.Bundle) *io.SectionReader {
	if disk := b.Manifest().Disk; disk != nil {
		for _, p := range disk.Partitions {
			if p.Root {
				return io.NewSectionReader(b, p.Start, p.Size)
			}
		}
	}
	return io.NewSectionReader(b, 0, b.Size())
}

func (i *inside) close() { _ = i.bundle.Close() } // only read from
