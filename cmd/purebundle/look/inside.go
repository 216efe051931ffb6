package look

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"syscall"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img/extfs"
)

// inside reads the file systems of a bundle, as one tree, part by part as they are needed; each part's digest is checked when it is first
// touched.
type inside struct {
	*extfs.Tree
	close func() error
}

// openInside opens the bundle at path and the file systems in it.
func openInside(ctx context.Context, a *cli.App, path, prefix string, c *cli.S3) (*inside, error) {
	a.Confine(c.Reading(ctx, path))
	if ebs.IsPlace(path) {
		return openInsideSnapshot(ctx, a, path, c)
	}
	b, err := OpenBundle(ctx, a, path, prefix, c)
	if err != nil {
		return nil, err
	}
	tree, err := openTree(b)
	if err != nil {
		b.Close()
		err = fmt.Errorf("%s: %w", path, err)
		if ctx.Err() != nil || cli.HintFor(err) != "" {
			return nil, err
		}
		return nil, cli.WithHint(err, "purebundle verify %s says what is wrong with it", words.Quote(path))
	}
	return &inside{tree, b.Close}, nil
}

// lacks returns the error of a path in an image with what shows the paths that there are.
func lacks(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return cli.WithHint(err, "paths are those of the image: \"purebundle ls BUNDLE /\" shows what is there")
	}
	return err
}

// openTree opens the file systems in b: one that is all of it, or those of a disk.
func openTree(b *chunk.Bundle) (*extfs.Tree, error) {
	var tree *extfs.Tree
	for _, p := range madeIn(b) {
		fs, err := extfs.Open(p, p.Size())
		if err == nil && tree == nil {
			tree = extfs.NewTree(fs)
		} else if err == nil {
			err = tree.Mount(p.at, fs)
		}
		if err != nil {
			return nil, err
		}
	}
	return tree, nil
}

// ext4 is a piece of an image that is a file system, and where that is mounted.
type ext4 struct {
	*io.SectionReader
	at string // "/": it is root's
}

// madeIn returns the file systems of b, root's first, and before another one that is
// mounted in it.
func madeIn(b *chunk.Bundle) (list []ext4) {
	disk := b.Manifest().Disk
	if disk == nil {
		return []ext4{{io.NewSectionReader(b, 0, b.Size()), "/"}}
	}
	for _, p := range disk.Partitions {
		if at := string(p.Mount); p.Root || p.FS != nil && p.FS.Made && at != "" {
			list = append(list, ext4{io.NewSectionReader(b, p.Start, p.Size), cmp.Or(at, "/")})
		}
	}
	slices.SortStableFunc(list, func(a, b ext4) int { return cmp.Compare(a.at, b.at) })
	return list
}
