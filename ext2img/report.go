package ext2img

import (
	"cmp"
	"path"
	"slices"
)

// Kind says what happened to a file between the walk and its reading.
type Kind int

// The kinds of change. Vanished, Replaced, Shrunk, Grown and Rewritten are the
// life of a running system; Unstable, Unreadable and Unfit lose something that
// belongs in the image.
const (
	Vanished   Kind = iota // gone: absent from the image
	Replaced               // the name leads to another file now: that one is in the image, or nothing if it is no regular file
	Shrunk                 // in the image with the size that was read
	Grown                  // appended to: in the image with the size it had at the walk
	Rewritten              // in the image with newer content
	Unstable               // changed under every read: the image may mix states
	Unreadable             // could not be read: absent from the image
	Unfit                  // ext4 or one of the limits here cannot hold it: absent from the image, with all below it

	kinds = iota // the number of kinds
)

var kindNames = [kinds]string{"vanished", "replaced", "shrunk", "grown", "rewritten", "unstable", "unreadable", "unfit"}

func (k Kind) String() string { return kindNames[k] }

// Lost says whether the image lacks something that belongs in it.
func (k Kind) Lost() bool { return k == Unstable || k == Unreadable || k == Unfit }

// Change is one entry that is not in the image as the walk saw it.
type Change struct {
	Path   string
	UID    uint32 // its owner
	Kind   Kind
	Detail string // the error, or the sizes, for people
}

// Warning is something that the image could not carry as it was.
type Warning struct {
	Path string
	Text string
}

// Report says what of the source is not in the image as the walk saw it, sorted
// by path. It names at most 10,000 changes of a kind, and as many warnings; paths
// of more than 4,096 bytes have dots in the middle.
type Report struct {
	Changes      []Change
	More         map[Kind]int // changes that are not among Changes
	Warnings     []Warning
	MoreWarnings int // warnings that are not among Warnings

	FilesRead int64 // files of which content was read; with a base, not all
	BytesRead int64 // of them, those that were read again counted again
}

// Lost counts the changes that lose something that belongs in the image.
func (r *Report) Lost() (n int) {
	for _, c := range r.Changes {
		if c.Kind.Lost() {
			n++
		}
	}
	for k, more := range r.More {
		if k.Lost() {
			n += more
		}
	}
	return n
}

// Join adds the report of another image, whose root directory is at a path of this one.
func (r *Report) Join(other Report, at string) {
	below := func(p string) string {
		if p == "" {
			return ""
		}
		return path.Join(at, p)
	}
	if at == "" || at == "/" {
		below = func(p string) string { return p }
	}
	for _, c := range other.Changes {
		c.Path = below(c.Path)
		r.Changes = append(r.Changes, c)
	}
	for _, w := range other.Warnings {
		w.Path = below(w.Path)
		r.Warnings = append(r.Warnings, w)
	}
	for k, more := range other.More {
		if r.More == nil {
			r.More = make(map[Kind]int)
		}
		r.More[k] += more
	}
	r.MoreWarnings += other.MoreWarnings
	r.FilesRead += other.FilesRead
	r.BytesRead += other.BytesRead
	r.sort()
}

func (r *Report) sort() {
	slices.SortStableFunc(r.Changes, func(a, b Change) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortStableFunc(r.Warnings, func(a, b Warning) int { return cmp.Compare(a.Path, b.Path) })
}

// Stats are the figures of an image, exact from Layout on; FreeBlocks and
// FreeInodes are again exact after Seal, when vanished files have freed theirs.
type Stats struct {
	FSSize     int64 // bytes of the file system; Size rounds it up to whole parts
	Blocks     int64 // s_blocks_count, of BlockSize bytes
	FreeBlocks int64 // s_free_blocks_count
	Inodes     int64 // s_inodes_count
	FreeInodes int64 // s_free_inodes_count
	DataBytes  int64 // bytes that will be read from the source; after Make, those of them that are in the image
	Entries    int64 // names, the root included
}
