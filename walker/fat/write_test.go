package fat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/fat"
)

var when = time.Date(2026, 11, 26, 12, 34, 56, 0, time.UTC)

// needTools skips a test on a machine without the tools that judge.
func needTools(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"mkfs.vfat", "fsck.vfat", "mcopy", "mdir", "mtype"} {
		imgtest.NeedTool(t, tool)
	}
}

// mkfs makes a FAT with mkfs.vfat.
func mkfs(t *testing.T, size int64, args ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "fat")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "mkfs.vfat", slices.Concat([]string{"-n", "UEFI", "-i", "1a2b3c4d"}, args, []string{image})...)
	return image
}

// edit opens an image of a FAT to change it.
func edit(t *testing.T, image string) *fat.Volume {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	v, err := fat.Edit(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// save writes a volume to a file, of which only what is in use, and has fsck.vfat check it.
func save(t *testing.T, v *fat.Volume) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "changed")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(v.Size()); err != nil {
		t.Fatal(err)
	}
	runs, err := v.Used()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		b := make([]byte, r.Len)
		if _, err := v.ReadAt(b, r.Off); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, r.Off); err != nil {
			t.Fatal(err)
		}
	}
	imgtest.Run(t, "fsck.vfat", "-n", image) // exit 0: nothing to mend
	return image
}

// wantFiles has mtools list and read an image.
func wantFiles(t *testing.T, image string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		if strings.HasPrefix(name, "many/") && !strings.HasSuffix(name, "-19.conf") {
			continue // the others are read below
		}
		if got := imgtest.Run(t, "mtype", "-i", image, "::"+name); got != string(content) {
			t.Errorf("%s: mtools reads %d bytes, not the %d that were written", name, len(got), len(content))
		}
	}
	list := strings.Split(imgtest.Run(t, "mdir", "-/", "-b", "-i", image, "::"), "\n")
	for name := range files {
		if !slices.Contains(list, "::/"+name) {
			t.Errorf("mdir does not list %s, of %d names, such as %s", name, len(list), list[len(list)-2])
		}
	}
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestWrite adds to file systems that mkfs.vfat and mtools made.
func TestWrite(t *testing.T) {
	needTools(t)
	for _, c := range []struct {
		name string
		size int64
		args []string
	}{
		{"FAT12", 10 << 20, []string{"-F", "12"}},
		{"FAT12, one table", 4 << 20, []string{"-F", "12", "-f", "1"}},
		{"FAT16", 24 << 20, []string{"-F", "16"}},
		{"FAT16, sectors of 4096 bytes", 100 << 20, []string{"-F", "16", "-S", "4096"}},
		{"FAT32", 40 << 20, []string{"-F", "32", "-s", "1"}},
		{"FAT32, 4 KiB clusters", 300 << 20, []string{"-F", "32", "-s", "8"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := mkfs(t, c.size, c.args...)
			old := random(1, 70_001)
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, old, 0o600); err != nil {
				t.Fatal(err)
			}
			imgtest.Run(t, "mmd", "-i", image, "::EFI", "::EFI/debian", "::EFI/A long Name")
			for _, name := range []string{"EFI/debian/grubx64.efi", "EFI/A long Name/Some file.text", "EFI/debian/grub.cfg", "EFI/debian/gone"} {
				imgtest.Run(t, "mcopy", "-i", image, file, "::"+name)
			}
			imgtest.Run(t, "mdel", "-i", image, "::EFI/debian/gone")
			v := edit(t, image)
			if got, err := v.ReadFile("efi/a LONG name/some FILE.text", 1<<20); err != nil || !bytes.Equal(got, old) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
			files := map[string][]byte{
				"EFI/BOOT/BOOTX64.EFI":               random(2, 900_000),
				"EFI/BOOT/empty":                     nil,
				"EFI/debian/grub.cfg":                []byte("search.fs_uuid x root\n"), // was longer
				"EFI/A long Name/another of 13.conf": random(3, 512),
				"loader/loader.conf":                 []byte("timeout 1\n"),
			}
			for i := range 20 { // more than a cluster of a directory holds
				files[fmt.Sprintf("many/a-name-that-is-so-long-that-it-takes-%d.conf", i)] = []byte{byte(i)}
			}
			for name, content := range files {
				if err := v.WriteFile(name, content, when); err != nil {
					t.Fatal(err)
				}
			}
			changed := save(t, v)
			files["EFI/debian/grubx64.efi"], files["EFI/A long Name/Some file.text"] = old, old
			wantFiles(t, changed, files)
			again := edit(t, changed)
			for name, content := range files {
				if got, err := again.ReadFile(name, 1<<20); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s: read %d bytes instead of %d, %v", name, len(got), len(content), err)
				}
			}
			if text := imgtest.Run(t, "mdir", "-i", changed, "::EFI/BOOT"); !strings.Contains(text, "2026-11-26  12:34") || !strings.Contains(text, "BOOTX64  EFI    900000") {
				t.Error(text)
			}
			if text := imgtest.Run(t, "blkid", "-p", changed); !strings.Contains(text, `UUID="1A2B-3C4D"`) || !strings.Contains(text, `LABEL="UEFI"`) {
				t.Error(text)
			}
		})
	}
}

// TestFull fills file systems, and their root directories.
func TestFull(t *testing.T) {
	needTools(t)
	v := edit(t, mkfs(t, 1<<20, "-F", "12", "-r", "16"))
	if err := v.WriteFile("a/b", random(1, 2<<20), when); !errors.Is(err, fat.ErrFull) {
		t.Errorf("more than there is room for: %v", err)
	}
	v = edit(t, mkfs(t, 1<<20, "-F", "12", "-r", "16"))
	files := make(map[string][]byte)
	for i := range 15 { // and the label
		name := fmt.Sprintf("FILE%d", i)
		files[name] = []byte(name)
		if err := v.WriteFile(name, files[name], when); err != nil {
			t.Fatal(err)
		}
	}
	wantFiles(t, save(t, v), files)
	if err := v.WriteFile("ANOTHER", nil, when); !errors.Is(err, fat.ErrFull) {
		t.Errorf("more names than the root directory holds: %v", err)
	}
}

// TestLastCluster fills a file system to the last byte.
func TestLastCluster(t *testing.T) {
	needTools(t)
	for _, bits := range []string{"12", "16", "32"} {
		size := map[string]int64{"12": 2 << 20, "16": 9 << 20, "32": 36 << 20}[bits]
		image := mkfs(t, size, "-F", bits, "-s", "1")
		v := edit(t, image)
		runs, err := v.Used()
		if err != nil {
			t.Fatal(err)
		}
		free := (size - (runs[len(runs)-1].Off + runs[len(runs)-1].Len)) / 512 * 512
		files := map[string][]byte{"ALL": random(4, int(free))}
		if err := v.WriteFile("ALL", files["ALL"], when); err != nil {
			t.Fatalf("FAT%s: %v", bits, err)
		}
		wantFiles(t, save(t, v), files)
		if err := v.WriteFile("MORE", []byte{1}, when); !errors.Is(err, fat.ErrFull) {
			t.Errorf("FAT%s: one more cluster: %v", bits, err)
		}
	}
}

// TestFormat makes an empty file system and fills it, twice.
func TestFormat(t *testing.T) {
	needTools(t)
	var images [2][]byte
	for i := range images {
		v, err := fat.Format(127<<20, 0x1A2B3C4D, "ESP", when)
		if err != nil {
			t.Fatal(err)
		}
		save(t, v)
		files := map[string][]byte{"EFI/BOOT/BOOTX64.EFI": random(2, 900_000), "EFI/debian/grub.cfg": []byte("x\n")}
		for _, name := range slices.Sorted(func(yield func(string) bool) {
			for name := range files {
				if !yield(name) {
					return
				}
			}
		}) {
			if err := v.WriteFile(name, files[name], when); err != nil {
				t.Fatal(err)
			}
		}
		image := save(t, v)
		wantFiles(t, image, files)
		text := imgtest.Run(t, "blkid", "-p", image)
		for _, want := range []string{`UUID="1A2B-3C4D"`, `LABEL="ESP"`, `VERSION="FAT32"`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s", text, want)
			}
		}
		if images[i], err = os.ReadFile(image); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(1-i) * 2100 * time.Millisecond) // a FAT's clock has steps of two seconds
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("the same arguments make different bytes")
	}
	for size := int64(fat.MinSize); size < fat.MinSize+260*512; size += 512 { // two steps of the FAT's size
		if _, err := fat.Format(size, 1, "", when); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestHostile reads what no mkfs makes.
func TestHostile(t *testing.T) {
	needTools(t)
	image := mkfs(t, 10<<20, "-F", "12")
	v := edit(t, image)
	if err := v.WriteFile("EFI/BOOT/x", random(1, 40_000), when); err != nil {
		t.Fatal(err)
	}
	changed := save(t, v)
	// The clusters of EFI, BOOT and x are 2, 3 and from 4 on; 4's successor is 5: make it 4.
	reserved := int64(1)
	imgtest.Patch(t, changed, reserved*sectorsBefore(t, changed)+6, []byte{4})
	v = edit(t, changed)
	if _, err := v.ReadFile("EFI/BOOT/x", 1<<20); err == nil {
		t.Error("a circle of clusters is read")
	}
	if err := v.WriteFile("EFI/BOOT/x", nil, when); err == nil {
		t.Error("a circle of clusters is freed")
	}
	if _, err := v.ReadFile("EFI/BOOT/y", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	for _, name := range []string{"EFI/BOOT/x:y", "a/.", "é", ".hidden", "space "} {
		if err := edit(t, image).WriteFile(name, nil, when); err == nil {
			t.Errorf("%q is written", name)
		}
	}
}

// sectorsBefore returns where the first FAT is, in bytes.
func sectorsBefore(t *testing.T, image string) int64 {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	return (int64(b[14]) | int64(b[15])<<8) * (int64(b[11]) | int64(b[12])<<8)
}

// FuzzVolume reads and changes what may be a FAT.
func FuzzVolume(f *testing.F) {
	seed := make([]byte, 64<<10)
	copy(seed, []byte{0xEB, 0x3C, 0x90})
	copy(seed[11:], []byte{0, 2, 1, 1, 0, 2, 16, 0, 128, 0, 0xF8, 1, 0})
	copy(seed[510:], []byte{0x55, 0xAA})
	copy(seed[512:], []byte{0xF8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
	copy(seed[3*512:], "EFI        \x10")
	seed[3*512+26] = 2
	f.Add(seed[:2048], uint16(64))
	f.Fuzz(func(t *testing.T, head []byte, kib uint16) {
		image := make([]byte, max(len(head), int(kib)<<10))
		copy(image, head)
		v, err := fat.Edit(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			return
		}
		_, _ = v.Used()
		list, err := v.ReadDir("")
		if err == nil && len(list) > 0 {
			_, _ = v.ReadFile(list[0].Name, 1<<16)
		}
		content := bytes.Repeat([]byte("content "), 300)
		if err := v.WriteFile("EFI/BOOT/A long name.efi", content, when); err != nil {
			return
		}
		if got, err := v.ReadFile("EFI/BOOT/A long name.efi", 1<<16); err == nil && !bytes.Equal(got, content) {
			t.Error("another content is read than was written")
		}
	})
}
