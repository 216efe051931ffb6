package create_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/ext2img/imgtest"
)

// espMachine makes a machine whose EFI system partition, of so many MiB, has a vendor's
// shim and GRUB and no fallback. pad is the size of GRUB, in bytes.
func espMachine(t *testing.T, size int, pad int) (m *machine, id string) {
	t.Helper()
	id = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
	m = newMachine(t, 256*mib, func(image string) {
		imgtest.Run(t, "sgdisk", "-a", "1", "-n", fmt.Sprintf("15:2048:+%dM", size), "-t", "15:ef00", "-n", "1:131072:0", "-t", "1:8304", image)
	}, fs{1, "/", []string{"mkfs.ext4", "-q", "-b", "4096", "-U", id}}, fs{15, "", []string{"mkfs.vfat", "-n", "UEFI", "-i", "1234abcd"}})
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	put(t, m.root, map[string]string{"bin/sh": string(self[:4096]), "etc/os-release": "ID=debian\n", "etc/fstab": "UUID=" + id + " / ext4 defaults 0 1\n"})
	dir := t.TempDir()
	put(t, dir, map[string]string{"shimx64.efi": strings.Repeat("shim", 10_000), "grubx64.efi": strings.Repeat("grub", pad/4),
		"grub.cfg": "search.fs_uuid " + id + " root hd0,gpt1\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"})
	at := m.esp(t, m.image)
	imgtest.Run(t, "mmd", "-i", at, "::EFI", "::EFI/debian")
	for _, name := range []string{"shimx64.efi", "grubx64.efi", "grub.cfg"} {
		imgtest.Run(t, "mcopy", "-i", at, filepath.Join(dir, name), "::EFI/debian/"+name)
	}
	return m, id
}

// esp names the EFI system partition in a disk for mtools.
func (m *machine) esp(t *testing.T, image string) string {
	return fmt.Sprint(image, "@@", partition(t, m.Disk, 15).Start)
}

// TestESPCompleted bundles machines whose EFI system partition has no fallback.
func TestESPCompleted(t *testing.T) {
	const other = "9a93845b-f517-40d6-8cc3-bde11b2b0035"
	for _, tool := range []string{"mcopy", "mmd", "mtype", "mdir", "fsck.vfat"} {
		imgtest.NeedTool(t, tool)
	}
	for _, size := range []int{10, 40} { // FAT12, FAT16 or 32
		m, id := espMachine(t, size, 400_000)
		before, err := os.ReadFile(m.image)
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			flags    []string
			complete bool
			stub     string // the UUID in it
			edits    string
		}{
			"as it is":     {nil, true, id, "efi efi"},
			"another UUID": {[]string{"--uuid", other}, true, other, "uuid efi efi uuid"},
			"one left out": {[]string{"--uuid", other, "--edit-out", "efi"}, false, other, "uuid uuid"},
			"none":         {[]string{"--keep-files"}, false, id, ""},
		} {
			if size > 10 && name != "another UUID" {
				continue
			}
			b := m.bundle(t, c.flags...)
			at := m.esp(t, b.image)
			part := filepath.Join(t.TempDir(), "esp")
			imgtest.Run(t, "dd", "if="+b.image, "of="+part, "bs=1M", "skip=1", fmt.Sprint("count=", size), "status=none")
			imgtest.Run(t, "fsck.vfat", "-n", part)
			list := imgtest.Run(t, "mdir", "-/", "-b", "-i", at, "::")
			if got := strings.Contains(list, "BOOTX64.EFI"); got != c.complete {
				t.Errorf("%d MiB, %s: fallback %v\n%s", size, name, got, list)
			}
			if c.complete {
				for to, from := range map[string]string{"BOOT/BOOTX64.EFI": "debian/shimx64.efi", "BOOT/grubx64.efi": "debian/grubx64.efi"} {
					if a, b := imgtest.Run(t, "mtype", "-i", at, "::EFI/"+to), imgtest.Run(t, "mtype", "-i", m.esp(t, m.image), "::EFI/"+from); a != b {
						t.Errorf("%d MiB, %s: %s has %d bytes, not the %d of %s", size, name, to, len(a), len(b), from)
					}
				}
			}
			if stub := imgtest.Run(t, "mtype", "-i", at, "::EFI/debian/grub.cfg"); !strings.HasPrefix(stub, "search.fs_uuid "+c.stub+" root hd0,gpt1\n") {
				t.Errorf("%d MiB, %s: grub.cfg\n%s", size, name, stub)
			}
			var edits []string
			for _, e := range b.m.Edits {
				edits = append(edits, e.Name)
			}
			if got := strings.Join(edits, " "); got != c.edits {
				t.Errorf("%d MiB, %s: edits %q, want %q", size, name, got, c.edits)
			}
			if c.complete && !strings.Contains(b.said, "ESP:/EFI/BOOT/BOOTX64.EFI") {
				t.Errorf("%d MiB, %s: not told:\n%s", size, name, b.said)
			}
		}
		after, err := os.ReadFile(m.image)
		if esp := partition(t, m.Disk, 15); err != nil || !bytes.Equal(before[esp.Start:esp.Start+esp.Size], after[esp.Start:esp.Start+esp.Size]) {
			t.Errorf("%d MiB: SOURCE's partition is another, %v", size, err)
		}
	}
}

// TestESPFull has an EFI system partition without room for what it lacks: it is copied.
func TestESPFull(t *testing.T) {
	m, _ := espMachine(t, 10, 6_000_000)
	b := m.bundle(t)
	if list := imgtest.Run(t, "mdir", "-/", "-b", "-i", m.esp(t, b.image), "::"); strings.Contains(list, "BOOT/") || !strings.Contains(list, "debian/grubx64.efi") {
		t.Error(list)
	}
	if !slices.ContainsFunc(b.m.Warnings, func(w chunk.Warning) bool { return strings.Contains(w.Text, "no room left on the FAT file system") }) {
		t.Errorf("not told: %v", b.m.Warnings)
	}
}
