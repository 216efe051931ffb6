package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Identity is the name of a file system: its volume label and its UUID.
type Identity struct {
	Label string
	UUID  [16]byte
}

// ErrNone says that there is no file system of a kind that this package knows.
var ErrNone = errors.New("no file system of a kind that is known")

// Fields of the superblock (Documentation/filesystems/ext4/super.rst), offsets in
// bytes from its start.
const (
	superOffset = 1024   // of the superblock, from the start of the device
	superSize   = 1024   // bytes
	superMagic  = 0xEF53 // s_magic

	magicOffset = 0x38 // s_magic, __le16
	uuidOffset  = 0x68 // s_uuid, 16 bytes
	labelOffset = 0x78 // s_volume_name, 16 bytes, padded with NUL
	labelSize   = 16
)

// Read returns the identity of the file system that begins at the start of r.
func Read(r io.ReaderAt) (Identity, error) {
	super := make([]byte, superSize)
	if _, err := r.ReadAt(super, superOffset); err != nil && err != io.EOF {
		return Identity{}, fmt.Errorf("read superblock: %w", err)
	}
	if binary.LittleEndian.Uint16(super[magicOffset:]) != superMagic {
		return Identity{}, ErrNone
	}
	label, _, _ := bytes.Cut(super[labelOffset:labelOffset+labelSize], []byte{0})
	return Identity{Label: string(label), UUID: [16]byte(super[uuidOffset:])}, nil
}
