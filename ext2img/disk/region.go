package disk

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"purebundle/ext2img"
)

// region is what lies at one place of the disk before root.
type region struct {
	start, size int64 // bytes
	content     io.ReaderAt
	use         func() ([]ext2img.Range, error) // see Partition.Used
}

func (r region) end() int64 { return r.start + r.size }

// run is a run of bytes.
type run struct{ start, count int64 }

func (r run) end() int64 { return r.start + r.count }

// typeBIOS is the type of the BIOS boot partition, lower case.
const typeBIOS = "21686148-6449-6e6f-744e-656564454649"

// newRegion returns what partition p holds, which lay at byte from of the source.
func newRegion(p Partition, from int64) (region, error) {
	r := region{start: p.Start, size: p.Size, content: p.Content, use: p.Used}
	if p.Start != from && strings.EqualFold(p.Type, typeBIOS) {
		return r, fmt.Errorf("partition %d: GRUB's place cannot be at byte %d, where it is on the source", p.Number, from)
	}
	_, err := r.used()
	if err != nil {
		err = fmt.Errorf("partition %d: %w", p.Number, err)
	}
	return r, err
}

// used returns the bytes of the region that are to be read, by their offsets in it. What
// is not among them is zero.
func (r region) used() ([]run, error) {
	if r.use == nil {
		return []run{{0, r.size}}, nil
	}
	ranges, err := r.use()
	var runs []run
	for _, u := range ranges {
		runs = append(runs, run{u.Off, u.Len})
	}
	return runs, err
}

// snapshot is a region as it is at one moment.
type snapshot struct {
	region
	runs []run // ascending
}

func (r region) snapshot() (snapshot, error) {
	runs, err := r.used()
	return snapshot{r, runs}, err
}

// readAt fills p, which is zero, with what the region has from offset off of it on.
func (s snapshot) readAt(p []byte, off int64) error {
	for _, u := range s.runs {
		from, to := max(u.start, off), min(u.end(), off+int64(len(p)))
		if from >= to {
			continue
		}
		if n, err := s.content.ReadAt(p[from-off:to-off], from); n < int(to-from) {
			return fmt.Errorf("read the disk at byte %d: %w", s.start+from, err)
		}
	}
	return nil
}

// digest returns a digest of all that is in use.
func (s snapshot) digest() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for _, u := range s.runs {
		h.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(u.start)), uint64(u.count)))
		for off := u.start; off < u.end(); {
			b := buf[:min(int64(len(buf)), u.end()-off)]
			if n, err := s.content.ReadAt(b, off); n < len(b) {
				return sum, fmt.Errorf("read the disk at byte %d: %w", s.start+off, err)
			}
			h.Write(b)
			off += int64(len(b))
		}
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
