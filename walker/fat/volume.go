package fat

import "io"

// Volume is a FAT that can be changed, in memory: what it lies in stays as it is.
type Volume struct {
	*FAT
	overlay *overlay
	info    int64  // bytes, where FSInfo is; 0: it has none
	entries []byte // the first table, when it was needed
}

// Edit opens the FAT that fills size bytes of r to be changed. The error is ErrNone if
// there is something else.
func Edit(r io.ReaderAt, size int64) (*Volume, error) {
	return newVolume(&overlay{under: r, size: size})
}

func newVolume(o *overlay) (*Volume, error) {
	f, err := Open(o, o.size)
	if err != nil {
		return nil, err
	}
	v := &Volume{FAT: f, overlay: o}
	if f.Bits == 32 {
		head := make([]byte, HeadSize)
		if n, err := o.ReadAt(head, 0); n < len(head) {
			return nil, err
		}
		v.info = int64(le.Uint16(head[fsInfo32:])) * f.sector
	}
	return v, nil
}

// Size returns how many bytes the volume has.
func (v *Volume) Size() int64 { return v.size }

// place returns the first byte of cluster n.
func (v *Volume) place(n uint32) int64 { return v.data + (int64(n)-2)*v.cluster }
