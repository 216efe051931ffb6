package create

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img"
	"purebundle/walker"
	"purebundle/walker/edit"
	"purebundle/walker/survey"
)

// bootVolume is a partition of SOURCE's disk, other than root's, for which an ext4 is made of
// the files in it: a /boot of its own.
type bootVolume struct {
	old     survey.Partition
	params  ext2img.Params
	builder *ext2img.Builder
	begun   bool // its root directory was met
	plan    *ext2img.Plan
}

// at returns where it is mounted below SOURCE.
func (v *bootVolume) at() string { return v.old.MountPoint }

// holds says whether a path of SOURCE lies in the volume.
func (v *bootVolume) holds(path string) bool {
	rest, ok := strings.CutPrefix(path, v.at())
	return ok && (rest == "" || rest[0] == '/')
}

// Room that is left in a volume that has to grow: /boot gets another kernel with each update.
const (
	roomPercent = 50
	roomBytes   = 64 << 20
)

// begin starts the file system of the volume, with what p has for all. It keeps names and
// size, and grows only if it must.
func (v *bootVolume) begin(p ext2img.Params) {
	p.Size, p.Tail, p.Grow = v.old.Size/ext2img.BlockSize*ext2img.BlockSize, 0, true
	p.Free, p.FreePercent = roomBytes, roomPercent
	names := v.names(p.UUID)
	p.Label, p.UUID = names.Label, uuid.MustParse(names.UUID)
	if xattrs := p.Xattrs; xattrs != nil {
		p.Xattrs = func(path string, fd int) ([]ext2img.Xattr, error) { return xattrs(v.at()+path, fd) }
	}
	v.params, v.builder, v.begun = p, ext2img.NewBuilder(p), false
}

// names returns the names that the volume has now. A UUID that the old one has not, or
// has in another form, is made from root's, so that two runs give the same.
func (v *bootVolume) names(root [16]byte) edit.Volume {
	now := edit.Volume{Ext4: true, PartUUID: v.old.UUID, PartLabel: v.old.Name, Devices: []string{v.old.Device}}
	if fs := v.old.FileSystem; fs != nil {
		now.Type, now.UUID = fs.Type, fs.UUID
		if len(fs.Label) <= cli.MaxLabel {
			now.Label = fs.Label
		} else { // found by that on the old machine alone
			now.Devices = append(now.Devices, "LABEL="+fs.Label, "/dev/disk/by-label/"+fs.Label)
		}
	}
	if _, err := uuid.Parse(now.UUID); err != nil {
		now.UUID = uuid.NewSHA1(root, []byte(v.at())).String()
	}
	return now
}

// add adds an entry of the walk that the volume holds.
func (v *bootVolume) add(e *walker.Entry, text []byte) error {
	name := strings.TrimPrefix(e.Path, v.at())
	if name == "" {
		name, v.begun = "/", true
	}
	return addEntry(v.builder, e, name, text)
}

// layOut gives everything in the volume its place.
func (v *bootVolume) layOut(open ext2img.Opener) (err error) {
	if !v.begun { // it is left out, or could not be read: the walk says so
		now := v.params.Now
		if err := v.builder.Add("/", ext2img.File{Mode: unix.S_IFDIR | 0o755, Atime: now, Mtime: now, Ctime: now}); err != nil {
			return err
		}
	}
	v.plan, err = v.builder.Layout(func(path string, st *unix.Stat_t) (int, error) { return open(v.at()+path, st) })
	return err
}

// size returns how large the partition has to be, in bytes.
func (v *bootVolume) size() int64 {
	if v.plan.Stats().FSSize <= v.old.Size {
		return v.old.Size
	}
	return v.plan.Size()
}

// notes says what is not with the volume as it was.
func (v *bootVolume) notes() (list []walker.Warning) {
	note := func(format string, args ...any) {
		list = append(list, walker.Warning{Path: v.at(), Text: fmt.Sprintf(format, args...), Count: 1})
	}
	if now := v.size(); now > v.old.Size {
		note("partition %d is larger than on SOURCE, %s instead of %s: its files do not fit in an ext4 of that size", v.old.Number, words.Size(now), words.Size(v.old.Size))
	}
	if fs := v.old.FileSystem; fs == nil || fs.UUID == "" {
		note("the UUID of partition %d is another one, as that of the file system is unknown: what names the old one does not find it", v.old.Number)
	} else if v.params.Label != fs.Label {
		note("partition %d has no label, as ext4 holds %d bytes of the %d of %q: what names the old one does not find it", v.old.Number, cli.MaxLabel, len(fs.Label), fs.Label)
	}
	return list
}

// line says what the volume is, for people.
func (v *bootVolume) line() string {
	name := "no label"
	if v.params.Label != "" {
		name = fmt.Sprintf("label %q", v.params.Label)
	}
	size := words.Size(v.plan.Stats().FSSize)
	if v.size() > v.old.Size {
		size += ", " + words.Size(v.old.Size) + " on SOURCE"
	}
	return fmt.Sprintf("ext4, %s, %s used, %s, UUID %s", size, words.Size(v.plan.Used()), name, uuid.UUID(v.params.UUID))
}

// manifest returns what the manifest says of the volume.
func (v *bootVolume) manifest(mounts []walker.Mount) *chunk.FileSystem {
	stats := v.plan.Stats()
	fs := &chunk.FileSystem{
		Type: "ext4", Label: chunk.Path(v.params.Label), UUID: uuid.UUID(v.params.UUID).String(), Made: true,
		Size: stats.FSSize, Blocks: stats.Blocks, FreeBlocks: stats.FreeBlocks, Inodes: stats.Inodes, FreeInodes: stats.FreeInodes,
	}
	for _, m := range mounts {
		if m.Path == v.at() && m.Action == walker.Crossed {
			fs.Source = &chunk.SourceFS{Type: m.FSType, Options: chunk.Path(m.Options)}
			if old := v.old.FileSystem; old != nil {
				fs.Source.UUID, fs.Source.Label = old.UUID, chunk.Path(old.Label)
			}
		}
	}
	return fs
}
