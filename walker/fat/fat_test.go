package fat_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/fat"
)

// image makes a FAT with files, one of them removed again. Its content tells each file.
func image(t *testing.T, bits int, more ...string) string {
	t.Helper()
	for _, tool := range []string{"mkfs.vfat", "mcopy", "mdel", "mmd"} {
		imgtest.NeedTool(t, tool)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "fat")
	size := map[int]int64{12: 2, 16: 20, 32: 40}[bits] << 20
	if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, size)); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "mkfs.vfat", append(more, "-F", fmt.Sprint(bits), "-n", "LABEL", name)...)
	imgtest.Run(t, "mmd", "-i", name, "::EFI", "::EFI/a directory with a long name")
	for i, text := range []string{"first kept ", "removed ", "second kept "} {
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, bytes.Repeat([]byte(text), 20_000), 0o600); err != nil {
			t.Fatal(err)
		}
		imgtest.Run(t, "mcopy", "-i", name, file, fmt.Sprint("::EFI/", i))
	}
	imgtest.Run(t, "mdel", "-i", name, "::EFI/1")
	return name
}

func open(t *testing.T, name string) (*fat.FAT, error) {
	t.Helper()
	f, size := imgtest.OpenImage(t, name)
	return fat.Open(f, size)
}

// TestUsed copies what is in use of FATs: fsck.vfat and mtools find all of it, and what was
// removed is gone.
func TestUsed(t *testing.T) {
	for _, bits := range []int{12, 16, 32} {
		name := image(t, bits)
		imgtest.Patch(t, name, map[int]int64{12: 0x25, 16: 0x25, 32: 0x41}[bits], []byte{1}) // it is mounted
		f, err := open(t, name)
		if err != nil || f.Bits != bits {
			t.Fatalf("FAT%d: %+v, %v", bits, f, err)
		}
		used, err := f.Used()
		if err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		copied, end := make([]byte, st.Size()), int64(0)
		for _, u := range used {
			if u.Off < end || u.Len <= 0 {
				t.Errorf("FAT%d: %v", bits, used)
			}
			end = u.Off + u.Len
			if _, err := f.ReadAt(copied[u.Off:end], u.Off); err != nil {
				t.Fatal(err)
			}
		}
		if bytes.Contains(copied, []byte("removed removed")) {
			t.Errorf("FAT%d: what was removed is in use", bits)
		}
		to := filepath.Join(t.TempDir(), "copy")
		if err := os.WriteFile(to, copied, 0o600); err != nil {
			t.Fatal(err)
		}
		if said := imgtest.Run(t, "fsck.vfat", "-n", to); strings.Contains(said, "irty") {
			t.Error(said)
		}
		for i, text := range map[int]string{0: "first kept ", 2: "second kept "} {
			if imgtest.Run(t, "mtype", "-i", to, fmt.Sprint("::EFI/", i)) != strings.Repeat(text, 20_000) {
				t.Errorf("FAT%d: file %d is another one", bits, i)
			}
		}
		if label, err := f.Label(); label != "LABEL" || err != nil {
			t.Errorf("FAT%d: label %q, %v", bits, label, err)
		}
	}
}

// TestCheck damages tables; a sound one has no problem, and fsck.vfat is of the same opinion.
func TestCheck(t *testing.T) {
	le := binary.LittleEndian
	for name, c := range map[string]struct {
		bits   int
		damage func(first, second int64) (at int64, b []byte) // of the tables' first bytes
		want   string
	}{
		"sound 12":    {12, nil, ""},
		"sound 16":    {16, nil, ""},
		"sound 32":    {32, nil, ""},
		"unlike":      {16, func(_, second int64) (int64, []byte) { return second + 8, []byte{0x55} }, "FAT 2 is not as the first one"},
		"medium":      {32, func(first, _ int64) (int64, []byte) { return first, []byte{0xf0} }, "its medium is 0xf8"},
		"beyond":      {16, func(first, _ int64) (int64, []byte) { return first + 2*5, le.AppendUint16(nil, 0xff00) }, "goes on in cluster 65280, and there are those from 2 to"},
		"to the head": {12, func(first, _ int64) (int64, []byte) { return first + 6, []byte{1, 0} }, "cluster 4 goes on in cluster 1,"},
		"two files":   {32, func(first, _ int64) (int64, []byte) { return first + 4*20, le.AppendUint32(nil, 12) }, "cluster 12 belongs to two files"},
		"freed":       {16, func(first, _ int64) (int64, []byte) { return first + 2*10, []byte{0, 0} }, "goes on in cluster 10, which is free"},
	} {
		t.Run(name, func(t *testing.T) {
			file := image(t, c.bits)
			boot := make([]byte, 512)
			f, _ := imgtest.OpenImage(t, file)
			if _, err := f.ReadAt(boot, 0); err != nil {
				t.Fatal(err)
			}
			size := int64(le.Uint16(boot[22:]))
			if size == 0 {
				size = int64(le.Uint32(boot[36:]))
			}
			if c.damage != nil {
				first := int64(le.Uint16(boot[14:])) * 512
				at, b := c.damage(first, first+size*512)
				imgtest.Patch(t, file, at, b)
			}
			parsed, err := open(t, file)
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			if err := parsed.Check(func(problem string) { said = append(said, problem) }); err != nil {
				t.Fatal(err)
			}
			if (len(said) > 0) != (c.want != "") || !strings.Contains(strings.Join(said, "\n"), c.want) {
				t.Errorf("%q, want %q", said, c.want)
			}
		})
	}
}

// TestOpenNone opens what is no FAT, or one that is cut off.
func TestOpenNone(t *testing.T) {
	name := image(t, 16)
	if err := os.Truncate(name, 10<<20); err != nil {
		t.Fatal(err)
	}
	zero := filepath.Join(t.TempDir(), "zero")
	if err := errors.Join(os.WriteFile(zero, nil, 0o600), os.Truncate(zero, 1<<20)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{name, zero} {
		if f, err := open(t, name); !errors.Is(err, fat.ErrNone) {
			t.Errorf("%+v, %v", f, err)
		}
	}
	if f, err := fat.Open(strings.NewReader("short"), 5); !errors.Is(err, fat.ErrNone) {
		t.Errorf("%+v, %v", f, err)
	}
}

// FuzzFAT reads FATs of which head and table are anything: what is said to be in use lies
// within them, in order.
func FuzzFAT(f *testing.F) {
	boot := make([]byte, 512)
	copy(boot, "\xeb\x3c\x90mkfs.fat\x00\x02\x04\x04\x00\x02\x00\x02\x00\x01\xf8\x02\x00")
	copy(boot[510:], "\x55\xaa")
	f.Add(boot, []byte{0xf8, 0xff, 0xff, 3, 0x40, 0})
	f.Fuzz(func(t *testing.T, head, table []byte) {
		const size = 128 << 10
		disk := make([]byte, size)
		copy(disk, head)
		copy(disk[512:], table)
		parsed, err := fat.Open(bytes.NewReader(disk), size)
		if err != nil {
			return
		}
		_ = parsed.Check(func(string) {})
		_, _ = parsed.Label()
		used, err := parsed.Used()
		end := int64(0)
		for _, u := range used {
			if err == nil && (u.Off < end || u.Len <= 0 || u.Off+u.Len > size) {
				t.Fatalf("%v of %+v", used, parsed)
			}
			end = u.Off + u.Len
		}
	})
}
