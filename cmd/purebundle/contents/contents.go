// Package contents finds out what is on a disk that no manifest describes: its
// partition table, the ext4 that is the root of a tree, those that are mounted in it, and
// for which machines the tree is.
//
// It reads, a little here and there, and decides by what it reads alone. It does not
// check; that is for packages survey and extfs.
package contents

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/uuid"

	"purebundle/ext2img/extfs"
	"purebundle/walker/survey"
)

// sectorSize is that of the disks that are read, in bytes.
const sectorSize = 512

// Reader reads a disk.
type Reader = io.ReaderAt

// Contents is what a disk holds.
type Contents struct {
	Table   *survey.Disk // nil: the disk is one file system
	Systems []System     // the first is root's; before another one that is mounted in it
	pieces  []piece
}

// piece is a partition, or all of a disk without any.
type piece struct {
	start, size int64        // bytes
	usage       *extfs.Usage // nil: all of it counts as in use
}

// System is an ext4.
type System struct {
	*io.SectionReader
	At string // where it is mounted, "/" for root
	FS *extfs.FS
}

// Of reads a disk of size bytes.
func Of(r io.ReaderAt, size int64) (*Contents, error) {
	table, err := survey.Read(r, size, sectorSize)
	if errors.Is(err, survey.ErrNoTable) {
		whole := io.NewSectionReader(r, 0, size)
		fs, err := extfs.Open(whole, size)
		if err != nil {
			return nil, fmt.Errorf("neither a partition table nor an ext4: %w", err)
		}
		return &Contents{Systems: []System{{whole, "/", fs}}, pieces: []piece{{0, size, fs.Usage()}}}, nil
	}
	if err != nil {
		return nil, err
	}
	c := &Contents{Table: table}
	var found []partition
	for _, p := range table.Partitions {
		if p.Extended {
			continue
		}
		part, kept := io.NewSectionReader(r, p.Start, p.Size), piece{p.Start, p.Size, nil}
		if fs, err := extfs.Open(part, p.Size); err == nil {
			found = append(found, partition{p, System{part, "", fs}})
			kept.usage = fs.Usage()
		}
		c.pieces = append(c.pieces, kept)
	}
	root := slices.IndexFunc(found, func(p partition) bool { return isRoot(p.FS) })
	switch {
	case len(found) == 0:
		return nil, errors.New("no partition is an ext4")
	case root < 0 && len(found) > 1:
		return nil, fmt.Errorf("of %d partitions that are ext4 none is the root of a system", len(found))
	case root < 0:
		root = 0 // for data
	}
	found[root].At = "/"
	c.Systems = append(c.Systems, found[root].System)
	for i, p := range found {
		if at := mountPoint(found[root].FS, p); i != root && at != "" {
			p.At = at
			c.Systems = append(c.Systems, p.System)
		}
	}
	slices.SortStableFunc(c.Systems, func(a, b System) int { return cmp.Compare(a.At, b.At) })
	return c, nil
}

// partition is one that is an ext4.
type partition struct {
	survey.Partition
	System
}

// isRoot says whether a file system is the root of a system: it has /etc, and programs.
func isRoot(fs *extfs.FS) bool {
	for _, list := range [][]string{{"/etc"}, {"/usr/bin", "/bin", "/usr/sbin"}} {
		if !slices.ContainsFunc(list, func(name string) bool { n, err := fs.Resolve(name); return err == nil && n.IsDir() }) {
			return false
		}
	}
	return true
}

// mountPoint returns where root's /etc/fstab mounts a partition, "" if it does not.
func mountPoint(root *extfs.FS, p partition) string {
	info := p.FS.Info()
	names := []string{"UUID=" + uuid.UUID(info.UUID).String(), "PARTUUID=" + p.Partition.UUID}
	if info.Label != "" {
		names = append(names, "LABEL="+info.Label)
	}
	for line := range strings.Lines(string(read(root, "/etc/fstab", maxText))) {
		f := strings.Fields(line)
		if len(f) < 2 || strings.HasPrefix(f[0], "#") || f[1] == "/" || !strings.HasPrefix(f[1], "/") {
			continue
		}
		if spec := strings.ReplaceAll(f[0], `"`, ""); slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, spec) }) {
			return f[1]
		}
	}
	return ""
}

// maxText is how much of a file of settings is read, in bytes.
const maxText = 1 << 20

// read returns the first bytes of a file, nothing if it cannot be read.
func read(fs *extfs.FS, path string, limit int64) []byte {
	n, err := fs.Resolve(path)
	if err != nil || !n.IsRegular() {
		return nil
	}
	file, err := fs.File(n)
	if err != nil {
		return nil
	}
	text := make([]byte, min(file.Size(), limit))
	k, err := file.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return text[:k]
}

// Tree returns the file systems as one tree.
func (c *Contents) Tree() (*extfs.Tree, error) {
	tree := extfs.NewTree(c.Systems[0].FS)
	for _, s := range c.Systems[1:] {
		if err := tree.Mount(s.At, s.FS); err != nil {
			return nil, err
		}
	}
	return tree, nil
}

// InUse says whether any of n bytes of the disk from off on belong to a file or to
// metadata, as far as that can be read: else they count.
func (c *Contents) InUse(off, n int64) bool {
	for _, p := range c.pieces {
		from, to := max(off, p.start), min(off+n, p.start+p.size)
		if from >= to {
			continue
		}
		if p.usage == nil {
			return true
		}
		if used, err := p.usage.InUse(from-p.start, to-from); used || err != nil {
			return true
		}
	}
	return false
}
