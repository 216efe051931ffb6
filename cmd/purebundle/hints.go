package main

import (
	"errors"
	"fmt"
	"syscall"

	"purebundle/chunk"
	"purebundle/ext2img"
)

// hintFor gives the advice that goes with an error, or "". What the command
// attached goes first, then what the libraries' typed errors know, then what
// the cause alone suggests.
func hintFor(err error) string {
	var hinted *hintedError
	if errors.As(err, &hinted) {
		return hinted.hint
	}
	var small *ext2img.TooSmallError
	if errors.As(err, &small) {
		return fmt.Sprintf("--size %d is the least that works; --size auto picks one with room", small.Need)
	}
	var space *chunk.SpaceError
	if errors.As(err, &space) {
		return fmt.Sprintf("free %s there, or give a DEST on another file system; --dry-run shows what takes the room",
			formatSize(space.Need-space.Have))
	}
	var chunkError *chunk.Error
	if errors.As(err, &chunkError) && chunkError.Hint != "" {
		return chunkError.Hint
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return "free some room there, or give a DEST on another file system"
	case errors.Is(err, syscall.EDQUOT):
		return "the quota of this user is used up there; give another DEST"
	case errors.Is(err, syscall.EROFS):
		return "that file system is read-only; give another DEST"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "run it as root (sudo)"
	}
	return ""
}
