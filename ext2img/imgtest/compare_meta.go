package imgtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func typeName(mode uint16) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "file"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFLNK:
		return "symlink"
	case unix.S_IFCHR:
		return "character device"
	case unix.S_IFBLK:
		return "block device"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	}
	return fmt.Sprintf("type %#o", mode&unix.S_IFMT)
}

// stat compares what statx gives of two entries of the same type.
func (c *comparer) stat(path string, want, got *unix.Statx_t) {
	if want.Mode != got.Mode {
		c.addf(path, "mode %#o, want %#o", got.Mode, want.Mode)
	}
	if want.Uid != got.Uid || want.Gid != got.Gid {
		c.addf(path, "owner %d:%d, want %d:%d", got.Uid, got.Gid, want.Uid, want.Gid)
	}
	if want.Mode&unix.S_IFMT != unix.S_IFDIR && want.Size != got.Size {
		c.addf(path, "size %d, want %d", got.Size, want.Size)
	}
	if !c.opt.NoMtime && want.Mtime != got.Mtime {
		c.addf(path, "mtime %d.%09d, want %d.%09d", got.Mtime.Sec, got.Mtime.Nsec, want.Mtime.Sec, want.Mtime.Nsec)
	}
	if want.Rdev_major != got.Rdev_major || want.Rdev_minor != got.Rdev_minor {
		c.addf(path, "device %d:%d, want %d:%d", got.Rdev_major, got.Rdev_minor, want.Rdev_major, want.Rdev_minor)
	}
	if want.Attributes&fileFlags != got.Attributes&fileFlags {
		c.addf(path, "flags %#x, want %#x", got.Attributes&fileFlags, want.Attributes&fileFlags)
	}
	if c.opt.Stat != nil {
		if d := c.opt.Stat(path, want, got); d != "" {
			c.addf(path, "%s", d)
		}
	}
}

// xattrs compares the extended attributes of two entries of any type.
func (c *comparer) xattrs(path string, wantDir, gotDir int, name string) {
	want, err := c.readXattrs(wantDir, name)
	if err != nil {
		c.addf(path, "xattrs of the wanted entry: %v", err)
		return
	}
	got, err := c.readXattrs(gotDir, name)
	if err != nil {
		c.addf(path, "xattrs: %v", err)
		return
	}
	for _, k := range sortedKeys(want) {
		v, ok := got[k]
		switch {
		case !c.opt.Xattr(path, k):
			delete(got, k)
			continue
		case !ok:
			c.addf(path, "xattr %q missing", k)
		case !bytes.Equal(v, want[k]):
			c.addf(path, "xattr %q is %.100q, want %.100q", k, v, want[k])
		}
		delete(got, k)
	}
	for _, k := range sortedKeys(got) {
		c.addf(path, "xattr %q not wanted, but there", k)
	}
}

func sortedKeys(m map[string][]byte) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// fdPath returns a path to name below an open directory that takes no room, for
// the calls that have no *at form.
func fdPath(dir int, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir, name)
}

func (c *comparer) readXattrs(dir int, name string) (map[string][]byte, error) {
	path := fdPath(dir, name)
	list, value := c.bufA[:64<<10], c.bufB[:64<<10] // XATTR_LIST_MAX, XATTR_SIZE_MAX
	n, err := unix.Llistxattr(path, list)
	if err != nil && err != unix.ENOTSUP {
		return nil, fmt.Errorf("llistxattr: %w", err)
	}
	if n <= 0 {
		return nil, nil
	}
	xattrs := map[string][]byte{}
	for k := range strings.SplitSeq(string(list[:n]), "\x00") {
		if k == "" {
			continue
		}
		m, err := unix.Lgetxattr(path, k, value)
		if err != nil {
			return nil, fmt.Errorf("lgetxattr %q: %w", k, err)
		}
		xattrs[k] = bytes.Clone(value[:m])
	}
	return xattrs, nil
}

// inode is an identity: device and inode number.
type inode struct {
	major, minor uint32
	ino          uint64
}

type linked struct {
	nlink uint32
	paths []string
}

// links collects the names of each inode that has more than one.
type links map[inode]*linked

func (l links) add(st *unix.Statx_t, path string) {
	if st.Nlink < 2 {
		return
	}
	id := inode{st.Dev_major, st.Dev_minor, st.Ino}
	if l[id] == nil {
		l[id] = &linked{nlink: st.Nlink}
	}
	l[id].paths = append(l[id].paths, path)
}

// topology checks that the same names are one inode on both sides (as many
// inodes as needed past maxLinks names), and that the link counts of the got
// side are the numbers of names.
func (c *comparer) topology() {
	for _, l := range c.gotLinks {
		if int(l.nlink) != len(l.paths) {
			c.addf(l.paths[0], "link count %d, but %d names: %.5q", l.nlink, len(l.paths), l.paths[:min(5, len(l.paths))])
		}
	}
	gotOf := map[string]*linked{}
	for _, l := range c.gotLinks {
		for _, p := range l.paths {
			gotOf[p] = l
		}
	}
	for _, want := range c.wantLinks {
		ids := map[*linked]int{}
		single := 0
		for _, p := range want.paths {
			if l := gotOf[p]; l != nil {
				ids[l]++
			} else {
				single++
			}
			delete(gotOf, p)
		}
		if len(want.paths) == 1 && len(ids) == 0 {
			continue // its other names are outside of the tree
		}
		if inodes := (len(want.paths) + maxLinks - 1) / maxLinks; len(ids)+single != inodes {
			c.addf(want.paths[0], "its %d names are %d inodes, want %d", len(want.paths), len(ids)+single, inodes)
		}
		for l, n := range ids {
			if n != len(l.paths) {
				c.addf(l.paths[0], "one inode with names of other files: %.5q", l.paths[:min(5, len(l.paths))])
			}
		}
	}
	for _, p := range sortedPaths(gotOf) {
		c.addf(p, "a hard link, but not in the wanted tree")
	}
}

func sortedPaths(m map[string]*linked) []string {
	paths := make([]string, 0, len(m))
	for p := range m {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}
