package main

import (
	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/walker"
)

// tally adds one entry to the counts of the manifest.
func tally(c *chunk.Counts, e *walker.Entry) {
	c.Entries++
	if e.Link != "" {
		c.HardLinks++
		return
	}
	switch e.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		c.Files++
		c.FileBytes += e.Size
	case unix.S_IFDIR:
		c.Directories++
	case unix.S_IFLNK:
		c.Symlinks++
	case unix.S_IFCHR, unix.S_IFBLK:
		c.Devices++
	case unix.S_IFIFO:
		c.FIFOs++
	case unix.S_IFSOCK:
		c.Sockets++
	}
}
