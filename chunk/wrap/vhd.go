package wrap

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Offsets of the hard disk footer of a VHD, in bytes; all integers are big-endian.
const (
	vhdCookie     = 0  // "conectix"
	vhdFeatures   = 8  // u32, 2: reserved, always set
	vhdVersion    = 12 // u32, 0x00010000
	vhdDataOffset = 16 // u64, all ones: fixed
	vhdTime       = 24 // u32, seconds since 2000
	vhdCreator    = 28 // 4 bytes
	vhdCreatorVer = 32 // u32
	vhdCreatorOS  = 36 // 4 bytes
	vhdOrigSize   = 40 // u64, bytes
	vhdSize       = 48 // u64, bytes
	vhdCylinders  = 56 // u16
	vhdHeads      = 58 // u8
	vhdSectors    = 59 // u8, a track
	vhdType       = 60 // u32, 2: fixed
	vhdSum        = 64 // u32, the complement of the sum of all bytes but itself
	vhdID         = 68 // 16 bytes
	vhdFooter     = 512
)

// vhdAlign is what Azure wants a disk to be a multiple of, in bytes.
const vhdAlign = 1 << 20

// vhd is an image with a footer.
type vhd struct {
	raw
	size int64
}

func newVHD(f File, size int64) (Writer, error) {
	if size%vhdAlign != 0 {
		return nil, fmt.Errorf("a VHD of %d bytes: Azure takes multiples of %d", size, vhdAlign)
	}
	return vhd{raw{f}, size}, f.Truncate(size + vhdFooter)
}

func (v vhd) Close() error {
	id, err := uuid.NewRandom()
	if err != nil {
		return err
	}
	return v.f.WriteSparse(vhdEnd(v.size, time.Now(), id), v.size)
}

// vhdEnd returns the footer of a disk of size bytes.
func vhdEnd(size int64, now time.Time, id uuid.UUID) []byte {
	be := binary.BigEndian
	b := make([]byte, vhdFooter)
	copy(b[vhdCookie:], "conectix")
	be.PutUint32(b[vhdFeatures:], 2)
	be.PutUint32(b[vhdVersion:], 0x10000)
	be.PutUint64(b[vhdDataOffset:], 1<<64-1)
	be.PutUint32(b[vhdTime:], uint32(now.Unix()-time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()))
	copy(b[vhdCreator:], "qem2") // readers know by it that the size is vhdSize and not what the geometry says
	be.PutUint32(b[vhdCreatorVer:], 0x10000)
	copy(b[vhdCreatorOS:], "Wi2k")
	be.PutUint64(b[vhdOrigSize:], uint64(size))
	be.PutUint64(b[vhdSize:], uint64(size))
	cylinders, heads, sectors := geometry(size / 512)
	be.PutUint16(b[vhdCylinders:], uint16(cylinders))
	b[vhdHeads], b[vhdSectors] = byte(heads), byte(sectors)
	be.PutUint32(b[vhdType:], 2)
	copy(b[vhdID:], id[:])
	sum := uint32(0)
	for _, c := range b {
		sum += uint32(c)
	}
	be.PutUint32(b[vhdSum:], ^sum)
	return b
}

// geometry returns the cylinders, heads and sectors a track of a disk of so many
// sectors, by the appendix of the specification.
func geometry(total int64) (cylinders, heads, sectors int64) {
	total = min(total, 65535*16*255)
	if total >= 65535*16*63 {
		return total / 255 / 16, 16, 255
	}
	tracks := total / 17
	sectors, heads = 17, max((tracks+1023)/1024, 4)
	if tracks >= heads*1024 || heads > 16 {
		sectors, heads = 31, 16
		tracks = total / sectors
	}
	if tracks >= heads*1024 {
		sectors, heads = 63, 16
		tracks = total / sectors
	}
	return tracks / heads, heads, sectors
}
