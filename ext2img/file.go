package ext2img

// Time is a point in time as statx(2) gives it. Images hold 1901-12-13 to
// 2446-05-10 (i_*time and i_*time_extra); times outside are clamped with a
// warning.
type Time struct {
	Sec  int64  // seconds since 1970-01-01 UTC, negative before
	Nsec uint32 // nanoseconds, 0 to 999,999,999
}

// Before says whether t is earlier than u.
func (t Time) Before(u Time) bool {
	return t.Sec < u.Sec || t.Sec == u.Sec && t.Nsec < u.Nsec
}

// Range is a run of bytes of a file.
type Range struct {
	Off, Len int64 // bytes
}

// Xattr is an extended attribute in the form of lgetxattr(2): the full name
// with its prefix, POSIX ACLs in version 2.
type Xattr struct {
	Name  string
	Value []byte
}

// File describes one inode: every field but Content is metadata. Content that is not
// here is read later through the function given to Layout.
type File struct {
	Mode         uint32 // st_mode: S_IFMT and permission bits
	UID, GID     uint32
	Size         int64  // bytes, of regular files
	Nlink        uint32 // names in the source; above 1, Link may follow
	Dev, Ino     uint64 // identity in the source
	Major, Minor uint32 // of character and block devices

	Atime, Mtime, Ctime Time
	Btime               Time // i_crtime; zero: Params.Now

	Flags  uint32  // FS_*_FL of the kernel's linux/fs.h: immutable, append, nodump
	Target string  // of symbolic links
	Data   []Range // sparse regular files: ascending data ranges; nil: all is data
	Mark   uint64  // of a regular file's content: tells what is appended to from what is rewritten; 0: not known
	Xattrs []Xattr

	// Steady: its change time moves with each change of its content, and Dev and Ino are
	// the same as long as it is there, so that Params.Base may tell that it did not change.
	Steady bool

	Content []byte // of a regular file, Size bytes: the source is not asked for it; nil: it is
}
