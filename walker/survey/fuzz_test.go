package survey_test

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"

	"purebundle/walker/survey"
)

// ends is a disk of size bytes that is zero but for its start and its end.
type ends struct {
	size       int64
	head, tail []byte
}

func (e ends) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= e.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.size-off))
	clear(p[:n])
	if off < int64(len(e.head)) {
		copy(p[:n], e.head[off:])
	}
	if rel := e.size - int64(len(e.tail)) - off; rel < 0 {
		copy(p[:n], e.tail[-rel:])
	} else if rel < int64(n) {
		copy(p[rel:n], e.tail)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// seal puts the checksums of a GPT header right that lies at an offset of b, behind
// its entries or, if it is the first one, before them.
func seal(b []byte, header int, first bool) {
	if header < 0 || header+512 > len(b) {
		return
	}
	h := b[header:][:512]
	size, array := binary.LittleEndian.Uint32(h[12:]), int64(binary.LittleEndian.Uint32(h[80:]))*int64(binary.LittleEndian.Uint32(h[84:]))
	entries := int64(header) - array
	if first {
		entries = int64(header) + 512
	}
	if array >= 0 && entries >= 0 && array <= int64(len(b))-entries {
		binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(b[entries:][:array]))
	}
	if size >= 92 && size <= 512 {
		clear(h[16:20])
		binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h[:size]))
	}
}

// FuzzRead has the first and the last sectors of disks; checksums are put right, as
// else nothing behind them would be reached. Whatever they say, partitions lie apart
// and within the disk.
func FuzzRead(f *testing.F) {
	whole := load(f, threeParts(f, 4))
	f.Add(int64(len(whole)), int64(512), true, whole[:3*512], whole[len(whole)-2*512:])
	image := blank(f, 64<<20)
	sfdisk(f, image, "label: dos\nlabel-id: 0x8badf00d\nunit: sectors\n\n20,2,83,*\n4,14,5\n5,1,83\n8,2,82\n12,1,8e\n")
	f.Add(int64(64<<20), int64(512), false, load(f, image)[:13*512], []byte{})
	f.Fuzz(func(t *testing.T, size, sectorSize int64, right bool, head, tail []byte) {
		if right {
			seal(head, 512, true)
			seal(tail, len(tail)-512, false)
		}
		d, err := survey.Read(ends{size, head, tail}, size, sectorSize)
		if err != nil {
			return
		}
		if d.Table != "gpt" && d.Table != "dos" || d.Size != size || len(d.Partitions) > 1024 {
			t.Fatalf("%+v", d)
		}
		for _, i := range []int{d.Root, d.ESP, d.BIOS, d.Boot} {
			if i < -1 || i >= len(d.Partitions) {
				t.Errorf("%+v", d)
			}
		}
		if g := d.Gap; g.Offset < 0 || g.Size < 0 || g.Size > size-g.Offset {
			t.Errorf("gap %+v of %d", g, size)
		}
		for i, p := range d.Partitions {
			if p.Start < sectorSize || p.Size < sectorSize || p.Start+p.Size > size || p.Start%sectorSize != 0 || p.Size%sectorSize != 0 {
				t.Errorf("%+v", p)
			}
			for _, q := range d.Partitions[:i] {
				if q.Number == p.Number || !p.Extended && !q.Extended && p.Start < q.Start+q.Size && q.Start < p.Start+p.Size {
					t.Errorf("%+v, %+v", p, q)
				}
			}
		}
	})
}
