package ext2img

import (
	"fmt"

	"purebundle/ext2img/internal/ondisk"
)

// lostFlags counts what chattr set and ext4 images do not hold.
type lostFlags struct {
	path  string // the first of them
	count int
	last  int32 // node counted last: a file may be opened for each of its parts
}

// flagsLost are the FS_*_FL of linux/fs.h that say how a file is to be kept and
// that the image has no place for: no compression (m), no copy on write (C), DAX
// (x), the project of new files (P), names in any case (F).
const flagsLost = 0x400 | 0x800000 | 0x2000000 | 0x20000000 | 0x40000000

// countLost counts a file if it has flags that the image does not hold.
func (t *tree) countLost(path string, flags uint32) {
	if flags&flagsLost == 0 {
		return
	}
	if t.lostFlags.count++; t.lostFlags.count == 1 {
		t.lostFlags.path = path
	}
}

// noteFlags takes the flags of a regular file that was opened into its node: the
// walk, which opens few, knows some of them only.
func (m *Image) noteFlags(n int32, path string, fd int) {
	if m.p.Flags == nil {
		return
	}
	flags := m.p.Flags(fd)
	if flags&(ondisk.ChattrFl|flagsLost) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nodes.at(n).flags |= flags & ondisk.ChattrFl &^ (ondisk.DirsyncFl | ondisk.TopdirFl)
	if m.lostFlags.last != n {
		m.lostFlags.last = n
		m.countLost(path, flags)
	}
}

// tellFlags warns of flags that are not in the image.
func (m *Image) tellFlags() {
	switch n := m.lostFlags.count; {
	case n == 1:
		m.warn(m.lostFlags.path, "flags of chattr dropped: the image does not hold m, C, x, P and F")
	case n > 1:
		m.warn(m.lostFlags.path, fmt.Sprintf("flags of chattr dropped here and in %d more places: the image does not hold m, C, x, P and F", n-1))
	}
}
