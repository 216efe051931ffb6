package grubimage_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/grubimage"
)

// TestCore has grub-mkimage make what a BIOS starts, with other file systems in it.
func TestCore(t *testing.T) {
	for _, fs := range []string{"ext2", "xfs", "btrfs"} {
		b := mkimage(t, "i386-pc", "(,gpt1)/boot/grub", "biosdisk", "part_gpt", fs)
		for name, b := range map[string][]byte{"alone": b, "in a partition": append(slices.Clone(b), make([]byte, 64<<10)...)} {
			image, err := grubimage.Core(b)
			if err != nil {
				t.Fatalf("%s, %s: %v", fs, name, err)
			}
			for _, module := range []string{"ext2", "xfs", "btrfs", "biosdisk"} {
				if image.Has(module) != (module == fs || module == "biosdisk") {
					t.Errorf("%s, %s: %s: %q", fs, name, module, image.Modules)
				}
			}
			if image.Prefix != "(,gpt1)/boot/grub" {
				t.Errorf("%s, %s: prefix %q", fs, name, image.Prefix)
			}
		}
		for name, b := range map[string][]byte{"cut": b[:len(b)-100], "head": b[:600], "empty": nil, "zeros": make([]byte, 64<<10)} {
			if image, err := grubimage.Core(b); !errors.Is(err, grubimage.ErrNone) {
				t.Errorf("%s: %v, %v", name, image, err)
			}
		}
	}
}

// TestEFI reads a program for EFI firmware.
func TestEFI(t *testing.T) {
	for _, format := range []string{"x86_64-efi"} {
		b := mkimage(t, format, "/EFI/debian", "part_gpt", "ext2", "search_fs_uuid")
		image, err := grubimage.EFI(b)
		if err != nil || !image.Has("ext2") || !image.Has("search_fs_uuid") || image.Has("xfs") || image.Prefix != "/EFI/debian" {
			t.Errorf("%s: %+v, %v", format, image, err)
		}
		if signed, err := grubimage.Signed(b); signed || err != nil {
			t.Errorf("%s: signed %v, %v", format, signed, err)
		}
		if _, err := grubimage.EFI(b[:1000]); err == nil {
			t.Errorf("%s: a part of it is one", format)
		}
	}
	if _, err := grubimage.Signed([]byte("MZ")); err == nil {
		t.Error("two letters are a program")
	}
}

// mkimage makes an image, or skips the test where GRUB's modules of that kind are not
// installed.
func mkimage(t *testing.T, format, prefix string, modules ...string) []byte {
	t.Helper()
	imgtest.NeedTool(t, "grub-mkimage")
	if _, err := os.Stat("/usr/lib/grub/" + format); err != nil {
		t.Skip(err)
	}
	name := filepath.Join(t.TempDir(), "image")
	imgtest.Run(t, "grub-mkimage", append([]string{"-O", format, "-o", name, "-p", prefix}, modules...)...)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzImages reads anything: no panic, and no more memory than bounds allow.
func FuzzImages(f *testing.F) {
	f.Add([]byte("MZ"))
	f.Add(append(make([]byte, 512), "\xea\x1c\x82\x00\x00\x00\x00\x00\x20\x00\x00\x00\x40\x00\x00\x00mimg"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, read := range []func([]byte) (*grubimage.Image, error){grubimage.Core, grubimage.EFI} {
			if image, err := read(b); err == nil && image == nil {
				t.Error("no image and no error")
			}
		}
		_, _ = grubimage.Signed(b)
	})
}
