package ext2img

import "fmt"

// BlockSize is the block size of every image, in bytes.
const BlockSize = 4096

// Params says what file system Layout makes.
type Params struct {
	Size        int64    // bytes; 0: the content plus Free and FreePercent
	Free        int64    // bytes left free at least beyond root's reserve, when Size is 0
	FreePercent int      // percent of the content, in blocks and in inodes, left free, when Size is 0
	Grow        bool     // if Size does not hold the content, what follows from Free and FreePercent is taken instead
	Label       string   // s_volume_name, at most 16 bytes
	UUID        [16]byte // s_uuid
	Now         Time     // when the file system is made, 1970 to 2106: s_mkfs_time and the times of what the source does not have
	Latest      *Time    // times of files after it are written as it, and access times as the modification times, so that an unchanged tree gives the same image; nil: no limit
	PartSize    int64    // bytes of a part of the output, a multiple of BlockSize
	Tail        int64    // bytes at the end of the image that the file system leaves alone, counted in Size
	Base        *Base    // an older image of the same source, which the layout keeps to; nil: there is none

	// BareTables is set if what stores the image need not store the unused ends of inode
	// tables (see Plan.InUse): the kernel makes them zero then, since INODE_ZEROED is not
	// claimed of them.
	BareTables bool

	// Xattrs returns the attributes of a regular file that is open and not as the walk saw it; nil: those of the walk are kept.
	Xattrs func(path string, fd int) ([]Xattr, error)
	// Unseen returns what Xattrs cannot see, for the report on a file that took the place of the walk's; "" or nil: it sees all.
	Unseen func() string
	// Flags returns the FS_*_FL of a regular file that is open; nil: those of the walk are all.
	Flags func(fd int) uint32
	// Mark returns File.Mark of the first size bytes of an open file; nil: nothing is known to have been appended to.
	Mark func(fd int, size int64) (uint64, error)
}

// MaxSize is the largest file system that Layout makes, in bytes: block numbers
// of 32 bits.
const MaxSize = 16 << 40

// TooSmallError says that Params.Size does not hold the content.
type TooSmallError struct {
	Need int64 // the least size that works, in bytes
	Have int64 // Params.Size, in bytes
}

func (e *TooSmallError) Error() string {
	return fmt.Sprintf("size %d bytes does not hold the content: at least %d bytes are needed", e.Have, e.Need)
}
