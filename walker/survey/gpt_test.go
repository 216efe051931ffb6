package survey_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/survey"
)

const (
	gptSize = 16 << 20 // bytes of the disks here
	lastLBA = gptSize/512 - 1
)

// threeParts makes a GPT with three partitions, of which the third one's number is
// the highest of count.
func threeParts(t testing.TB, count int) string {
	t.Helper()
	image := blank(t, gptSize)
	imgtest.Run(t, "sgdisk", "-S", fmt.Sprint(count), "-n", "2:4096:8191", "-n", "1:10240:20479", "-n", fmt.Sprintf("%d:20480:30719", count), image)
	return image
}

// load returns the content of an image.
func load(t testing.TB, image string) []byte {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readBytes reads a disk in memory.
func readBytes(b []byte) (*survey.Disk, error) {
	return survey.Read(bytes.NewReader(b), int64(len(b)), 512)
}

// header changes the header in a sector and puts its checksum right.
func header(disk []byte, lba int64, change func(b []byte)) {
	b := disk[lba*512:][:512]
	change(b)
	clear(b[16:20])
	size := min(binary.LittleEndian.Uint32(b[12:]), 512)
	binary.LittleEndian.PutUint32(b[16:], crc32.ChecksumIEEE(b[:size]))
}

// TestReadGPTDamage has both copies damaged in each way that there is: a damaged
// table is never read, and the other one is, which is told.
func TestReadGPTDamage(t *testing.T) {
	le := binary.LittleEndian
	whole := load(t, threeParts(t, 128))
	clean, err := readBytes(whole)
	if err != nil || len(clean.Notes) != 0 || len(clean.Partitions) != 3 {
		t.Fatalf("%+v, %v", clean, err)
	}
	in := func(change func(h []byte)) func(disk []byte, lba int64) {
		return func(disk []byte, lba int64) { header(disk, lba, change) }
	}
	for name, c := range map[string]struct {
		damage func(disk []byte, lba int64)
		cause  string
	}{
		"no signature":     {in(func(h []byte) { h[0] = 'e' }), "has no header"},
		"header checksum":  {func(disk []byte, lba int64) { disk[lba*512+56]++ }, "wrong checksum of the header"},
		"reserved":         {func(disk []byte, lba int64) { disk[lba*512+20]++ }, "wrong checksum of the header"},
		"header size":      {in(func(h []byte) { le.PutUint32(h[12:], 91) }), "a header of 91 bytes"},
		"header too big":   {in(func(h []byte) { le.PutUint32(h[12:], 513) }), "a header of 513 bytes"},
		"of other sector":  {in(func(h []byte) { le.PutUint64(h[24:], 7) }), "is of sector 7"},
		"many entries":     {in(func(h []byte) { le.PutUint32(h[80:], 1025) }), "1025 entries of 128 bytes"},
		"very many":        {in(func(h []byte) { le.PutUint32(h[80:], 1<<25) }), "33554432 entries of 128 bytes"},
		"large entries":    {in(func(h []byte) { le.PutUint32(h[84:], 8192) }), "128 entries of 8192 bytes"},
		"small entries":    {in(func(h []byte) { le.PutUint32(h[84:], 64) }), "128 entries of 64 bytes"},
		"odd entries":      {in(func(h []byte) { le.PutUint32(h[84:], 136) }), "128 entries of 136 bytes"},
		"entries in front": {in(func(h []byte) { le.PutUint64(h[72:], 1) }), "entries in sector 1"},
		"entries behind":   {in(func(h []byte) { le.PutUint64(h[72:], lastLBA+1) }), "entries in sector 32768"},
		"far behind":       {in(func(h []byte) { le.PutUint64(h[72:], 1<<63) }), "entries in sector 9223372036854775808"},
		"entries at end":   {in(func(h []byte) { le.PutUint64(h[72:], lastLBA) }), "read 16384 bytes at 16776704"},
		"entries checksum": {in(func(h []byte) { h[88]++ }), "wrong checksum of the entries"},
		"usable":           {in(func(h []byte) { le.PutUint64(h[48:], 1<<40) }), "usable sectors 34 to 1099511627776"},
		"usable backwards": {in(func(h []byte) { le.PutUint64(h[40:], lastLBA) }), "usable sectors 32767 to 32734"},
		"entry": {func(disk []byte, lba int64) {
			array := int64(2)
			if lba != 1 {
				array = lba - 32
			}
			disk[array*512+40]++
		}, "wrong checksum of the entries"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, which := range []int64{1, lastLBA} {
				disk := bytes.Clone(whole)
				c.damage(disk, which)
				d, err := readBytes(disk)
				if err != nil {
					t.Fatal(err)
				}
				want := map[int64]string{1: "the first GPT is damaged", lastLBA: "the backup GPT is damaged"}[which]
				if len(d.Notes) != 1 || !strings.Contains(d.Notes[0], want) || !strings.Contains(d.Notes[0], c.cause) {
					t.Errorf("notes %q", d.Notes)
				}
				if d.Notes = nil; fmt.Sprint(d) != fmt.Sprint(clean) {
					t.Errorf("%+v, want %+v", d, clean)
				}
				c.damage(disk, lastLBA+1-which)
				if d, err := readBytes(disk); err == nil || !strings.Contains(err.Error(), "both GPTs are damaged") {
					t.Errorf("both: %+v, %v", d, err)
				}
			}
		})
	}
}

// TestReadGPTSizes has tables of the smallest and the largest size, and entries of
// another size than usual.
func TestReadGPTSizes(t *testing.T) {
	for _, count := range []int{4, 128, 256, 1024} {
		image := threeParts(t, count)
		d := mustRead(t, image)
		if n := likeSgdisk(t, image, d); n != 3 || d.Partitions[2].Number != count || len(d.Notes) != 0 {
			t.Errorf("%d entries: %+v", count, d)
		}
	}
	disk := load(t, threeParts(t, 128))
	want, err := readBytes(disk)
	if err != nil {
		t.Fatal(err)
	}
	var wide []byte
	for i := range 64 {
		wide = append(wide, disk[1024+i*128:][:128]...)
		wide = append(wide, bytes.Repeat([]byte{0xee}, 128)...)
	}
	copy(disk[1024:], wide)
	header(disk, 1, func(b []byte) {
		binary.LittleEndian.PutUint32(b[80:], 64)
		binary.LittleEndian.PutUint32(b[84:], 256)
		binary.LittleEndian.PutUint32(b[88:], crc32.ChecksumIEEE(wide))
	})
	d, err := readBytes(disk)
	if err != nil || len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "backup GPT differs") || fmt.Sprint(d.Partitions) != fmt.Sprint(want.Partitions[:2]) {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestReadGPTGrown has a disk that became larger after it was divided.
func TestReadGPTGrown(t *testing.T) {
	image := threeParts(t, 128)
	if err := os.Truncate(image, 2*gptSize); err != nil {
		t.Fatal(err)
	}
	d := mustRead(t, image)
	if len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "not at the end") || len(d.Partitions) != 3 {
		t.Errorf("%+v", d)
	}
	imgtest.Run(t, "sgdisk", "-e", image)
	if d := mustRead(t, image); len(d.Notes) != 0 {
		t.Errorf("%q", d.Notes)
	}
	if err := os.Truncate(image, gptSize/2); err != nil { // without its backup
		t.Fatal(err)
	}
	if d, err := read(t, image); err == nil {
		t.Errorf("half a disk: %+v", d)
	}
}

// TestReadGPTMBR has dos tables beside a GPT: a hybrid one, one marked active, and
// one that does not protect it, which makes Linux look at no GPT.
func TestReadGPTMBR(t *testing.T) {
	image := threeParts(t, 128)
	imgtest.Run(t, "sgdisk", "-h", "2", image)
	d := mustRead(t, image)
	if len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "hybrid") || d.Table != "gpt" || len(d.Partitions) != 3 || d.ProtectiveActive {
		t.Errorf("%+v", d)
	}
	image = threeParts(t, 128)
	imgtest.Patch(t, image, 446, []byte{0x80})
	if d := mustRead(t, image); !d.ProtectiveActive || len(d.Notes) != 0 {
		t.Errorf("%+v", d)
	}
	sfdisk(t, image, "label: dos\nunit: sectors\n\n2048,2048,83\n") // leaves the backup
	d = mustRead(t, image)
	likeSfdisk(t, image, d)
	if len(d.Partitions) != 1 {
		t.Errorf("%+v", d)
	}
}

// TestReadGPTBad has tables that are whole and say what cannot be.
func TestReadGPTBad(t *testing.T) {
	whole := load(t, threeParts(t, 128))
	for name, c := range map[string]struct {
		number, start, end uint64
		want               string
	}{
		"overlap":    {3, 8191, 9000, "partitions 2 and 3 overlap"},
		"backwards":  {3, 9000, 8999, "partition 3 has sectors 9000 to 8999"},
		"the table":  {3, 1, 10, "partition 3 has sectors 1 to 10"},
		"the backup": {3, 30720, lastLBA, "partition 3 has sectors"},
		"no end":     {3, 30720, 1<<64 - 1, "partition 3 has sectors"},
		"good":       {3, 8192, 9000, ""},
	} {
		disk := bytes.Clone(whole)
		entries := disk[1024:][:128*128]
		e := entries[(c.number-1)*128:]
		e[0], e[16] = 1, 1
		binary.LittleEndian.PutUint64(e[32:], c.start)
		binary.LittleEndian.PutUint64(e[40:], c.end)
		header(disk, 1, func(b []byte) { binary.LittleEndian.PutUint32(b[88:], crc32.ChecksumIEEE(entries)) })
		d, err := readBytes(disk)
		if c.want == "" && (err != nil || len(d.Partitions) != 4) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

// TestReadGPT4K has a disk with sectors of 4 KiB: the same table in other places.
func TestReadGPT4K(t *testing.T) {
	imgtest.RequireRoot(t)
	const size = 64 << 20
	image := blank(t, size)
	loop := strings.TrimSpace(imgtest.Run(t, "losetup", "-f", "--show", "-b", "4096", image))
	t.Cleanup(func() { imgtest.Run(t, "losetup", "-d", loop) })
	imgtest.Run(t, "sgdisk", "-n", "1:256:2047", "-t", "1:ef00", "-n", "2:2048:8191", loop)
	imgtest.Run(t, "mkfs.ext4", "-q", "-F", "-E", "offset=8388608", loop, "20M")
	f, err := os.Open(loop)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := survey.Read(f, size, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Partitions) != 2 || d.ESP != 0 || d.Partitions[1].Start != 8<<20 || d.Partitions[1].Size != 24<<20 || d.Partitions[1].FileSystem == nil {
		t.Errorf("%+v", d)
	}
	if _, err := survey.Read(f, size, 512); err == nil {
		t.Error("read with sectors of 512 bytes")
	}
}
