package volume_test

import (
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/google/uuid"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/volume"
)

// device is one of size bytes that is zero but for two pieces, and counts what is
// read of it.
type device struct {
	size  int64
	at    [2]int64
	piece [2][]byte
	read  int64
}

func (d *device) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= d.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), d.size-off))
	clear(p[:n])
	for i, b := range d.piece {
		if rel := d.at[i] - off; rel >= 0 && rel < int64(n) {
			copy(p[rel:n], b)
		} else if rel < 0 && -rel < int64(len(b)) {
			copy(p[:n], b[-rel:])
		}
	}
	d.read += int64(n)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// types are all that Identify may say.
var types = []string{"ext2", "ext3", "ext4", "jbd", "xfs", "btrfs", "f2fs", "vfat", "swap", "crypto_LUKS", "LVM2_member", "linux_raid_member"}

// FuzzIdentify has a piece at the start or where another superblock is, and a second
// one, such as the root directory of a FAT. However they read, what is read is little
// and what is said can be written in an fstab.
func FuzzIdentify(f *testing.F) {
	for _, c := range []struct {
		size int64
		at   [2]int64
		n    int // bytes of the first piece
		mkfs []string
	}{
		{8 << 20, [2]int64{1024, 0}, 1024, []string{"mke2fs", "-q", "-F", "-t", "ext4"}},
		{320 << 20, [2]int64{0, 0}, 512, []string{"mkfs.xfs", "-q"}},
		{128 << 20, [2]int64{65536, 0}, 1024, []string{"mkfs.btrfs", "-q"}},
		{64 << 20, [2]int64{1024, 0}, 3072, []string{"mkfs.f2fs", "-q"}},
		{2 << 20, [2]int64{0, 0xa00}, 512, []string{"mkfs.vfat", "-F", "12", "-n", "UEFI"}},
		{64 << 20, [2]int64{0, 0xfc400}, 512, []string{"mkfs.vfat", "-F", "32", "-n", "UEFI"}},
		{1 << 20, [2]int64{1024, 4086}, 512, []string{"mkswap", "-q"}},
	} {
		image := blank(f, c.size)
		imgtest.Run(f, c.mkfs[0], append(c.mkfs[1:], image)...)
		b, err := os.ReadFile(image)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(c.size, c.at[0], c.at[1], b[c.at[0]:][:c.n], b[c.at[1]:][:512])
	}
	f.Add(int64(1<<20), int64(4096), int64(0), raid(4096, 1<<20), []byte("LUKS\xba\xbe\x00\x02"))
	f.Fuzz(func(t *testing.T, size, at, second int64, a, b []byte) {
		d := &device{size: size, at: [2]int64{at, second}, piece: [2][]byte{a, b}}
		fs, err := volume.Identify(d, size)
		if limit := int64(4 << 20); d.read > limit {
			t.Errorf("%d bytes were read", d.read)
		}
		if two := new(volume.AmbiguousError); errors.As(err, &two) {
			if len(two.Types) < 2 {
				t.Errorf("%+v", two)
			}
			return
		}
		if err != nil {
			if !errors.Is(err, volume.ErrNone) {
				t.Errorf("%v", err) // this device has no bad sectors
			}
			return
		}
		if !slices.Contains(types, fs.Type) || (fs.FAT != 0) != (fs.Type == "vfat") {
			t.Errorf("%+v", fs)
		}
		switch fs.Type {
		case "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "swap", "jbd":
			if _, err := uuid.Parse(fs.UUID); fs.UUID != "" && err != nil {
				t.Errorf("%+v: %v", fs, err)
			}
		}
	})
}
