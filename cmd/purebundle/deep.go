package main

import (
	"context"
	"errors"
	"fmt"

	"purebundle/chunk"
	"purebundle/ext2img/extfs"
)

// maxProblemsShown is how many problems of a file system are printed.
const maxProblemsShown = 50

// verifyDeep checks every name, inode and extent of the file system in b.
func verifyDeep(ctx context.Context, a *app, path string, b *chunk.Bundle) error {
	fs, err := extfs.Open(b, b.Size())
	if err != nil {
		return fmt.Errorf("verify %s: %w", path, err)
	}
	problems := 0
	err = fs.Check(ctx, func(p extfs.Problem) {
		if problems++; problems <= maxProblemsShown {
			a.errorLine(fmt.Sprintf("verify %s: %s", path, p))
		}
	})
	if err != nil && !errors.Is(err, extfs.ErrTooManyProblems) {
		return fmt.Errorf("verify %s: %w", path, err)
	}
	if problems > 0 {
		return withHint(fmt.Errorf("verify %s: the file system is damaged: %s", path, plural(int64(problems), "problem")),
			"the parts are as they were made: make the bundle again; e2fsck on the joined image says more")
	}
	return nil
}
