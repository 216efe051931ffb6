package ext2img

// Kind says what happened to a file between the walk and its reading.
type Kind int

// The kinds of change. Vanished, Replaced, Shrunk, Grown and Rewritten are the
// life of a running system; Unstable and Unreadable lose something that
// belongs in the image.
const (
	Vanished   Kind = iota // gone: absent from the image
	Replaced               // the name leads to another file now: that one is in the image, or none where it is no regular file
	Shrunk                 // in the image with the size that was read
	Grown                  // in the image with the size it had at the walk
	Rewritten              // same size, newer content
	Unstable               // changed under every read: the image may mix states
	Unreadable             // could not be read: absent from the image
)

var kindNames = [...]string{"vanished", "replaced", "shrunk", "grown", "rewritten", "unstable", "unreadable"}

func (k Kind) String() string { return kindNames[k] }

// Lost says whether the image lacks something that belongs in it.
func (k Kind) Lost() bool { return k == Unstable || k == Unreadable }

// Change is one file that was not as the walk saw it.
type Change struct {
	Path   string
	Kind   Kind
	Detail string // the error, or the sizes, for people
}

// Warning is something that the image could not carry as it was.
type Warning struct {
	Path string
	Text string
}

// Report is what Seal found, sorted by path.
type Report struct {
	Changes  []Change
	Warnings []Warning
}

// Stats are the figures of an image, exact from Layout on; FreeBlocks and
// FreeInodes are again exact after Seal, when vanished files have freed theirs.
type Stats struct {
	FSSize     int64 // bytes of the file system; Size rounds it up to whole parts
	Blocks     int64 // s_blocks_count, of BlockSize bytes
	FreeBlocks int64 // s_free_blocks_count
	Inodes     int64 // s_inodes_count
	FreeInodes int64 // s_free_inodes_count
	DataBytes  int64 // bytes that will be read from the source
	Entries    int64 // names, the root included
}
