package ebs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io/fs"

	"purebundle/chunk"
)

// The last blocks of a snapshot that is made here lie behind the image and hold its
// manifest, the SHA-256 of each block of the image, and a footer: what a bundle in a
// directory has in files of its own. From the end of the volume backwards:
//
//	footer    64 bytes
//	table     32 bytes for each block of the image: its SHA-256, 0 if it is not there
//	manifest  the text
//	zeros     to the start of a block
//
// The digest in the footer covers the id of the snapshot: a copy of the snapshot, or one
// of a volume made of it, on which a machine may have written since, has no manifest.
//
// The footer, by offset, numbers little-endian:
//
//	 0  8 bytes   "PUREBNDL"
//	 8  8 bytes   1, the version
//	16  8 bytes   length of the image, in bytes
//	24  8 bytes   length of the manifest, in bytes
//	32  32 bytes  SHA-256 of id, table and manifest
const (
	footerSize    = 64
	footerMagic   = "PUREBNDL"
	footerVersion = 1
)

// spare is what a volume has room for behind the image at least: a manifest with long
// lists, of so many parts.
func spare(parts int) int64 {
	return footerSize + int64(parts)*(perPart*sha256.Size+128) + 4<<20
}

// volumeGiB returns how large the volume of an image of so many parts is, in GiB.
func volumeGiB(parts int) int64 {
	return (int64(parts)*chunk.Size + spare(parts) + gib - 1) / gib
}

// tail is what the last blocks of a snapshot say.
type tail struct {
	image    int64  // bytes
	manifest []byte // the text
	table    []byte
}

// sum returns the digest in the footer.
func (t *tail) sum(id string) []byte {
	h := sha256.New()
	for _, p := range [][]byte{[]byte(id), t.table, t.manifest} {
		h.Write(p)
	}
	return h.Sum(nil)
}

// blocks returns the tail as whole blocks, the last of which is the last of the volume.
func (t *tail) blocks(id string) []byte {
	n := len(t.manifest) + len(t.table) + footerSize
	all := make([]byte, (n+BlockSize-1)/BlockSize*BlockSize)
	at := len(all) - n
	at += copy(all[at:], t.manifest)
	at += copy(all[at:], t.table)
	footer := all[at:]
	copy(footer, footerMagic)
	binary.LittleEndian.PutUint64(footer[8:], footerVersion)
	binary.LittleEndian.PutUint64(footer[16:], uint64(t.image))
	binary.LittleEndian.PutUint64(footer[24:], uint64(len(t.manifest)))
	copy(footer[32:], t.sum(id))
	return all
}

// maxManifest is the longest manifest that is read, in bytes: more than chunk writes.
const maxManifest = 65 << 20

// readTail reads the tail of a snapshot. One that has none, or that of another snapshot,
// is fs.ErrNotExist.
func (s *Snapshot) readTail(ctx context.Context) (*tail, error) {
	none := &chunk.Error{Op: "open", Path: Scheme + s.id, Err: fs.ErrNotExist}
	if _, there := s.token(int32(s.size/BlockSize) - 1); !there {
		return nil, none
	}
	footer := make([]byte, footerSize)
	if err := readFull(ctx, s, footer, s.size-footerSize); err != nil {
		return nil, err
	}
	t := &tail{image: int64(binary.LittleEndian.Uint64(footer[16:]))}
	length := int64(binary.LittleEndian.Uint64(footer[24:]))
	table := t.image / BlockSize * sha256.Size
	if !bytes.HasPrefix(footer, []byte(footerMagic)) || binary.LittleEndian.Uint64(footer[8:]) != footerVersion || t.image <= 0 || t.image%chunk.Size != 0 ||
		t.image > s.size || length <= 0 || length > maxManifest || length+table+footerSize > s.size-t.image {
		return nil, none
	}
	text := make([]byte, length+table)
	if err := readFull(ctx, s, text, s.size-footerSize-table-length); err != nil {
		return nil, err
	}
	t.manifest, t.table = text[:length:length], text[length:]
	if !bytes.Equal(t.sum(s.id), footer[32:]) {
		return nil, none
	}
	return t, nil
}

// readFull fills p from a snapshot.
func readFull(ctx context.Context, s *Snapshot, p []byte, off int64) error {
	_, err := s.readFrom(ctx, p, off)
	return err
}

// digest returns the digest that the table has of a block of the image; ok is false if
// the block is not there.
func (t *tail) digest(i int32) (sum [sha256.Size]byte, ok bool) {
	if at := int64(i) * sha256.Size; at < int64(len(t.table)) {
		sum = [sha256.Size]byte(t.table[at:])
	}
	return sum, sum != [sha256.Size]byte{}
}
