package initrd_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/initrd"
)

// list returns the names in an initrd.
func list(b []byte) (names []string, err error) {
	err = initrd.Walk(bytes.NewReader(b), func(e initrd.Entry) error {
		names = append(names, e.Name)
		return nil
	})
	return names, err
}

// archive has cpio make an archive of files; each has its own name as content, and the
// largest is larger than the blocks of all compressors.
func archive(t *testing.T, files ...string) []byte {
	t.Helper()
	imgtest.NeedTool(t, "cpio")
	dir := t.TempDir()
	for i, name := range files {
		text := strings.Repeat(name+"\n", 1+i*2000)
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("cpio", "-o", "-H", "newc", "--quiet")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(strings.Join(files, "\n")+"\n")
	b, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pack has a program compress.
func pack(t *testing.T, b []byte, program string, args ...string) []byte {
	t.Helper()
	imgtest.NeedTool(t, program)
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", program, args, err)
	}
	return out
}

// The ways in which dracut, initramfs-tools and mkinitcpio call the compressors, and some
// more forms that these write.
var packers = [][]string{
	{"gzip", "-n", "-9"},
	{"xz", "--check=crc32", "--lzma2=dict=1MiB", "-T0"},
	{"xz", "--check=crc32", "-6"},
	{"xz", "--check=none", "-T2", "--block-size=256KiB"},
	{"xz", "--check=sha256", "-0"},
	{"xz", "--format=lzma", "-9"},
	{"zstd", "-q", "-15", "-T0"},
	{"zstd", "-q", "-1"},
	{"lz4", "-q", "-9", "-l"},
	{"lz4", "-q", "-9"},
	{"bzip2", "-9"},
}

// TestWalk lists initrds as compressors make them, with archives of microcode in front.
func TestWalk(t *testing.T) {
	early := archive(t, "kernel/x86/microcode/GenuineIntel.bin")
	early = append(early, make([]byte, 1024)...)
	files := []string{"init", "usr/lib/modules/6.1/kernel/fs/ext4/ext4.ko", "bin/busybox", "etc/long-" + strings.Repeat("n", 200)}
	main := archive(t, files...)
	plain := append(slices.Clone(early), main...)
	want := append([]string{"kernel/x86/microcode/GenuineIntel.bin"}, files...)
	if names, err := list(plain); err != nil || !slices.Equal(names, want) {
		t.Errorf("plain: %q, %v", names, err)
	}
	for _, p := range packers {
		name := strings.Join(p, " ")
		packed := pack(t, main, p[0], p[1:]...)
		for _, front := range [][]byte{nil, early} {
			want := want[1-len(front)/len(early):]
			names, err := list(append(slices.Clone(front), packed...))
			if err != nil || !slices.Equal(names, want) {
				t.Errorf("%s, %d bytes in front: %q, %v", name, len(front), names, err)
			}
		}
		for _, n := range []int{len(packed) / 2, 20, 7} {
			if names, err := list(packed[:n]); err == nil {
				t.Errorf("%s: %d bytes of %d are %q", name, n, len(packed), names)
			}
		}
		if p[0] == "gzip" || p[0] == "xz" && !strings.Contains(name, "format=lzma") {
			names, err := list(slices.Concat(packed, make([]byte, 8), early, early))
			if err != nil || !slices.Equal(names, slices.Concat(files, want[:1], want[:1])) {
				t.Errorf("%s, another one behind: %q, %v", name, names, err)
			}
		}
		if names, err := list(append(slices.Clone(packed), "\x00\x00rubbish"...)); p[0] != "gzip" && p[0] != "xz" && (err != nil || len(names) != len(files)) {
			t.Errorf("%s, rubbish behind: %q, %v", name, names, err)
		}
	}
}

// TestDamaged says what is wrong with a file, and stops where it is told to.
func TestDamaged(t *testing.T) {
	main := archive(t, "init", "bin/sh")
	for name, b := range map[string][]byte{
		"empty": nil, "zeros": make([]byte, 5000), "text": []byte("not an initrd at all\n"), "LZO": []byte("\x89LZO\x00\r\n\x1a\n"),
		"old cpio": []byte("070707000000"), "half a header": main[:50], "without a trailer": main[:300], "gzip of nothing": pack(t, nil, "gzip"),
		"gzip of text": pack(t, []byte("text that is no archive\n"), "gzip"), "size of a name": []byte(strings.Replace(string(main), "00000005", "ffffffff", 1)),
		"digits": []byte(strings.Replace(string(main), "070701", "070701xyz", 1)),
	} {
		if names, err := list(b); err == nil {
			t.Errorf("%s: %q", name, names)
		}
	}
	stop := errors.New("enough")
	for _, b := range [][]byte{main, pack(t, main, "zstd")} {
		n := 0
		err := initrd.Walk(bytes.NewReader(b), func(initrd.Entry) error { n++; return stop })
		if err != stop || n != 1 {
			t.Errorf("%d entries, %v", n, err)
		}
	}
}

// TestDictionary refuses what asks for more memory than an initrd needs.
func TestDictionary(t *testing.T) {
	b := pack(t, archive(t, "init"), "xz", "--check=none", "--lzma2=dict=128MiB")
	if _, err := list(b); err == nil || !strings.Contains(err.Error(), "dictionary of 134217728 bytes") {
		t.Errorf("a dictionary of 128 MiB: %v", err)
	}
	b = pack(t, archive(t, "init"), "xz", "--format=lzma", "-9")
	binary.LittleEndian.PutUint32(b[1:], 1<<30)
	if _, err := list(b); err == nil {
		t.Error("lzma: a dictionary of 1 GiB")
	}
}

// zeros is a file that grows without end in an archive.
type zeros struct{ head io.Reader }

func (z *zeros) Read(p []byte) (int, error) {
	if n, err := z.head.Read(p); err == nil {
		return n, nil
	}
	clear(p)
	return len(p), nil
}

// TestBounded ends although the archive does not.
func TestBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("two GiB of zeros, in one goroutine")
	}
	err := initrd.Walk(&zeros{bytes.NewReader(archive(t, "init"))}, func(initrd.Entry) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
}

func FuzzWalk(f *testing.F) {
	f.Add([]byte("070701"))
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"))
	f.Add([]byte("\xfd7zXZ\x00\x00\x01\x69\x22\xde\x36\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3"))
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x00"))
	f.Add([]byte("\x02\x21\x4c\x18\x04\x00\x00\x00"))
	f.Add([]byte("\x5d\x00\x00\x80\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_ = initrd.Walk(bytes.NewReader(b), func(e initrd.Entry) error {
			if n++; len(e.Name) > 4096 || e.Size < 0 {
				t.Errorf("%+v", e)
			}
			return nil
		})
	})
}
