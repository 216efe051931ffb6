package main

import (
	"context"
	"errors"
	"fmt"

	"purebundle/chunk"
	"purebundle/ext2img"
	"purebundle/ext2img/extfs"
)

// maxProblemsShown is how many problems of a file system are printed.
const maxProblemsShown = 50

// verifyDeep checks every name, inode and extent of the file system in b, and
// that go-diskfs, which shares no code with the check, reads the same names and
// inodes.
func verifyDeep(ctx context.Context, a *app, path string, b *chunk.Bundle) error {
	fs, err := extfs.Open(b, b.Size())
	if err != nil {
		return fmt.Errorf("verify %s: %w", path, err)
	}
	problems := 0
	say := func(problem string) {
		if problems++; problems <= maxProblemsShown {
			a.errorLine(fmt.Sprintf("verify %s: %s", path, problem))
		}
	}
	err = fs.Check(ctx, func(p extfs.Problem) { say(p.String()) })
	var second ext2img.SecondReading
	if err == nil && problems == 0 {
		second, err = ext2img.ReadAgain(ctx, fs, b, b.Size(), func(path, text string) { say(path + ": " + text) })
	}
	if err != nil && !errors.Is(err, extfs.ErrTooManyProblems) {
		return fmt.Errorf("verify %s: %w", path, err)
	}
	if second.Left > 0 && !a.quiet {
		a.errorLine(fmt.Sprintf("verify %s: note: go-diskfs has not read %s: it knows paths in UTF-8 and names of up to 247 bytes, and reads all directories on the way", path, plural(second.Left, "directory")))
	}
	if problems > 0 {
		return withHint(fmt.Errorf("verify %s: the file system is damaged: %s", path, plural(int64(problems), "problem")),
			"the parts are as they were made: make the bundle again; e2fsck on the joined image says more")
	}
	return nil
}
