package volume_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/volume"
)

// TestIdentifyLabel has a label in the root directory of a FAT that is another one
// than in its boot sector, and is further down than other entries.
func TestIdentifyLabel(t *testing.T) {
	for _, bits := range []string{"12", "16", "32"} {
		size := map[string]int64{"12": 4, "16": 16, "32": 64}[bits]
		image := blank(t, size<<20)
		imgtest.Run(t, "mkfs.vfat", "-F", bits, "-n", "BEFORE", image)
		imgtest.Run(t, "mlabel", "-i", image, "::AFTER")
		if fs := likeBlkid(t, image); fs.Label != "AFTER" {
			t.Errorf("FAT%s: %+v", bits, fs)
		}
		imgtest.Run(t, "mlabel", "-c", "-i", image, "::")
		for i := range 200 { // over several clusters, with long names
			imgtest.Run(t, "mmd", "-i", image, fmt.Sprintf("::a directory with a long name %d", i))
			if bits != "32" && i == 100 { // 512 entries are all that there is room for
				break
			}
		}
		imgtest.Run(t, "mlabel", "-i", image, "::DEEP")
		imgtest.Patch(t, image, map[string]int64{"12": 43, "16": 43, "32": 71}[bits], []byte("STALE      "))
		if fs := likeBlkid(t, image); fs.Label != "DEEP" {
			t.Errorf("FAT%s: %+v", bits, fs)
		}
	}
}

// TestIdentifyBorder has FATs around the number of clusters from which on they are
// FAT16, and boot sectors that lack one of their marks.
func TestIdentifyBorder(t *testing.T) {
	image := blank(t, 4<<20)
	imgtest.Run(t, "mkfs.vfat", "-F", "12", "-s", "1", "-r", "224", image, "2048")
	f, _ := imgtest.OpenImage(t, image)
	boot := make([]byte, 512)
	if _, err := f.ReadAt(boot, 0); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	before := le.Uint16(boot[14:]) + uint16(boot[16])*le.Uint16(boot[22:]) + 224*32/512 // sectors
	for _, clusters := range []uint16{4000, 4083, 4084, 4085, 4086} {                   // the last stays for what follows
		bits := 12
		if clusters >= 4085 {
			bits = 16
		}
		imgtest.Patch(t, image, 19, le.AppendUint16(nil, before+clusters))
		fs, err := identify(t, image)
		if err != nil || fs.FAT != bits {
			t.Errorf("%d clusters: %+v, %v", clusters, fs, err)
		}
		if clusters != 4084 { // blkid is one off, against the specification, the kernel and fsck.vfat
			likeBlkid(t, image)
		} else if said := imgtest.Run(t, "fsck.vfat", "-n", "-v", image); !strings.Contains(said, "12 bit entries") {
			t.Errorf("fsck.vfat says %s", said)
		}
	}
	imgtest.Patch(t, image, 510, []byte{0, 0})
	likeBlkid(t, image)
	imgtest.Patch(t, image, 54, []byte("        "))
	if fs, err := identify(t, image); !errors.Is(err, volume.ErrNone) {
		t.Errorf("neither mark: %+v, %v", fs, err)
	}
	imgtest.Patch(t, image, 510, []byte{0x55, 0xaa})
	likeBlkid(t, image)
}

// TestIdentifyEndless has a FAT whose root directory goes round in a circle.
func TestIdentifyEndless(t *testing.T) {
	image := blank(t, 64<<20)
	imgtest.Run(t, "mkfs.vfat", "-F", "32", "-s", "1", image)
	f, size := imgtest.OpenImage(t, image)
	boot := make([]byte, 512)
	if _, err := f.ReadAt(boot, 0); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	reserved := int64(le.Uint16(boot[14:])) * 512
	d := &device{size: size, at: [2]int64{0, reserved + 2*4}, piece: [2][]byte{boot, {2, 0, 0, 0}}}
	full := &overlaid{d, reserved + 2*int64(le.Uint32(boot[36:]))*512, bytes.Repeat([]byte("AFILE   TXT"+strings.Repeat("\x01", 21)), 16)}
	fs, err := volume.Identify(full, size)
	if err != nil || fs.Type != "vfat" || fs.FAT != 32 {
		t.Errorf("%+v, %v", fs, err)
	}
	if d.read < 1<<20 || d.read > 4<<20 {
		t.Errorf("%d bytes were read: was the directory seen?", d.read)
	}
}

// overlaid is a device with one piece more.
type overlaid struct {
	*device
	at    int64
	bytes []byte
}

func (o *overlaid) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.device.ReadAt(p, off)
	if rel := o.at - off; rel >= 0 && rel < int64(n) {
		copy(p[rel:n], o.bytes)
	}
	return n, err
}
