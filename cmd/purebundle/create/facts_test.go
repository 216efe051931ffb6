package create

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"purebundle/walker"
	"purebundle/walker/edit"
	"purebundle/walker/survey"
	"purebundle/walker/volume"
)

// TestFactsOfDisk edits the fstab of a machine whose disk is made again: the EFI system
// partition comes along, a data partition does not.
func TestFactsOfDisk(t *testing.T) {
	id := uuid.MustParse("1b4e28ba-2fa1-11d2-883f-0016d3cca427")
	old := &survey.Disk{Root: 0, ESP: 1, BIOS: -1, Boot: -1, Partitions: []survey.Partition{
		{Number: 1, UUID: "aaaa-1", Name: "root", Device: "/dev/vda1", FileSystem: &volume.FileSystem{Type: "xfs", UUID: id.String()}},
		{Number: 15, UUID: "aaaa-15", Device: "/dev/vda15", FileSystem: &volume.FileSystem{Type: "vfat", UUID: "1A2B-3C4D", Label: "UEFI"}},
		{Number: 3, UUID: "aaaa-3", Device: "/dev/vda3", FileSystem: &volume.FileSystem{Type: "ext4", Label: "data"}},
	}}
	const fstab = "PARTUUID=aaaa-1 / xfs inode64 0 0\nLABEL=UEFI /boot/efi vfat umask=0077 0 1\n/dev/vda15 /efi vfat\nLABEL=data /data ext4 defaults 0 2\n/dev/vda1 /again xfs\n"
	for _, c := range []struct {
		kind  string
		disk  *Disk
		names string
	}{
		{"xfs", &Disk{old: old}, "fstab-type uuid fstab-absent fstab-merged"},
		{"xfs", nil, "uuid fstab-type fstab-absent fstab-absent fstab-absent fstab-merged"},
		{"ext4", &Disk{old: old}, "uuid fstab-absent uuid"},
		{"ext4", nil, ""},
	} {
		r := &Run{Opt: Options{Source: "/", Disk: c.disk, Names: &volume.Names{UUID: id}}}
		r.Opt.Image.UUID = id
		f := r.facts(&walker.Tree{Mounts: []walker.Mount{{Path: "/", FSType: c.kind, Source: "/dev/vda1"}}})
		if f == nil {
			f = &edit.Facts{Without: edit.Names}
		}
		now, done, err := f.Fstab([]byte(fstab))
		var names []string
		for _, d := range done {
			names = append(names, d.Name)
		}
		if have := strings.Join(names, " "); have != c.names || err != nil {
			t.Errorf("%s, disk %v: %q instead of %q\n%s", c.kind, c.disk != nil, have, c.names, now)
		}
		r.Opt.Edits.Keep = true
		if f := r.facts(&walker.Tree{Mounts: []walker.Mount{{FSType: c.kind}}}); f != nil {
			t.Errorf("%s, with --keep-files: %+v", c.kind, f)
		}
	}
}
