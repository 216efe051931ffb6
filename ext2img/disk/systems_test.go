package disk_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/ext2img/disk"
	"purebundle/ext2img/imgtest"
)

// plan lays out an image of the directory dir, whose files it opens there.
func plan(t *testing.T, dir string, p ext2img.Params) *ext2img.Plan {
	t.Helper()
	p.PartSize = partSize
	b := ext2img.NewBuilder(p)
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add("/", ext2img.File{Mode: unix.S_IFDIR | 0o755}); err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, n.Name()), &st); err != nil {
			t.Fatal(err)
		}
		at := func(ts unix.Timespec) ext2img.Time { return ext2img.Time{Sec: ts.Sec, Nsec: uint32(ts.Nsec)} }
		if err := b.Add("/"+n.Name(), ext2img.File{Mode: st.Mode, Size: st.Size, Dev: st.Dev, Ino: st.Ino, Nlink: 1, Mtime: at(st.Mtim), Ctime: at(st.Ctim)}); err != nil {
			t.Fatal(err)
		}
	}
	made, err := b.Layout(func(path string, st *unix.Stat_t) (int, error) {
		fd, err := unix.Open(filepath.Join(dir, path), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Fstat(fd, st)
		}
		return fd, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestFileSystems makes a disk with two file systems, in both of which files change and
// vanish while they are read: each is as its files are in the end, and the report has all
// of it by the paths of the tree.
func TestFileSystems(t *testing.T) {
	esp, _ := espImage(t, 10*mib, 12)
	table := debian(bytes.NewReader(randomBytes(5, int(3*mib))), open(t, esp), 10*mib)
	const bootSize = 37*mib + 512 // its end is no whole block, no whole part
	table.Partitions = append(table.Partitions, disk.Partition{Number: 16, Type: typeRoot, UUID: "41111111-2222-4333-8444-555555555555", Name: "boot", Start: 900 * mib, Size: bootSize})
	l, err := disk.Place(table, partSize)
	if err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{"/": t.TempDir(), "/boot": t.TempDir()}
	for at, dir := range dirs {
		for i, size := range []int{12_000_000, 100, 4_000_000} {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), randomBytes(uint64(len(at)+i), size), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	p, err := l.Params(ext2img.Params{UUID: [16]byte{1}, Free: 20 * mib})
	if err != nil {
		t.Fatal(err)
	}
	root, boot := plan(t, dirs["/"], p), plan(t, dirs["/boot"], ext2img.Params{Size: bootSize / 4096 * 4096, UUID: [16]byte{2}, Label: "BOOT"})
	m, err := l.Image(disk.FileSystem{Number: 1, Plan: root}, disk.FileSystem{Number: 16, At: "/boot", Plan: boot})
	if err != nil {
		t.Fatal(err)
	}
	if stats := m.Stats(); stats.DataBytes != 32_000_200 || stats.FSSize != root.Stats().FSSize {
		t.Errorf("%+v", stats)
	}
	if used, parts := m.Used(), m.Parts(); used <= root.Used()+boot.Used() || used > int64(len(parts.Data)+len(parts.Meta))*partSize {
		t.Errorf("%d bytes used, of %v", used, parts)
	}
	changed := make(map[string]bool)
	image, report := write(t, m, func(part int) {
		for at, dir := range dirs {
			p := partition(t, m, map[string]int{"/": 1, "/boot": 16}[at])
			if at := int(p.Start / partSize); changed[dir] || part < at || at+int(p.Size/partSize) < part {
				continue
			}
			changed[dir] = true
			if err := os.WriteFile(filepath.Join(dir, "file0"), bytes.Repeat([]byte(at), 1_000_000/len(at)), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(dir, "file1")); err != nil {
				t.Fatal(err)
			}
		}
	})
	if len(changed) != 2 {
		t.Fatalf("changed %v", changed)
	}
	var said []string
	for _, c := range report.Changes {
		said = append(said, fmt.Sprint(c.Path, " ", c.Kind))
	}
	if !slices.IsSorted(said) || !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, "/boot/file0 ") }) || !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, "/file0 ") }) {
		t.Errorf("%q", said)
	}
	if verify := imgtest.Run(t, "sgdisk", "-v", image); !strings.Contains(verify, "No problems found") {
		t.Error(verify)
	}
	if info := imgtest.Run(t, "sgdisk", "-i", "16", image); !strings.Contains(info, "Partition name: 'boot'") || !strings.Contains(info, fmt.Sprintf("size: %d sectors", bootSize/512)) {
		t.Error(info)
	}
	for at, dir := range dirs {
		p := partition(t, m, map[string]int{"/": 1, "/boot": 16}[at])
		if p.Start%partSize != 0 {
			t.Errorf("%s begins at byte %d", at, p.Start)
		}
		file := piece(t, image, p)
		imgtest.Fsck(t, file)
		mnt := imgtest.Mount(t, file)
		for _, name := range []string{"file0", "file2"} {
			want, err1 := os.ReadFile(filepath.Join(dir, name))
			have, err2 := os.ReadFile(filepath.Join(mnt, name))
			if err1 != nil || err2 != nil || !bytes.Equal(want, have) {
				t.Errorf("%s of %s: %d bytes instead of %d, %v, %v", name, at, len(have), len(want), err1, err2)
			}
		}
	}
	if p, r := partition(t, m, 16), partition(t, m, 1); p.Start+p.Size > r.Start || p.Size != bootSize {
		t.Errorf("root at %d, /boot of %d bytes at %d", r.Start, p.Size, p.Start)
	}
}

// TestFileSystemsRefused joins a layout with file systems that are not those of its table.
func TestFileSystemsRefused(t *testing.T) {
	table := debian(nil, nil, 0)
	table.Partitions = append(table.Partitions[:1], disk.Partition{Number: 16, Type: typeRoot, UUID: "41111111-2222-4333-8444-555555555555", Size: 30 * mib})
	l, err := disk.Place(table, partSize)
	if err != nil {
		t.Fatal(err)
	}
	of := func(number int, size int64) disk.FileSystem {
		return disk.FileSystem{Number: number, Plan: plan(t, t.TempDir(), ext2img.Params{Size: size})}
	}
	for want, systems := range map[string][]disk.FileSystem{
		"no file system is made for it": {of(1, 0)},
		"its file system has 41943040":  {of(1, 0), of(16, 40*mib)},
		"its file system has 10485760":  {of(1, 0), of(16, 10*mib)},
		"3 file systems for 2":          {of(1, 0), of(16, 30*mib), of(3, 0)},
	} {
		if _, err := l.Image(systems...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
