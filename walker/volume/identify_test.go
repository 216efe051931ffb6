package volume_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/volume"
)

// blank makes a file of size bytes, all hole.
func blank(t testing.TB, size int64) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, size)); err != nil {
		t.Fatal(err)
	}
	return image
}

func identify(t testing.TB, image string) (volume.FileSystem, error) {
	t.Helper()
	f, size := imgtest.OpenImage(t, image)
	return volume.Identify(f, size)
}

// likeBlkid compares what an image holds with what blkid says of it.
func likeBlkid(t testing.TB, image string) volume.FileSystem {
	t.Helper()
	fs, err := identify(t, image)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, key := range []string{"TYPE", "UUID", "LABEL", "VERSION"} {
		said[key] = strings.TrimSuffix(imgtest.Run(t, "blkid", "-p", "-o", "value", "-s", key, image), "\n")
	}
	if said["TYPE"] == "" || fs.Type != said["TYPE"] || fs.UUID != said["UUID"] || strings.TrimRight(fs.Label, " ") != said["LABEL"] {
		t.Errorf("%+v, blkid says %q", fs, said)
	}
	if fs.Type == "vfat" && said["VERSION"] != fmt.Sprintf("FAT%d", fs.FAT) {
		t.Errorf("FAT%d, blkid says %q", fs.FAT, said)
	}
	return fs
}

// TestIdentify has what makes each kind of file system make one.
func TestIdentify(t *testing.T) {
	for name, c := range map[string]struct {
		size int64 // MiB
		want string
		mkfs []string
	}{
		"ext2":                {8, "ext2", []string{"mke2fs", "-q", "-F", "-t", "ext2", "-L", "an ext2"}},
		"ext2, old revision":  {8, "ext2", []string{"mke2fs", "-q", "-F", "-t", "ext2", "-r", "0"}},
		"ext2 of 1 KiB":       {8, "ext2", []string{"mke2fs", "-q", "-F", "-t", "ext2", "-b", "1024"}},
		"ext2 with extents":   {8, "ext4", []string{"mke2fs", "-q", "-F", "-t", "ext2", "-O", "extents"}},
		"ext3":                {8, "ext3", []string{"mke2fs", "-q", "-F", "-t", "ext3", "-L", "sixteen-letters!"}},
		"ext4":                {8, "ext4", []string{"mke2fs", "-q", "-F", "-t", "ext4", "-L", "wurzel-ä"}},
		"ext4 of 64 KiB":      {64, "ext4", []string{"mke2fs", "-q", "-F", "-t", "ext4", "-b", "65536"}},
		"ext4, no journal":    {8, "ext4", []string{"mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal"}},
		"journal":             {8, "jbd", []string{"mke2fs", "-q", "-F", "-O", "journal_dev", "-L", "log"}},
		"xfs":                 {320, "xfs", []string{"mkfs.xfs", "-q", "-f", "-L", "twelve-chars"}},
		"xfs, version 4":      {320, "xfs", []string{"mkfs.xfs", "-q", "-f", "-m", "crc=0"}},
		"xfs of 4 KiB":        {320, "xfs", []string{"mkfs.xfs", "-q", "-f", "-s", "size=4096"}},
		"btrfs":               {128, "btrfs", []string{"mkfs.btrfs", "-q", "-L", strings.Repeat("long ", 50)}},
		"f2fs":                {64, "f2fs", []string{"mkfs.f2fs", "-q", "-l", "flash äß€ 𝄞"}},
		"f2fs without label":  {64, "f2fs", []string{"mkfs.f2fs", "-q"}},
		"FAT12":               {2, "vfat", []string{"mkfs.vfat", "-F", "12", "-n", "UEFI"}},
		"FAT16":               {16, "vfat", []string{"mkfs.vfat", "-F", "16", "-n", "ELEVENCHARS"}},
		"FAT16 without label": {16, "vfat", []string{"mkfs.vfat", "-F", "16"}},
		"FAT32":               {64, "vfat", []string{"mkfs.vfat", "-F", "32", "-n", "EFI SYSTEM"}},
		"FAT32, few clusters": {16, "vfat", []string{"mkfs.vfat", "-F", "32", "-s", "8", "-i", "12ab34cd"}},
		"FAT32 of 4 KiB":      {300, "vfat", []string{"mkfs.vfat", "-F", "32", "-S", "4096", "-n", "BIG"}},
		"FAT, size by itself": {33, "vfat", []string{"mkfs.vfat"}},
		"swap":                {8, "swap", []string{"mkswap", "-q", "-L", "swapped"}},
		"swap of 64 KiB":      {8, "swap", []string{"mkswap", "-q", "-p", "65536"}},
	} {
		t.Run(name, func(t *testing.T) {
			image := blank(t, c.size<<20)
			imgtest.Run(t, c.mkfs[0], append(c.mkfs[1:], image)...)
			if fs := likeBlkid(t, image); fs.Type != c.want || fs.UUID == "" || fs.Elsewhere != "" {
				t.Errorf("%+v, want %s", fs, c.want)
			}
		})
	}
}

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
		if fs := likeBlkid(t, image); fs.Label != "DEEP" {
			t.Errorf("FAT%s: %+v", bits, fs)
		}
	}
}

// holder returns an image of size bytes with pieces at offsets in bytes.
func holder(t *testing.T, size int64, pieces map[int64][]byte) string {
	t.Helper()
	image := blank(t, size)
	put(t, image, pieces)
	return image
}

func put(t *testing.T, image string, pieces map[int64][]byte) {
	t.Helper()
	f, err := os.OpenFile(image, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off, b := range pieces {
		if _, err := f.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
	}
}

// raid returns a superblock of version 1 that lies at an offset, of a member of size
// bytes.
func raid(at, size int64) []byte {
	b := make([]byte, 512)
	le := binary.LittleEndian
	le.PutUint32(b, 0xa92b4efc)
	le.PutUint32(b[4:], 1)
	id := uuid.MustParse(someUUID)
	copy(b[16:], id[:])
	copy(b[32:], "host:0")
	le.PutUint64(b[80:], uint64(size/512))
	le.PutUint64(b[136:], uint64(size/512)) // data_size
	le.PutUint64(b[144:], uint64(at/512))   // super_offset
	var sum uint64
	for i := 0; i < 256; i += 4 {
		sum += uint64(le.Uint32(b[i:]))
	}
	le.PutUint32(b[216:], uint32(sum)+uint32(sum>>32)) // sb_csum
	return b
}

// oldRaid returns a superblock of version 0.90.
func oldRaid() []byte {
	b := make([]byte, 4096)
	le := binary.LittleEndian
	for i, v := range []uint32{0xa92b4efc, 0, 90, 0, 0, 0x11223344} {
		le.PutUint32(b[4*i:], v)
	}
	for i := range 3 {
		le.PutUint32(b[52+4*i:], 0x55667788*uint32(i+1))
	}
	var sum uint64
	for i := 0; i < len(b); i += 4 {
		sum += uint64(le.Uint32(b[i:]))
	}
	le.PutUint32(b[152:], uint32(sum)+uint32(sum>>32)) // sb_csum
	return b
}

// TestIdentifyHolders has what holds other devices, as their formats are written
// down; blkid says whether they are.
func TestIdentifyHolders(t *testing.T) {
	const size = 4<<20 + 12<<10 // no multiple of 64 KiB
	luks := func(version byte) []byte {
		b := make([]byte, 4096)
		copy(b, "LUKS\xba\xbe\x00")
		b[7] = version
		if version == 2 {
			copy(b[24:], "locked")
			binary.BigEndian.PutUint64(b[8:], 4096)
		}
		copy(b[168:], someUUID)
		return b
	}
	lvm := make([]byte, 512)
	copy(lvm, "LABELONE\x01")
	copy(lvm[24:], "LVM2 001")
	lvm[8], lvm[20] = 1, 32 // sector_xl, offset_xl
	copy(lvm[32:], "abcdefghijklmnopqrstuvwxyzABCDEF")
	crc := uint32(0xf597a6cf) // as LVM2 begins its checksum
	for _, c := range lvm[20:] {
		crc ^= uint32(c)
		for range 8 {
			crc = crc>>1 ^ 0xedb88320&-(crc&1)
		}
	}
	binary.LittleEndian.PutUint32(lvm[16:], crc)
	end := int64(size-8<<10) &^ 4095
	for name, c := range map[string]struct {
		pieces map[int64][]byte
		want   string
		label  string
	}{
		"LUKS1":     {map[int64][]byte{0: luks(1)}, "crypto_LUKS", ""},
		"LUKS2":     {map[int64][]byte{0: luks(2)}, "crypto_LUKS", "locked"},
		"LVM":       {map[int64][]byte{512: lvm}, "LVM2_member", ""},
		"RAID 1.2":  {map[int64][]byte{4096: raid(4096, size)}, "linux_raid_member", "host:0"},
		"RAID 1.1":  {map[int64][]byte{0: raid(0, size)}, "linux_raid_member", "host:0"},
		"RAID 1.0":  {map[int64][]byte{end: raid(end, size)}, "linux_raid_member", "host:0"},
		"RAID 0.90": {map[int64][]byte{size&^65535 - 65536: oldRaid()}, "linux_raid_member", ""},
	} {
		t.Run(name, func(t *testing.T) {
			image := holder(t, size, c.pieces)
			if fs := likeBlkid(t, image); fs.Type != c.want || fs.Label != c.label {
				t.Errorf("%+v", fs)
			}
			if !strings.HasSuffix(name, "0") {
				return
			}
			// An ESP in a mirror: the file system at the start is not what it is.
			imgtest.Run(t, "mkfs.vfat", "-n", "UEFI", image, "3072")
			if fs := likeBlkid(t, image); fs.Type != c.want {
				t.Errorf("with a FAT: %+v", fs)
			}
		})
	}
}

// TestIdentifyElsewhere has file systems of which a part is on another device.
func TestIdentifyElsewhere(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	fresh := func(size int64) {
		for _, f := range []string{one, two} {
			if err := errors.Join(os.WriteFile(f, nil, 0o600), os.Truncate(f, size)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		size int64 // MiB
		mkfs [][]string
		want string
	}{
		{"btrfs", 128, [][]string{{"mkfs.btrfs", "-q", "-f", one, two}}, "it is spread over 2 devices"},
		{"xfs", 320, [][]string{{"mkfs.xfs", "-q", "-f", "-l", "logdev=" + two + ",size=64m", one}}, "its log lies on another device"},
		{"xfs, realtime", 320, [][]string{{"mkfs.xfs", "-q", "-f", "-r", "rtdev=" + two, one}}, "its realtime section lies on another device"},
		{"f2fs", 128, [][]string{{"mkfs.f2fs", "-q", "-c", two, one}}, "it is spread over 2 devices"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fresh(c.size << 20)
			for _, m := range c.mkfs {
				imgtest.Run(t, m[0], m[1:]...)
			}
			if fs := likeBlkid(t, one); fs.Elsewhere != c.want {
				t.Errorf("%+v", fs)
			}
		})
	}
	t.Run("ext4", func(t *testing.T) {
		fresh(16 << 20)
		imgtest.Run(t, "mke2fs", "-q", "-F", "-t", "ext4", one)
		put(t, one, map[int64][]byte{1024 + 0xd0: bytes.Repeat([]byte{7}, 16), 1024 + 0xe0: make([]byte, 4)})
		if fs, err := identify(t, one); err != nil || fs.Elsewhere != "its journal lies on another device" {
			t.Errorf("%+v, %v", fs, err)
		}
	})
}

// TestIdentifyTwo has what an older file system left.
func TestIdentifyTwo(t *testing.T) {
	image := blank(t, 128<<20)
	imgtest.Run(t, "mkfs.btrfs", "-q", image)
	put(t, image, map[int64][]byte{4096 - 10: []byte("SWAPSPACE2")})
	two := new(volume.AmbiguousError)
	if fs, err := identify(t, image); !errors.As(err, &two) || strings.Join(two.Types, " ") != "btrfs swap" {
		t.Errorf("%+v, %v", fs, err)
	}
}

// TestIdentifyNothing has devices of all sizes around the borders, and boot sectors
// that are none of a FAT.
func TestIdentifyNothing(t *testing.T) {
	mbr := make([]byte, 64<<10)
	mbr[510], mbr[511] = 0x55, 0xaa
	for _, size := range []int{0, 1, 511, 512, 513, 1023, 1024, 4095, 4096, 8191, 8192, 8193, 65535, 65536, 65537, 131072, 131073} {
		for fill := range 2 {
			b := bytes.Repeat([]byte{byte(fill * 0xff)}, size)
			copy(b, mbr[:min(size, 512)])
			if fs, err := volume.Identify(bytes.NewReader(b), int64(size)); !errors.Is(err, volume.ErrNone) {
				t.Errorf("%d bytes of %d: %+v, %v", size, fill, fs, err)
			}
		}
	}
}
