package survey_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/survey"
	"purebundle/walker/volume"
)

// blank makes a file of size bytes, all hole.
func blank(t testing.TB, size int64) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return image
}

// read reads an image of a disk with sectors of 512 bytes.
func read(t testing.TB, image string) (*survey.Disk, error) {
	t.Helper()
	f, size := imgtest.OpenImage(t, image)
	return survey.Read(f, size, 512)
}

func mustRead(t testing.TB, image string) *survey.Disk {
	t.Helper()
	d, err := read(t, image)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sgdiskFields are what "sgdisk -i" says of a partition.
var sgdiskFields = regexp.MustCompile(`(?m)^(Partition GUID code|Partition unique GUID|First sector|Last sector|Attribute flags|Partition name): (?:'([^'\n]*)'|([^ \n]*))`)

// likeSgdisk compares all partitions with what sgdisk says, and returns how many
// there are.
func likeSgdisk(t *testing.T, image string, d *survey.Disk) int {
	t.Helper()
	out := imgtest.Run(t, "sgdisk", "-p", image)
	guid := regexp.MustCompile(`Disk identifier \(GUID\): (\S+)`).FindStringSubmatch(out)
	if d.Table != "gpt" || guid == nil || strings.ToLower(guid[1]) != d.GUID || d.ID() != d.GUID {
		t.Errorf("%s %s, sgdisk says %q", d.Table, d.GUID, guid)
	}
	lines := regexp.MustCompile(`(?m)^ *(\d+) +\d+ +\d+ `).FindAllStringSubmatch(out, -1)
	if len(lines) != len(d.Partitions) {
		t.Fatalf("%d partitions, sgdisk says %d", len(d.Partitions), len(lines))
	}
	for i, p := range d.Partitions {
		if lines[i][1] != strconv.Itoa(p.Number) {
			t.Errorf("partition %d, sgdisk says %s", p.Number, lines[i][1])
		}
		said := imgtest.Run(t, "sgdisk", "-i", strconv.Itoa(p.Number), image)
		is := map[string]string{"Partition GUID code": strings.ToUpper(p.Type), "Partition unique GUID": strings.ToUpper(p.UUID),
			"First sector": fmt.Sprint(p.Start / 512), "Last sector": fmt.Sprint((p.Start+p.Size)/512 - 1),
			"Attribute flags": fmt.Sprintf("%016X", p.Attributes), "Partition name": p.Name}
		fields := sgdiskFields.FindAllStringSubmatch(said, -1)
		if len(fields) != len(is) {
			t.Fatalf("sgdisk says %q", said)
		}
		for _, f := range fields {
			if f[2]+f[3] != is[f[1]] {
				t.Errorf("partition %d: %s: %q, sgdisk says %q", p.Number, f[1], is[f[1]], f[2]+f[3])
			}
		}
	}
	return len(lines)
}

// sfdiskTable is what "sfdisk --json" says.
type sfdiskTable struct {
	PartitionTable struct {
		Label, ID  string
		Partitions []struct {
			Node, Type  string
			Start, Size int64
			Bootable    bool
		}
	}
}

// likeSfdisk compares a dos table with what sfdisk says.
func likeSfdisk(t *testing.T, image string, d *survey.Disk) {
	t.Helper()
	var said sfdiskTable
	if err := json.Unmarshal([]byte(imgtest.Run(t, "sfdisk", "--json", image)), &said); err != nil {
		t.Fatal(err)
	}
	table := said.PartitionTable
	if table.Label != d.Table || table.ID != d.ID() || len(table.Partitions) != len(d.Partitions) {
		t.Fatalf("%s %x with %d partitions, sfdisk says %+v", d.Table, d.Signature, len(d.Partitions), table)
	}
	for i, q := range table.Partitions {
		p := d.Partitions[i]
		is := fmt.Sprintf("%s%d %d+%d %x %v", image, p.Number, p.Start/512, p.Size/512, mustHex(t, p.Type), p.Active)
		want := fmt.Sprintf("%s %d+%d %s %v", q.Node, q.Start, q.Size, q.Type, q.Bootable)
		if is != want {
			t.Errorf("%s, sfdisk says %s", is, want)
		}
	}
}

func mustHex(t *testing.T, text string) uint64 {
	n, err := strconv.ParseUint(text, 16, 8)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// blkid returns what its low-level probing says of a piece of a file.
func blkid(t testing.TB, file string, off, size int64) map[string]string {
	t.Helper()
	said := make(map[string]string)
	for _, key := range []string{"TYPE", "UUID", "LABEL"} {
		out := imgtest.Run(t, "blkid", "-p", "-o", "value", "-s", key, "-O", fmt.Sprint(off), "-S", fmt.Sprint(size), file)
		said[key] = strings.TrimSuffix(out, "\n")
	}
	return said
}

// likeBlkid compares what a partition holds with what blkid says.
func likeBlkid(t testing.TB, image string, off, size int64, fs *volume.FileSystem) {
	t.Helper()
	if fs == nil {
		t.Fatalf("at %d: not identified", off)
	}
	said := blkid(t, image, off, size)
	if fs.Type != said["TYPE"] || fs.UUID != said["UUID"] || fs.Label != said["LABEL"] || said["TYPE"] == "" {
		t.Errorf("%+v, blkid says %q", *fs, said)
	}
}
