package volume_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		fresh(16 << 20)
		imgtest.Run(t, "mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", one)
		put(t, one, map[int64][]byte{1024 + 0xd0: bytes.Repeat([]byte{7}, 16)})
		if fs, err := identify(t, one); err != nil || fs.Elsewhere != "" {
			t.Errorf("without a journal: %+v, %v", fs, err)
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

// TestIdentifyDamaged has superblocks of which one field cannot be.
func TestIdentifyDamaged(t *testing.T) {
	for name, c := range map[string]struct {
		size int64 // MiB
		off  int64
		b    []byte
		mkfs []string
	}{
		"ext4: size of blocks":      {8, 1024 + 0x18, []byte{7}, []string{"mke2fs", "-q", "-F", "-t", "ext4"}},
		"ext4: no blocks":           {8, 1024 + 4, make([]byte, 4), []string{"mke2fs", "-q", "-F", "-t", "ext4"}},
		"xfs: size of blocks":       {320, 4, []byte{0, 0, 3, 0}, []string{"mkfs.xfs", "-q"}},
		"xfs: size of sectors":      {320, 102, []byte{0, 1}, []string{"mkfs.xfs", "-q"}},
		"btrfs: of elsewhere":       {128, 65536 + 0x30, []byte{0, 0, 2}, []string{"mkfs.btrfs", "-q"}},
		"vfat: size of sectors":     {16, 11, []byte{1, 1}, []string{"mkfs.vfat"}},
		"vfat: size of clusters":    {16, 13, []byte{3}, []string{"mkfs.vfat"}},
		"vfat: no reserved sectors": {16, 14, []byte{0, 0}, []string{"mkfs.vfat"}},
		"vfat: no table":            {16, 16, []byte{0}, []string{"mkfs.vfat"}},
		"vfat: medium":              {16, 21, []byte{0xf1}, []string{"mkfs.vfat"}},
		"vfat: only tables":         {16, 22, []byte{0xff, 0xff}, []string{"mkfs.vfat"}},
	} {
		image := blank(t, c.size<<20)
		imgtest.Run(t, c.mkfs[0], append(c.mkfs[1:], image)...)
		likeBlkid(t, image)
		imgtest.Patch(t, image, c.off, c.b)
		if fs, err := identify(t, image); !errors.Is(err, volume.ErrNone) {
			t.Errorf("%s: %+v, %v", name, fs, err)
		}
	}
}
