package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
)

// FileSystem is what a superblock says of its file system, or of what else fills a
// partition.
type FileSystem struct {
	// Type as fstab and blkid name it: ext2, ext3, ext4, xfs, btrfs, f2fs, vfat,
	// swap; jbd for a journal of an ext elsewhere; crypto_LUKS, LVM2_member and
	// linux_raid_member for what holds others.
	Type string
	// UUID as fstab and blkid write it: 1b4e28ba-2fa1-11d2-883f-0016d3cca427, of a
	// vfat 1B4E-28BA; "" if it has none.
	UUID  string
	Label string
	// FAT is the width in bits of a vfat's entries: 12, 16 or 32; 0 for all others.
	FAT int
	// Elsewhere is a clause that says what of it lies on other devices, "its journal
	// lies on another device"; "" for nothing.
	Elsewhere string
}

// ErrNone says that there is no file system of a kind that this package knows.
var ErrNone = errors.New("no file system of a kind that is known")

// headSize is how many bytes from the start of a device hold each superblock that
// does not lie at its end: that of btrfs begins at 64 KiB.
const headSize = btrfsOffset + btrfsSize

// A probe finds one kind of file system in the first headSize bytes of a device;
// what lies past its end is zeros.
type probe func(head []byte) (FileSystem, bool)

var probes = []probe{ext, xfs, btrfs, f2fs, swap, luks, lvm, raidHead}

// Identify returns what fills a device of size bytes, by its superblocks. The error
// is ErrNone if there is nothing that it knows. Members of a RAID have their
// superblock at the end, if it is an old one, and one of a file system at the start:
// they are members of a RAID. Several of other kinds are an *AmbiguousError.
func Identify(r io.ReaderAt, size int64) (FileSystem, error) {
	if fs, ok, err := raidTail(r, size); ok || err != nil {
		return fs, err
	}
	head, err := readUpTo(r, size, 0, headSize)
	if err != nil {
		return FileSystem{}, err
	}
	var found []FileSystem
	for _, p := range probes {
		if fs, ok := p(head); ok {
			found = append(found, fs)
		}
	}
	if fs, ok, err := vfat(r, size, head); err != nil {
		return FileSystem{}, err
	} else if ok {
		found = append(found, fs)
	}
	switch len(found) {
	case 0:
		return FileSystem{}, ErrNone
	case 1:
		return found[0], nil
	}
	var types []string
	for _, fs := range found {
		types = append(types, fs.Type)
	}
	return FileSystem{}, &AmbiguousError{types}
}

// AmbiguousError says that a device has superblocks of several kinds.
type AmbiguousError struct {
	Types []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("it has superblocks of %s: wipefs tells what is left of an older one, and removes it", strings.Join(e.Types, " and "))
}

// readUpTo returns n bytes at an offset, zeros past the end of a device of size bytes.
func readUpTo(r io.ReaderAt, size, off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	if off < 0 || off >= size {
		return b, nil
	}
	if _, err := r.ReadAt(b[:min(int64(n), size-off)], off); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read %d bytes at %d: %w", n, off, err)
	}
	return b, nil
}

// Short names of the two orders of bytes.
var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// uuidText returns 16 bytes as text, "" if all are zero.
func uuidText(b []byte) string {
	id := uuid.UUID(b[:16])
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

// cString returns the bytes before the first NUL.
func cString(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// powerOfTwo says whether n is one, from low to high.
func powerOfTwo(n, low, high uint32) bool {
	return n >= low && n <= high && n&(n-1) == 0
}
