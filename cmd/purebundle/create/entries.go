package create

import (
	"math"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/ext2img"
	"purebundle/walker"
)

// adapt turns what the walk met into what the image holds. Its slices are
// copies: an Entry lasts for the callback only.
func adapt(e *walker.Entry) ext2img.File {
	f := ext2img.File{
		Mode: e.Mode, UID: e.UID, GID: e.GID,
		Size: e.Size, Nlink: e.Nlink, Dev: e.Dev, Ino: e.Ino,
		Major: e.Major, Minor: e.Minor,
		Atime: ext2img.Time(e.Atime), Mtime: ext2img.Time(e.Mtime), Ctime: ext2img.Time(e.Ctime), Btime: ext2img.Time(e.Btime),
		Flags: e.Flags, Target: e.Target, Mark: e.Mark, Steady: e.Steady,
	}
	if e.Data != nil {
		f.Data = make([]ext2img.Range, len(e.Data))
		for i, r := range e.Data {
			f.Data[i] = ext2img.Range(r)
		}
	}
	f.Xattrs = adaptXattrs(e.Xattrs)
	return f
}

func adaptXattrs(list []walker.Xattr) []ext2img.Xattr {
	var out []ext2img.Xattr
	for _, x := range list {
		out = append(out, ext2img.Xattr(x))
	}
	return out
}

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
		c.FileBytes += min(e.Size, math.MaxInt64-c.FileBytes) // sparse files may claim more
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
