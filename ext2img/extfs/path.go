package extfs

import (
	"fmt"
	"io/fs"
	"syscall"
)

const (
	maxLinks = 40      // symlinks of one path, as in the kernel
	maxPath  = 1 << 20 // bytes of a path, with the targets put in
)

// Lookup finds a path from the root. Symlinks on the way are followed inside
// the image, the last component is not. Errors match fs.ErrNotExist,
// syscall.ENOTDIR and syscall.ELOOP.
func (f *FS) Lookup(path string) (*Inode, error) {
	n, err := NewTree(f).Lookup(path)
	return n.Inode, err
}

// Resolve does what Lookup does, and follows a symlink in the last component too.
func (f *FS) Resolve(path string) (*Inode, error) {
	n, err := NewTree(f).Resolve(path)
	return n.Inode, err
}

// find looks for one name by reading the directory from its start. It takes
// the blocks that it reads from budget, so that a path through large
// directories again and again comes to an end.
func (f *FS) find(dir *Inode, name string, budget *uint64) (*Inode, error) {
	for b, err := range f.dirBlocks(dir, nil) {
		if err == nil {
			err = f.verifyDirBlock(dir, b)
		}
		if err != nil {
			return nil, err
		}
		if *budget == 0 {
			return nil, fmt.Errorf("too many directory blocks on the way: %w", syscall.ELOOP)
		}
		*budget--
		for e, err := range f.entries(b.data) {
			if err != nil {
				return nil, fmt.Errorf("directory %d: block %d: %w", dir.Ino, b.block, err)
			}
			if e.ino != 0 && string(e.name) == name {
				return f.Inode(e.ino)
			}
		}
	}
	return nil, fs.ErrNotExist
}

// Readlink gives the target of a symlink.
func (f *FS) Readlink(n *Inode) (string, error) {
	switch {
	case !n.IsSymlink():
		return "", fmt.Errorf("inode %d is not a symlink", n.Ino)
	case n.fast && n.Size < int64(len(n.iblock)):
		return string(n.iblock[:n.Size]), nil
	case n.fast || n.Size >= int64(f.sb.blockSize):
		return "", fmt.Errorf("inode %d: symlink of %d bytes", n.Ino, n.Size)
	}
	if err := n.readable(); err != nil {
		return "", err
	}
	block, err := f.targetBlock(n)
	if err != nil {
		return "", err
	}
	return string(block[:n.Size]), nil
}

// targetBlock reads the block of a symlink whose target is not in the inode.
func (f *FS) targetBlock(n *Inode) ([]byte, error) {
	m := mapper{f: f, n: n}
	s, err := m.at(0)
	if err != nil {
		return nil, err
	}
	if !s.data() {
		return nil, fmt.Errorf("inode %d: symlink without a block", n.Ino)
	}
	block := make([]byte, f.sb.blockSize)
	if err := f.readBlocks(block, s.phys); err != nil {
		return nil, fmt.Errorf("inode %d: %w", n.Ino, err)
	}
	return block, nil
}
