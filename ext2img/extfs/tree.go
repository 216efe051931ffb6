package extfs

import (
	"fmt"
	"strings"
	"syscall"
)

// Tree is a file system with others mounted in it, as their machine sees them.
type Tree struct {
	root   *FS
	mounts map[mountPoint]Node
}

// Node is an inode, and the file system that it is of.
type Node struct {
	*Inode
	FS *FS
}

// mountPoint is where something is mounted: a directory.
type mountPoint struct {
	fs  *FS
	ino uint32
}

// NewTree returns a tree of one file system.
func NewTree(root *FS) *Tree { return &Tree{root: root, mounts: make(map[mountPoint]Node)} }

// Mount mounts a file system on the directory at path.
func (t *Tree) Mount(path string, fs *FS) error {
	at, err := t.Lookup(path)
	if err != nil {
		return err
	}
	if !at.IsDir() {
		return fmt.Errorf("%s: %w", path, syscall.ENOTDIR)
	}
	root, err := fs.Root()
	if err != nil {
		return err
	}
	t.mounts[mountPoint{at.FS, at.Ino}] = Node{root, fs}
	return nil
}

// Child returns what an entry of a directory leads to: the root of what is mounted there,
// if something is.
func (t *Tree) Child(dir Node, e DirEntry) (Node, error) {
	n, err := dir.FS.Inode(e.Ino)
	return t.top(Node{n, dir.FS}), err
}

// top returns the root of what is mounted on n, or n.
func (t *Tree) top(n Node) Node {
	if n.Inode == nil {
		return n
	}
	for range len(t.mounts) {
		m, ok := t.mounts[mountPoint{n.FS, n.Ino}]
		if !ok {
			break
		}
		n = m
	}
	return n
}

// Lookup finds a path from the root. Symlinks on the way are followed inside
// the tree, the last component is not. Errors match fs.ErrNotExist,
// syscall.ENOTDIR and syscall.ELOOP.
func (t *Tree) Lookup(path string) (Node, error) { return t.lookup(path, keepLast) }

// Resolve does what Lookup does, and follows a symlink in the last component too.
func (t *Tree) Resolve(path string) (Node, error) { return t.lookup(path, followLast) }

type last int

const (
	keepLast last = iota
	followLast
)

func (t *Tree) lookup(path string, what last) (Node, error) {
	ino, err := t.root.Root()
	if err != nil {
		return Node{}, err
	}
	root := t.top(Node{ino, t.root})
	// The directories above; ".." takes one off, and stays at the root.
	stack := []Node{root}
	n := root
	links := 0
	budgets := make(map[*FS]*uint64)
	rest := path
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if name == "" || name == "." {
			continue
		}
		if !n.IsDir() {
			return Node{}, fmt.Errorf("%s: %w", path, syscall.ENOTDIR)
		}
		if name == ".." {
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
			}
			n = stack[len(stack)-1]
			continue
		}
		if budgets[n.FS] == nil {
			budget := 2*n.FS.sb.blocksCount + 1024
			budgets[n.FS] = &budget
		}
		found, err := n.FS.find(n.Inode, name, budgets[n.FS])
		if err != nil {
			return Node{}, fmt.Errorf("%s: %w", path, err)
		}
		child := t.top(Node{found, n.FS})
		if child.IsSymlink() && (strings.Trim(rest, "/") != "" || what == followLast) {
			target, err := child.FS.Readlink(child.Inode)
			if err != nil {
				return Node{}, fmt.Errorf("%s: %w", path, err)
			}
			links++
			if links > maxLinks || len(target)+len(rest) > maxPath {
				return Node{}, fmt.Errorf("%s: %w", path, syscall.ELOOP)
			}
			if strings.HasPrefix(target, "/") {
				stack = stack[:1]
				n = root
			}
			rest = target + "/" + rest
			continue
		}
		if child.IsDir() {
			stack = append(stack, child)
		}
		n = child
	}
	if strings.HasSuffix(path, "/") && !n.IsDir() && !n.IsSymlink() {
		return Node{}, fmt.Errorf("%s: %w", path, syscall.ENOTDIR)
	}
	return n, nil
}
