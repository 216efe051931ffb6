package walker

// Time is a point in time as seconds and nanoseconds since 1970-01-01 UTC; Nsec counts forward, also before 1970.
type Time struct {
	Sec  int64
	Nsec uint32
}

// maxDirPath bounds the paths of directories whose names are visited, in bytes. Linux takes paths of 4096 bytes (PATH_MAX) at a time; what
// lies deeper can be reached step by step, but each look at a file costs as much as its directory is deep: in the kernel (Landlock asks all
// directories above a file, ".." whether it is still below the mount's root), and wherever a path is copied.
const maxDirPath = 8000

// Range is Len bytes of a file beginning at byte Off.
type Range struct {
	Off, Len int64
}

// Xattr is one extended attribute as the system calls give it: the name with its namespace ("user.mime"), the value raw.
type Xattr struct {
	Name  string
	Value []byte
}

// Inode flags that an [Entry] can carry, with the names and values of ioctl_iflags(2).
const (
	FlagImmutable uint32 = 0x10 // FS_IMMUTABLE_FL
	FlagAppend    uint32 = 0x20 // FS_APPEND_FL
	FlagNodump    uint32 = 0x40 // FS_NODUMP_FL
)

// Entry is one file, directory or other object of the tree. It and its slices are valid only during the callback; its
// strings may be kept.
type Entry struct {
	Path         string // below SOURCE: "/" is SOURCE itself, then "/etc/passwd"; bytes, not necessarily UTF-8
	Mode         uint32 // st_mode: type (S_IFMT) and permission bits
	UID, GID     uint32
	Size         int64 // bytes; 0 for anything but regular files and symbolic links
	Nlink        uint32
	Dev, Ino     uint64 // identity on the running system; 0 for a node that the walk made up
	Major, Minor uint32 // of device nodes

	Atime, Mtime, Ctime Time
	Btime               Time // zero if the file system does not record it

	Flags  uint32  // FS_*_FL: FlagImmutable, FlagAppend, FlagNodump, of directories and empty files all; of other files, Flags tells
	Target string  // of symbolic links
	Data   []Range // regular files with holes: ascending ranges of data; nil: all of [0, Size) is data; empty, not nil: all hole
	Mark   uint64  // of a regular file that may be appended to while the tree is read: see [Mark]; 0: none
	Steady bool    // of a regular file: its change time moves with each change of its content, and Ino is its own as long as it is there
	Xattrs []Xattr // ascending by name
	Link   string  // hard links: the path of an earlier entry with the same Dev and Ino; "" for the first of them
	Under  bool    // it is the directory that a mount of Options.Own lies on; the next entry, with the same path, is the mount's own
}
