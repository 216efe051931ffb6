package survey_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/survey"
)

// sfdisk makes a table from sfdisk's script.
func sfdisk(t testing.TB, image, script string) {
	t.Helper()
	imgtest.NeedTool(t, "sfdisk")
	cmd := exec.Command("sfdisk", "-q", image)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
}

// TestReadDOS has tables with primary and logical partitions, in any order on disk.
func TestReadDOS(t *testing.T) {
	for name, c := range map[string]struct {
		script  string
		numbers string
		gap     int64 // sectors
	}{
		"one":          {"2048,,83,*\n", "1", 2047},
		"four":         {"4096,2048,83\n2048,2048,82\n8192,2048,c\n10240,2048,ef,*\n", "1 2 3 4", 2047},
		"gaps":         {"/dev/x2: start=63,size=1000,type=83\n/dev/x4: start=4096,size=1000,type=83\n", "2 4", 62},
		"logical":      {"2048,2048,83,*\n8192,,5\n10240,2048,83\n14336,2048,82\n18432,,8e\n", "1 2 5 6 7", 2047},
		"LBA extended": {"2048,2048,83\n8192,,f\n10240,2048,83\n", "1 2 5", 2047},
		"only logical": {"2048,,5\n4096,2048,83\n8192,2048,83\n", "1 5 6", 2047},
		"empty":        {"", "", 262143},
		"no logical":   {"2048,2048,83\n8192,,5\n", "1 2", 2047},
	} {
		t.Run(name, func(t *testing.T) {
			image := blank(t, 128<<20)
			sfdisk(t, image, "label: dos\nlabel-id: 0x00adf00d\nunit: sectors\n\n"+c.script)
			d := mustRead(t, image)
			likeSfdisk(t, image, d)
			var numbers []string
			for _, p := range d.Partitions {
				numbers = append(numbers, fmt.Sprint(p.Number))
				if want := fmt.Sprintf("00adf00d-%02x", p.Number); p.UUID != want || p.Extended != (p.Type == "05" || p.Type == "0f") {
					t.Errorf("%+v, want UUID %s", p, want)
				}
				if p.Extended {
					continue
				}
				said := strings.TrimSpace(imgtest.Run(t, "partx", "-o", "UUID", "-g", "-n", fmt.Sprint(p.Number), image))
				if said != p.UUID {
					t.Errorf("UUID %s, partx says %s", p.UUID, said)
				}
			}
			if strings.Join(numbers, " ") != c.numbers || d.Gap != (survey.Range{Offset: 512, Size: c.gap * 512}) {
				t.Errorf("%q, gap %+v", numbers, d.Gap)
			}
			if esp := name == "four"; esp != (d.ESP == 3) || d.BIOS != -1 || d.Boot != -1 {
				t.Errorf("%+v", d)
			}
		})
	}
}

// TestReadDOSContent identifies what logical partitions hold.
func TestReadDOSContent(t *testing.T) {
	image := blank(t, 64<<20)
	sfdisk(t, image, "label: dos\nunit: sectors\n\n2048,20480,83\n32768,,5\n34816,20480,83\n65536,20480,c\n")
	imgtest.Run(t, "mkfs.ext4", "-q", "-L", "first", "-E", "offset=1048576", image, "10M")
	imgtest.Run(t, "mkfs.ext4", "-q", "-L", "fifth", "-E", "offset=17825792", image, "10M")
	imgtest.Run(t, "mkfs.vfat", "-n", "SIXTH", "--offset", "65536", image, "10240")
	d := mustRead(t, image)
	if len(d.Partitions) != 4 || d.Partitions[1].FileSystem != nil {
		t.Fatalf("%+v", d.Partitions)
	}
	for i, label := range map[int]string{0: "first", 2: "fifth", 3: "SIXTH"} {
		p := d.Partitions[i]
		likeBlkid(t, image, p.Start, p.Size, p.FileSystem)
		if p.FileSystem.Label != label {
			t.Errorf("%+v", p.FileSystem)
		}
	}
}

// TestReadDOSLoop has chains of tables that lead to themselves, or away.
func TestReadDOSLoop(t *testing.T) {
	link := func(image string, table, to uint32) {
		b := make([]byte, 16)
		b[4] = 5
		binary.LittleEndian.PutUint32(b[8:], to)
		binary.LittleEndian.PutUint32(b[12:], 2048)
		imgtest.Patch(t, image, int64(table)*512+446+16, b)
	}
	for name, c := range map[string]struct {
		to   uint32 // from the start of the extended partition, in sectors
		want string
	}{
		"itself":    {0, "more than 255 partitions"},
		"away":      {1 << 30, "not within the disk"},
		"far away":  {1<<32 - 1, "not within the disk"},
		"no table":  {2, ""},
		"the other": {2048, ""},
	} {
		image := blank(t, 64<<20)
		sfdisk(t, image, "label: dos\nunit: sectors\n\n2048,2048,83\n8192,,5\n9216,512,83\n11264,512,83\n")
		link(image, 8192, c.to)
		d, err := read(t, image)
		if c.want == "" && (err != nil || len(d.Partitions) < 3) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	// Tables without a partition, one after the other.
	image := blank(t, 64<<20)
	sfdisk(t, image, "label: dos\nunit: sectors\n\n8192,,5\n")
	for i := range uint32(200) {
		imgtest.Patch(t, image, int64(8192+i)*512+510, []byte{0x55, 0xaa})
		link(image, 8192+i, i+1)
	}
	if d, err := read(t, image); err == nil || !strings.Contains(err.Error(), "in a row without a partition") {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestReadDOSGarbage has what some programs leave in the third and fourth entry of an
// extended table: Linux takes them for partitions if they lie where they can.
func TestReadDOSGarbage(t *testing.T) {
	for name, c := range map[string]struct {
		start, size uint32 // from the table in sector 8192, which has 4,096 sectors
		want        int
	}{
		"within":                {2048, 100, 4},
		"garbage":               {0xf6f6f6f6, 0xf6f6f6f6, 3},
		"behind its own":        {4000, 97, 3},
		"empty":                 {2048, 0, 3},
		"the last that is good": {3996, 100, 4},
	} {
		image := blank(t, 64<<20)
		sfdisk(t, image, "label: dos\nunit: sectors\n\n2048,2048,83\n8192,4096,5\n9216,512,83\n")
		b := make([]byte, 16)
		b[4] = 0x83
		binary.LittleEndian.PutUint32(b[8:], c.start)
		binary.LittleEndian.PutUint32(b[12:], c.size)
		imgtest.Patch(t, image, 8192*512+446+32, b)
		d := mustRead(t, image)
		if len(d.Partitions) != c.want {
			t.Errorf("%s: %+v", name, d.Partitions)
		}
	}
}

// TestReadNoTable has disks that a file system fills, among them those whose boot
// sector has the magic of a table.
func TestReadNoTable(t *testing.T) {
	for name, mkfs := range map[string][]string{"nothing": nil, "ext4": {"mkfs.ext4", "-q", "-F"}, "vfat": {"mkfs.vfat", "-I"}, "FAT32": {"mkfs.vfat", "-I", "-F", "32"}} {
		image := blank(t, 64<<20)
		if mkfs != nil {
			imgtest.Run(t, mkfs[0], append(mkfs[1:], image)...)
		}
		for _, magic := range []bool{false, true} {
			if magic && mkfs != nil {
				imgtest.Patch(t, image, 510, []byte{0x55, 0xaa})
			}
			if d, err := read(t, image); !errors.Is(err, survey.ErrNoTable) {
				t.Errorf("%s: %+v, %v", name, d, err)
			}
		}
	}
	boot := blank(t, 1<<20) // code, which goes on where entries would be
	imgtest.Patch(t, boot, 446, []byte{0x8b, 0xf4, 0x50, 0x07, 0x83, 0, 0, 0, 8, 0, 0, 0, 100, 0, 0, 0})
	imgtest.Patch(t, boot, 510, []byte{0x55, 0xaa})
	if d, err := read(t, boot); !errors.Is(err, survey.ErrNoTable) {
		t.Errorf("code: %+v, %v", d, err)
	}
	for size := range int64(3) {
		if d, err := survey.Read(strings.NewReader(""), size, 512); !errors.Is(err, survey.ErrNoTable) {
			t.Errorf("%d bytes: %+v, %v", size, d, err)
		}
	}
	if _, err := survey.Read(strings.NewReader(""), 1<<20, 520); err == nil {
		t.Error("sectors of 520 bytes")
	}
}

// TestReadBadDOS has partitions that lie over one another, or outside.
func TestReadBadDOS(t *testing.T) {
	entry := func(start, size uint32) []byte {
		b := make([]byte, 16)
		b[4] = 0x83
		binary.LittleEndian.PutUint32(b[8:], start)
		binary.LittleEndian.PutUint32(b[12:], size)
		return b
	}
	for name, c := range map[string]struct {
		start, size uint32
		want        string
	}{
		"overlap":    {2047, 2, "partitions 2 and 1 overlap"},
		"inside":     {3000, 1, "partitions 1 and 2 overlap"},
		"the table":  {0, 1, "not within the disk"},
		"behind":     {1 << 17, 1, "not within the disk"},
		"one more":   {1<<17 - 1, 2, "not within the disk"},
		"far behind": {1<<32 - 1, 1<<32 - 1, "not within the disk"},
		"last":       {1<<17 - 1, 1, ""},
		"touching":   {2046, 2, ""},
	} {
		image := blank(t, 64<<20)
		sfdisk(t, image, "label: dos\nunit: sectors\n\n2048,2048,83\n")
		imgtest.Patch(t, image, 446+16, entry(c.start, c.size))
		d, err := read(t, image)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}
