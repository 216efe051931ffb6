package disk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/ext2img/disk"
	"purebundle/ext2img/imgtest"
	"purebundle/walker/fat"
)

const (
	mib      = int64(1) << 20
	partSize = 10 * mib

	typeESP  = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	typeBIOS = "21686148-6449-6e6f-744e-656564454649"
	typeRoot = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
)

// espImage makes an EFI system partition of size bytes with some files, one of them
// deleted again, marked as mounted. It returns the image and what it may not hold.
func espImage(t *testing.T, size int64, bits int) (image string, deleted []byte) {
	t.Helper()
	for _, tool := range []string{"mkfs.vfat", "mmd", "mcopy", "mdel", "fsck.vfat", "sgdisk"} {
		imgtest.NeedTool(t, tool)
	}
	dir := t.TempDir()
	image = filepath.Join(dir, "esp")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "mkfs.vfat", "-F", fmt.Sprint(bits), "-n", "UEFI", "-i", "1234abcd", image)
	imgtest.Run(t, "mmd", "-i", image, "::EFI", "::EFI/BOOT", "::EFI/debian")
	deleted = bytes.Repeat([]byte("deleted "), 64<<10)
	for name, content := range map[string][]byte{
		"EFI/BOOT/gone.bin":    deleted,
		"EFI/BOOT/BOOTX64.EFI": randomBytes(1, 900_001),
		"EFI/debian/grub.cfg":  []byte("search.fs_uuid x root\n"),
	} {
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		imgtest.Run(t, "mcopy", "-i", image, file, "::"+name)
	}
	imgtest.Run(t, "mdel", "-i", image, "::EFI/BOOT/gone.bin")
	state := int64(0x25)
	if bits == 32 {
		state = 0x41
	}
	imgtest.Patch(t, image, state, []byte{1})
	return image, deleted
}

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// open opens an image for reading until the test ends.
func open(t *testing.T, image string) *disk.Device {
	t.Helper()
	f, err := disk.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// asFAT has a partition copied as far as the FAT in it is in use.
func asFAT(t *testing.T, p disk.Partition) disk.Partition {
	t.Helper()
	f, err := fat.Open(p.Content, p.Size)
	if err != nil {
		t.Fatal(err)
	}
	p.Content, p.Used = f, func() (list []ext2img.Range, err error) {
		used, err := f.Used()
		for _, u := range used {
			list = append(list, ext2img.Range(u))
		}
		return list, err
	}
	return p
}

// debian returns the table of Debian's cloud images.
func debian(bios io.ReaderAt, esp io.ReaderAt, espSize int64) *disk.Table {
	return &disk.Table{
		Kind: disk.GPT, ID: "01020304-0506-4708-890a-0b0c0d0e0f10", BootCode: randomBytes(3, disk.BootCodeSize), Active: true,
		Partitions: []disk.Partition{
			{Number: 1, Type: typeRoot, UUID: "11111111-2222-4333-8444-555555555555", Name: "root", Root: true},
			{Number: 14, Type: typeBIOS, UUID: "21111111-2222-4333-8444-555555555555", Start: 2048 * 512, Size: 3 * mib, Content: bios},
			{Number: 15, Type: typeESP, UUID: "31111111-2222-4333-8444-555555555555", Name: "ESP", Attributes: 1, Start: 8192 * 512, Size: espSize, Content: esp},
		},
	}
}

// tree lays out a small tree as the root of a disk.
func tree(t *testing.T, l *disk.Layout, p ext2img.Params) (*disk.Image, error) {
	t.Helper()
	p.PartSize, p.Label, p.UUID = partSize, "root", [16]byte{1, 2, 3}
	p, err := l.Params(p)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, randomBytes(2, 5_000_000), 0o644); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		t.Fatal(err)
	}
	at := func(ts unix.Timespec) ext2img.Time { return ext2img.Time{Sec: ts.Sec, Nsec: uint32(ts.Nsec)} }
	b := ext2img.NewBuilder(p)
	for _, e := range []struct {
		path string
		file ext2img.File
	}{
		{"/", ext2img.File{Mode: unix.S_IFDIR | 0o755}},
		{"/etc", ext2img.File{Mode: unix.S_IFDIR | 0o755}},
		{"/etc/link", ext2img.File{Mode: unix.S_IFLNK | 0o777, Target: "elsewhere", Size: 9}},
		{"/file", ext2img.File{Mode: st.Mode, Size: st.Size, Dev: st.Dev, Ino: st.Ino, Mtime: at(st.Mtim), Ctime: at(st.Ctim)}},
	} {
		if err := b.Add(e.path, e.file); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := b.Layout(func(path string, st *unix.Stat_t) (int, error) {
		fd, err := unix.Open(file, unix.O_RDONLY, 0)
		if err == nil {
			err = unix.Fstat(fd, st)
		}
		return fd, err
	})
	if err != nil {
		return nil, err
	}
	return l.Image(disk.FileSystem{Number: 1, Plan: plan})
}

// laidOut lays out a disk with this table around a small tree.
func laidOut(t *testing.T, table *disk.Table) (*disk.Layout, *disk.Image) {
	t.Helper()
	l, err := disk.Place(table, partSize)
	if err != nil {
		t.Fatal(err)
	}
	m, err := tree(t, l, ext2img.Params{})
	if err != nil {
		t.Fatal(err)
	}
	return l, m
}

// write makes a disk in a file and checks that each part is made, and zero if it is said to
// be; each, if it is not nil, is called after each part.
func write(t *testing.T, m *disk.Image, each func(part int)) (string, ext2img.Report) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(m.Size()); err != nil {
		t.Fatal(err)
	}
	made := make(map[int]bool)
	var zeros []int // in a goroutine of its own
	report, err := m.Make(t.Context(), ext2img.Output{
		Parts: func(_ context.Context, b ext2img.Batch) error {
			for _, part := range b.Parts {
				off := int64(part) * partSize
				if _, err := io.Copy(io.NewOffsetWriter(f, off), io.NewSectionReader(b.Image, off, partSize)); err != nil {
					return err
				}
				made[part] = true
				if each != nil {
					each(part)
				}
			}
			return nil
		},
		Zeros: func(_ context.Context, parts []int) error {
			zeros = append(zeros, parts...)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range zeros {
		if made[part] {
			t.Errorf("part %d is made, and zero", part)
		}
	}
	if int64(len(made))*partSize > m.Size() {
		t.Errorf("%d parts of %d bytes", len(made), m.Size())
	}
	return image, report
}

// piece copies a partition of a disk into a file.
func piece(t *testing.T, image string, p disk.Partition) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), fmt.Sprint("p", p.Number))
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, buf := open(t, image), make([]byte, mib)
	for off := int64(0); off < p.Size; off += mib {
		n, err := in.ReadAt(buf[:min(mib, p.Size-off)], p.Start+off)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(buf[:n], []byte{0}) == n {
			continue
		}
		if _, err := out.WriteAt(buf[:n], off); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Truncate(p.Size); err != nil {
		t.Fatal(err)
	}
	return name
}

func partition(t *testing.T, m *disk.Image, number int) disk.Partition {
	t.Helper()
	i := slices.IndexFunc(m.Table().Partitions, func(p disk.Partition) bool { return p.Number == number })
	if i < 0 {
		t.Fatalf("no partition %d", number)
	}
	return m.Table().Partitions[i]
}

// TestGPT makes disks with Debian's table and has sgdisk, fsck.vfat, mtools and e2fsck
// judge them.
func TestGPT(t *testing.T) {
	for _, c := range []struct {
		bits    int
		espSize int64
		size    int64
	}{
		{16, 124 * mib, 0},
		{32, 300 * mib, 0},
		{12, 10 * mib, 0},
		{16, 124 * mib, 2 << 30},
		{16, 124 * mib, 160 * mib},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			esp, deleted := espImage(t, c.espSize, c.bits)
			bios := randomBytes(5, int(3*mib))
			table := debian(bytes.NewReader(bios), open(t, esp), c.espSize)
			table.Partitions[2] = asFAT(t, table.Partitions[2])
			l, err := disk.Place(table, partSize)
			if err != nil {
				t.Fatal(err)
			}
			m, err := tree(t, l, ext2img.Params{Size: c.size})
			if err != nil {
				t.Fatal(err)
			}
			if c.size != 0 && m.Size() != (c.size+partSize-1)/partSize*partSize {
				t.Errorf("the disk has %d bytes, want %d", m.Size(), c.size)
			}
			parts := m.Parts()
			all := slices.Concat(parts.Data, parts.Meta, parts.Zero)
			slices.Sort(all)
			if len(all) != int(m.Size()/partSize) || len(slices.Compact(all)) != len(all) {
				t.Errorf("%d parts in the plan, of %d", len(all), m.Size()/partSize)
			}
			image, report := write(t, m, nil)
			if len(report.Warnings)+len(report.Changes) > 0 {
				t.Error(report)
			}

			verify := imgtest.Run(t, "sgdisk", "-v", image)
			if !strings.Contains(verify, "No problems found") {
				t.Error(verify)
			}
			for number, want := range map[int][]string{
				1:  {"Partition unique GUID: 11111111-2222-4333-8444-555555555555", "Partition name: 'root'", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"},
				14: {"First sector: 2048 ", "BIOS boot partition"},
				15: {"First sector: 8192 ", "EFI system partition", "Attribute flags: 0000000000000001", "Partition name: 'ESP'"},
			} {
				info := imgtest.Run(t, "sgdisk", "-i", fmt.Sprint(number), image)
				for _, w := range want {
					if !strings.Contains(info, w) {
						t.Errorf("partition %d: no %q in:\n%s", number, w, info)
					}
				}
			}
			if info := imgtest.Run(t, "sgdisk", "-p", image); !strings.Contains(info, "01020304-0506-4708-890A-0B0C0D0E0F10") {
				t.Error(info)
			}

			head := make([]byte, 512)
			if _, err := open(t, image).ReadAt(head, 0); err != nil || !bytes.Equal(head[:disk.BootCodeSize], randomBytes(3, disk.BootCodeSize)) || head[0x1be] != 0x80 {
				t.Error("other boot code", err)
			}
			if got, err := os.ReadFile(piece(t, image, partition(t, m, 14))); err != nil || !bytes.Equal(got, bios) {
				t.Error("other BIOS boot partition", err)
			}
			sameESP(t, esp, piece(t, image, partition(t, m, 15)), deleted)

			root := partition(t, m, 1)
			if root.Start%partSize != 0 || root.Start+root.Size+disk.Tail != m.Size() {
				t.Errorf("root at %d, %d bytes", root.Start, root.Size)
			}
			fs := piece(t, image, root)
			imgtest.Fsck(t, fs)
			mnt := imgtest.Mount(t, fs)
			if got, err := os.ReadFile(filepath.Join(mnt, "file")); err != nil || !bytes.Equal(got, randomBytes(2, 5_000_000)) {
				t.Error("other file", err)
			}
		})
	}
}

// sameESP compares the files of two FATs, by mtools, and what else they hold.
func sameESP(t *testing.T, want, got string, deleted []byte) {
	t.Helper()
	if out := imgtest.Run(t, "fsck.vfat", "-n", got); strings.Contains(out, "irty") {
		t.Error(out)
	}
	list := func(image string) string { return imgtest.Run(t, "mdir", "-/", "-b", "-i", image, "::") }
	if a, b := list(want), list(got); a != b {
		t.Errorf("%s\nwant\n%s", b, a)
	}
	for _, name := range []string{"EFI/BOOT/BOOTX64.EFI", "EFI/debian/grub.cfg"} {
		if imgtest.Run(t, "mtype", "-i", want, "::"+name) != imgtest.Run(t, "mtype", "-i", got, "::"+name) {
			t.Errorf("%s is another file", name)
		}
	}
	label := func(image string) string {
		return imgtest.Run(t, "blkid", "-p", "-o", "export", "-s", "UUID", "-s", "LABEL", "-s", "VERSION", image)
	}
	if a, b := list(want), list(got); a != b {
		t.Errorf("%s\nwant\n%s", label(got), label(want))
	}
	b, err := os.ReadFile(got)
	if err != nil || bytes.Contains(b, deleted[:4096]) {
		t.Error("a deleted file is in the image", err)
	}
}

// TestDOS makes a disk with a DOS table and GRUB in the gap.
func TestDOS(t *testing.T) {
	imgtest.NeedTool(t, "sfdisk")
	gap := randomBytes(7, int(mib)-512)
	table := &disk.Table{
		Kind: disk.DOS, ID: "0xdeadbeef", BootCode: randomBytes(3, disk.BootCodeSize), Gap: bytes.NewReader(gap), GapSize: int64(len(gap)),
		Partitions: []disk.Partition{{Number: 1, Type: "83", Active: true, Root: true}},
	}
	l, m := laidOut(t, table)
	image, _ := write(t, m, nil)
	if out := imgtest.Run(t, "sfdisk", "--verify", image); !strings.Contains(out, "No errors detected") {
		t.Error(out)
	}
	dump := imgtest.Run(t, "sfdisk", "--dump", image)
	for _, want := range []string{"label: dos", "label-id: 0xdeadbeef", "type=83, bootable", fmt.Sprintf("start=%12d", l.Lead()/512)} {
		if !strings.Contains(dump, want) {
			t.Errorf("no %q in:\n%s", want, dump)
		}
	}
	got := make([]byte, mib)
	if _, err := open(t, image).ReadAt(got, 0); err != nil || !bytes.Equal(got[512:], gap) {
		t.Error("the gap is not the source's", err)
	}
	imgtest.Fsck(t, piece(t, image, partition(t, m, 1)))
}

// TestESPChanges changes the EFI system partition while the disk is made: what is in the
// image is one state of it, or the report says that it is not.
func TestESPChanges(t *testing.T) {
	for _, c := range []struct {
		name    string
		changes int // how often it changes, after a part was made
		warns   bool
	}{{"once", 1, false}, {"always", 100, true}} {
		t.Run(c.name, func(t *testing.T) {
			esp, deleted := espImage(t, 124*mib, 16)
			table := debian(bytes.NewReader(randomBytes(5, int(3*mib))), open(t, esp), 124*mib)
			table.Partitions[2] = asFAT(t, table.Partitions[2])
			l, err := disk.Place(table, partSize)
			if err != nil {
				t.Fatal(err)
			}
			m, err := tree(t, l, ext2img.Params{})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "new")
			changed := 0
			image, report := write(t, m, func(part int) {
				if part == 0 && changed < c.changes {
					changed++
					if err := os.WriteFile(file, randomBytes(uint64(changed), 40<<20), 0o600); err != nil {
						t.Fatal(err)
					}
					imgtest.Run(t, "mcopy", "-o", "-i", esp, file, "::EFI/new")
				}
			})
			if got := len(report.Warnings) > 0; got != c.warns || changed == 0 {
				t.Errorf("warnings %v, want %v; changed %d times", report.Warnings, c.warns, changed)
			}
			if !c.warns {
				sameESP(t, esp, piece(t, image, partition(t, m, 15)), deleted)
			}
		})
	}
}

// TestMoved places boot partitions that lie behind root on the source.
func TestMoved(t *testing.T) {
	esp, deleted := espImage(t, 10*mib, 12)
	table := debian(nil, nil, 0)
	table.Partitions = append(table.Partitions[:1], asFAT(t, disk.Partition{
		Number: 128, Type: typeESP, UUID: "31111111-2222-4333-8444-555555555555", Start: 80 << 30, Size: 10 * mib, Content: open(t, esp),
	}))
	_, m := laidOut(t, table)
	image, _ := write(t, m, nil)
	if out := imgtest.Run(t, "sgdisk", "-v", image); !strings.Contains(out, "No problems found") {
		t.Error(out)
	}
	sameESP(t, esp, piece(t, image, partition(t, m, 128)), deleted)
}

// TestRefused makes tables that cannot be.
func TestRefused(t *testing.T) {
	small := bytes.NewReader(make([]byte, mib))
	for name, c := range map[string]struct {
		change func(*disk.Table)
		want   string
	}{
		"kind":       {func(d *disk.Table) { d.Kind = "bsd" }, "neither gpt nor dos"},
		"no root":    {func(d *disk.Table) { d.Partitions = d.Partitions[1:] }, "0 root partitions"},
		"two roots":  {func(d *disk.Table) { d.Partitions[1].Root, d.Partitions[1].Content = true, nil }, "2 root partitions"},
		"copied":     {func(d *disk.Table) { d.Partitions[0].Content = small }, "root is made"},
		"twice":      {func(d *disk.Table) { d.Partitions[1].Number = 1 }, "twice"},
		"number":     {func(d *disk.Table) { d.Partitions[0].Number = 129 }, "from 1 to 128"},
		"logical":    {func(d *disk.Table) { d.Kind = disk.DOS }, "from 1 to 4"},
		"sectors":    {func(d *disk.Table) { d.Partitions[1].Size = 100 }, "no whole sectors"},
		"moved BIOS": {func(d *disk.Table) { d.Partitions[1].Start = 90 << 30 }, "GRUB's place"},
	} {
		t.Run(name, func(t *testing.T) {
			table := debian(small, small, mib)
			table.Partitions[1].Size = mib
			c.change(table)
			if _, err := disk.Place(table, partSize); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestTooSmall asks for disks that hold the boot partitions and nothing else.
func TestTooSmall(t *testing.T) {
	l, err := disk.Place(debian(bytes.NewReader(make([]byte, 3*mib)), bytes.NewReader(make([]byte, 124*mib)), 124*mib), partSize)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{1, 100 * mib, 130 * mib, 131 * mib} {
		if _, err := tree(t, l, ext2img.Params{Size: size}); err == nil || !strings.Contains(err.Error(), "does not hold") {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestDevice reads a device at all kinds of offsets, to its end, and what changes.
func TestDevice(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	content := randomBytes(9, int(3*mib)+1536)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	d := open(t, name)
	for _, c := range []struct{ off, size int64 }{{0, 1}, {0, 3*mib + 1536}, {511, 2}, {4095, 4098}, {mib - 1, mib + 2}, {3 * mib, 1536}, {3*mib + 1535, 1}} {
		got := make([]byte, c.size)
		if n, err := d.ReadAt(got, c.off); err != nil || n != len(got) || !bytes.Equal(got, content[c.off:c.off+c.size]) {
			t.Errorf("%d bytes at %d: %d, %v", c.size, c.off, n, err)
		}
	}
	got := make([]byte, 1000)
	if n, err := d.ReadAt(got, 3*mib+1000); !errors.Is(err, io.EOF) || n != 536 || !bytes.Equal(got[:n], content[3*mib+1000:]) {
		t.Errorf("beyond the end: %d, %v", n, err)
	}
	imgtest.Patch(t, name, 2*mib, []byte("changed"))
	if _, err := d.ReadAt(got[:7], 2*mib); err != nil || string(got[:7]) != "changed" {
		t.Errorf("%q, %v", got[:7], err)
	}
}
