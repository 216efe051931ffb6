package chunk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Schema is the version of the manifest that this package writes and reads.
const Schema = 1

// Manifest says what is in a bundle and how it came to be. Describe fills Schema,
// Prefix, Image.Size, PartSize and Parts; the caller the rest. Counts are of things, sizes
// are bytes.
type Manifest struct {
	Schema   int        `json:"schema"`
	Tool     string     `json:"tool"`    // name and version of the program
	Prefix   string     `json:"prefix"`  // of every name of the bundle
	Created  time.Time  `json:"created"` // when the run began, or the time it was told
	Source   Path       `json:"source"`  // SOURCE, absolute
	SourceFS *SourceFS  `json:"source_fs,omitempty"`
	Host     string     `json:"host,omitempty"`
	Machine  string     `json:"machine,omitempty"` // keyed digest of the machine's identity, hexadecimal
	Synced   *time.Time `json:"synced,omitempty"`  // when the file systems of Source had been synced, before they were walked, by the clock that stamps files
	Base     *Base      `json:"base,omitempty"`    // the older bundle that this one keeps to
	Image    Image      `json:"image"`
	Disk     *Disk      `json:"disk,omitempty"` // what the parts are if not a file system alone
	PartSize int64      `json:"part_size"`      // Size
	Parts    []Part     `json:"parts"`          // in order
	Counts   Counts     `json:"counts"`

	Mounts     []Mount   `json:"mounts"`          // every mount below SOURCE and what became of it
	Edits      []Edit    `json:"edits,omitempty"` // files that are not as SOURCE has them, so that the image starts
	Filtered   []Left    `json:"filtered"`        // left out as secrets or identity
	Keys       []Left    `json:"keys,omitempty"`  // in the image, and look like keys
	Excluded   []Left    `json:"excluded"`        // left out by an exclude or a default
	Unreadable []Problem `json:"unreadable"`      // not in the image because it could not be read
	Changes    []Change  `json:"changes"`         // moved under the read
	Warnings   []Warning `json:"warnings"`
	Omitted    *Omitted  `json:"omitted,omitempty"` // what the lists above have no room for
}

// Omitted counts the entries that the lists of a manifest do not have: each has 10,000 at most.
type Omitted struct {
	Filtered   int `json:"filtered,omitempty"`
	Keys       int `json:"keys,omitempty"`
	Edits      int `json:"edits,omitempty"`
	Excluded   int `json:"excluded,omitempty"`
	Unreadable int `json:"unreadable,omitempty"`
	Changes    int `json:"changes,omitempty"`
	Warnings   int `json:"warnings,omitempty"`
	Lost       int `json:"lost,omitempty"` // of Unreadable and Changes, what the image lacks
}

// Base is the older bundle of the same source that a bundle keeps to.
type Base struct {
	Bundle  Path      `json:"bundle"`  // its manifest
	Created time.Time `json:"created"` // that of its manifest
	Since   time.Time `json:"since"`   // when the oldest bundle was created that parts may stem from, by way of its own base
	Kept    int       `json:"kept"`    // parts that are its
}

// Image describes the file system in the parts.
type Image struct {
	Size       int64  `json:"size"`       // bytes, all parts together: a multiple of Size
	FSSize     int64  `json:"fs_size"`    // bytes of the file system, at most Size; the rest is zero
	BlockSize  int64  `json:"block_size"` // bytes
	Blocks     int64  `json:"blocks"`
	FreeBlocks int64  `json:"free_blocks"`
	Inodes     int64  `json:"inodes"`
	FreeInodes int64  `json:"free_inodes"`
	Type       string `json:"type"` // "ext4"
	Label      string `json:"label"`
	UUID       string `json:"uuid"` // 8-4-4-4-12 hexadecimal digits, lower case
}

// Disk is a disk with a partition table, on which the file system is one partition.
type Disk struct {
	Table      string      `json:"table"` // "gpt" or "dos"
	ID         string      `json:"id"`    // GUID of the disk, or the signature of a dos table: 0x and eight hexadecimal digits
	Partitions []Partition `json:"partitions"`
}

// Partition is one partition of a disk.
type Partition struct {
	Number int         `json:"number"`
	Start  int64       `json:"start"` // bytes
	Size   int64       `json:"size"`  // bytes
	Type   string      `json:"type"`  // GUID, or two hexadecimal digits in a dos table
	UUID   string      `json:"uuid,omitempty"`
	Name   string      `json:"name,omitempty"`
	Root   bool        `json:"root,omitempty"`  // it holds Image
	Mount  Path        `json:"mount,omitempty"` // where SOURCE has it mounted, as an absolute path from SOURCE; not of root
	FS     *FileSystem `json:"fs,omitempty"`    // what it holds, if that is known; not of root
}

// FileSystem describes what a partition other than root's holds. Sizes and counts are of
// one that was made alone.
type FileSystem struct {
	Type       string    `json:"type"` // "ext4", "vfat"
	Label      Path      `json:"label,omitempty"`
	UUID       string    `json:"uuid,omitempty"` // as blkid writes it
	Made       bool      `json:"made,omitempty"` // it is an ext4 made from SOURCE's files; else a copy of what the partition held
	Size       int64     `json:"size,omitempty"` // bytes
	Blocks     int64     `json:"blocks,omitempty"`
	FreeBlocks int64     `json:"free_blocks,omitempty"`
	Inodes     int64     `json:"inodes,omitempty"`
	FreeInodes int64     `json:"free_inodes,omitempty"`
	Source     *SourceFS `json:"source,omitempty"` // what SOURCE has there, if it was made
}

// SourceFS describes the file system that SOURCE lies on.
type SourceFS struct {
	Type    string `json:"type"`              // as the kernel calls it
	UUID    string `json:"uuid,omitempty"`    // as Image.UUID; "" if SOURCE is not its root, or that is unknown
	Label   Path   `json:"label,omitempty"`   // likewise
	Options Path   `json:"options,omitempty"` // of the mount and of the file system, as the kernel writes them
}

// Part is one part.
type Part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // Size
	SHA256 string `json:"sha256"` // 64 hexadecimal digits, lower case
}

// Counts is how many entries of each kind the image has.
type Counts struct {
	Entries     int64 `json:"entries"`
	Files       int64 `json:"files"`
	Directories int64 `json:"directories"`
	Symlinks    int64 `json:"symlinks"`
	HardLinks   int64 `json:"hard_links"` // names beyond the first of an inode
	Devices     int64 `json:"devices"`
	FIFOs       int64 `json:"fifos"`
	Sockets     int64 `json:"sockets"`
	FileBytes   int64 `json:"file_bytes"` // sizes of all files
	DataBytes   int64 `json:"data_bytes"` // of them read from SOURCE: not holes
}

// Mount is one mount below SOURCE.
type Mount struct {
	Path   Path   `json:"path"`
	FSType string `json:"fstype"`
	Source Path   `json:"source"`
	Root   Path   `json:"root"`
	Action string `json:"action"`
	Reason string `json:"reason"`
}

// Edit is what one edit did to a file.
type Edit struct {
	Path Path   `json:"path"`
	Name string `json:"name"` // of the edit
	What string `json:"what"`
}

// Left is one path that was left out.
type Left struct {
	Path Path   `json:"path"`
	Rule string `json:"rule"`
}

// Problem is one path that could not be read.
type Problem struct {
	Path  Path    `json:"path"`
	Cause string  `json:"cause"`
	UID   *uint32 `json:"uid,omitempty"` // its owner, if that is known
}

// Change is one path that moved under the read.
type Change struct {
	Path   Path    `json:"path"`
	Kind   string  `json:"kind"`
	Detail string  `json:"detail"`
	UID    *uint32 `json:"uid,omitempty"` // its owner, of what the image lacks
}

// Warning is anything else to know.
type Warning struct {
	Path Path   `json:"path"`
	Text string `json:"text"`
}

// encode writes m as it will be read. Empty lists are [], never null.
func (m *Manifest) encode() ([]byte, error) {
	c := *m
	c.Created = c.Created.UTC()
	if c.Synced != nil {
		synced := c.Synced.UTC()
		c.Synced = &synced
	}
	if c.Base != nil {
		base := *c.Base
		base.Created, base.Since = base.Created.UTC(), base.Since.UTC()
		c.Base = &base
	}
	c.Parts = append([]Part{}, m.Parts...)
	c.Mounts = append([]Mount{}, m.Mounts...)
	c.Filtered = append([]Left{}, m.Filtered...)
	c.Excluded = append([]Left{}, m.Excluded...)
	c.Unreadable = append([]Problem{}, m.Unreadable...)
	c.Changes = append([]Change{}, m.Changes...)
	c.Warnings = append([]Warning{}, m.Warnings...)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(&c); err != nil {
		return nil, err
	}
	if b.Len() > maxManifest {
		return nil, fmt.Errorf("would be %d bytes long, over the limit of %d", b.Len(), maxManifest)
	}
	objects := 6 + len(c.Parts) + len(c.Edits) + len(c.Mounts) + len(c.Filtered) + len(c.Keys) + len(c.Excluded) + len(c.Unreadable) + len(c.Changes) + len(c.Warnings)
	if c.Disk != nil {
		objects += 1 + 3*len(c.Disk.Partitions)
	}
	if objects > maxObjects {
		return nil, fmt.Errorf("would have %d entries, over the limit of %d", objects, maxObjects)
	}
	return b.Bytes(), nil
}

// Describe fills in what of m follows from the digests of the parts, all of them
// in order: Schema, Prefix, Image.Size, PartSize, Parts.
func (m *Manifest) Describe(prefix string, digests []string) error {
	n := len(digests)
	m.Schema, m.Prefix, m.PartSize = Schema, prefix, Size
	m.Image.Size = int64(n) * Size
	m.Parts = make([]Part, n)
	for i, sum := range digests {
		m.Parts[i] = Part{Name: PartName(prefix, i, n), Size: Size, SHA256: sum}
	}
	if err := m.check(); err != nil {
		return fmt.Errorf("manifest of %s: %w", prefix, err)
	}
	return nil
}

// Texts returns the content of the manifest file and of the file of digests.
func (m *Manifest) Texts() (manifest, sums []byte, err error) {
	if manifest, err = m.encode(); err != nil {
		return nil, nil, fmt.Errorf("manifest of %s: %w", m.Prefix, err)
	}
	return manifest, sumsText(m.Parts), nil
}

// sumsText returns the file that sha256sum -c reads. CheckPrefix lets no name
// pass that would need its escapes.
func sumsText(parts []Part) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		fmt.Fprintf(&b, "%s  %s\n", p.SHA256, p.Name)
	}
	return b.Bytes()
}
