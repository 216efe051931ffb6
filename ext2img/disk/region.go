package disk

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// region is what lies at one place of the disk before root.
type region struct {
	start, size int64 // bytes
	content     io.ReaderAt
	fat         bool // content is a FAT, of which only the clusters in use are read
}

func (r region) end() int64 { return r.start + r.size }

// run is a run of bytes.
type run struct{ start, count int64 }

func (r run) end() int64 { return r.start + r.count }

// Types of partitions that are known here, lower case.
const (
	typeESP  = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	typeBIOS = "21686148-6449-6e6f-744e-656564454649"
)

// newRegion returns what partition p holds, which lay at byte from of the source.
func newRegion(p Partition, from int64) (region, error) {
	r := region{start: p.Start, size: p.Size, content: p.Content}
	if _, err := parseFAT(p.Content, p.Size); err == nil {
		r.fat = true
	} else if !errors.Is(err, errNoFAT) {
		return r, fmt.Errorf("partition %d: %w", p.Number, err)
	}
	if p.Start != from && equalType(p.Type, typeBIOS) {
		return r, fmt.Errorf("partition %d: GRUB's place cannot be at byte %d, where it is on the source", p.Number, from)
	}
	return r, nil
}

// used returns the bytes of the region that are to be read, by their offsets in it, and
// a reader of them. What is not among them is zero.
func (r region) used() (io.ReaderAt, []run, error) {
	if !r.fat {
		return r.content, []run{{0, r.size}}, nil
	}
	f, err := parseFAT(r.content, r.size)
	if err != nil {
		return nil, nil, err
	}
	runs, err := f.used()
	return cleanFAT{f}, runs, err
}

// snapshot is a region as it is at one moment.
type snapshot struct {
	region
	reader io.ReaderAt
	runs   []run // ascending
}

func (r region) snapshot() (snapshot, error) {
	reader, runs, err := r.used()
	return snapshot{r, reader, runs}, err
}

// readAt fills p, which is zero, with what the region has from offset off of it on.
func (s snapshot) readAt(p []byte, off int64) error {
	for _, u := range s.runs {
		from, to := max(u.start, off), min(u.end(), off+int64(len(p)))
		if from >= to {
			continue
		}
		if n, err := s.reader.ReadAt(p[from-off:to-off], from); n < int(to-from) {
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
			if n, err := s.reader.ReadAt(b, off); n < len(b) {
				return sum, fmt.Errorf("read the disk at byte %d: %w", s.start+off, err)
			}
			h.Write(b)
			off += int64(len(b))
		}
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
