package main

import (
	"purebundle/ext2img"
	"purebundle/walker"
)

// adapt turns what the walk met into what the image holds. No time is later
// than the clock. Its slices are copies: an Entry lasts for the callback only.
func adapt(e *walker.Entry, c *clock) ext2img.File {
	when := func(t walker.Time) ext2img.Time { return c.clamp(ext2img.Time(t)) }
	f := ext2img.File{
		Mode: e.Mode, UID: e.UID, GID: e.GID,
		Size: e.Size, Nlink: e.Nlink, Dev: e.Dev, Ino: e.Ino,
		Major: e.Major, Minor: e.Minor,
		Atime: when(e.Atime), Mtime: when(e.Mtime), Ctime: when(e.Ctime), Btime: when(e.Btime),
		Flags: e.Flags, Target: e.Target,
	}
	if e.Data != nil {
		f.Data = make([]ext2img.Range, len(e.Data))
		for i, r := range e.Data {
			f.Data[i] = ext2img.Range(r)
		}
	}
	for _, x := range e.Xattrs {
		f.Xattrs = append(f.Xattrs, ext2img.Xattr(x))
	}
	return f
}
