package create

import (
	"os"
	"path"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/cli"
	"purebundle/walker"
	"purebundle/walker/edit"
)

// EditChoice says which files have another text in the image.
type EditChoice struct {
	Keep    bool     // none
	Without []string // names, of edit.Names, of the edits that are not made
}

// Add adds the flags.
func (c *EditChoice) Add(f *pflag.FlagSet) {
	f.BoolVar(&c.Keep, "keep-files", false, "edit no file: /etc/fstab and those of boot loaders are as SOURCE has them")
	f.StringSliceVar(&c.Without, "edit-out", nil, "leave out the edit `NAME`: "+strings.Join(edit.Names, ", ")+"; repeatable")
}

// Check finds names that there are not.
func (c *EditChoice) Check() error {
	for _, name := range c.Without {
		if !slices.Contains(edit.Names, name) {
			return cli.WithHint(cli.Usagef("--edit-out %s: no such edit", name), "there are %s", strings.Join(edit.Names, ", "))
		}
	}
	return nil
}

// facts returns what became of the file systems of SOURCE; nil if nothing is to be edited.
// Of a file system alone, an ext4 is left as it is: the image starts as SOURCE does.
func (r *Run) facts(tree *walker.Tree) *edit.Facts {
	if r.Opt.Edits.Keep || r.Opt.Disk == nil && (r.Opt.Names == nil || tree.Mounts[0].FSType == "ext4") {
		return nil
	}
	f := r.Opt.facts(tree.Mounts)
	for _, c := range r.Opt.Disk.fats() {
		c.facts = f
	}
	return f
}

// facts returns what became of the file systems of SOURCE, given the decisions about its
// mounts.
func (o *Options) facts(mounts []walker.Mount) *edit.Facts {
	f := o.Disk.facts(o.Image.UUID)
	f.Without = o.Edits.Without
	f.Source.Type = mounts[0].FSType
	f.Source.Devices = append(f.Root.Devices, mounts[0].Source)
	if id := o.Names; id != nil {
		f.Source.UUID, f.Source.Label = textUUID(id.UUID), id.Label
	}
	f.Root.UUID, f.Root.Label = uuid.UUID(o.Image.UUID).String(), o.Image.Label
	f.Merged, f.Moved = o.Disk.merged(mounts), o.Disk.moved(mounts)
	for _, v := range o.Disk.others() {
		f.Own = append(f.Own, v.at())
	}
	if !o.Walk.NoDefaultExcludes {
		swaps, _ := os.ReadFile("/proc/swaps") // a kernel without it has no swap
		f.Swap = swapFiles(string(swaps), cli.Absolute(o.Source))
	}
	return f
}

// facts returns what is known of the partitions that the new disk has; root is the UUID of
// its file system.
func (d *Disk) facts(root [16]byte) *edit.Facts {
	f := new(edit.Facts)
	if d == nil {
		return f
	}
	if d.fresh != nil {
		f.New, f.Source.UUID = d.fresh.fstab, d.fresh.was
	}
	for i, p := range d.old.Partitions {
		v := edit.Volume{PartUUID: p.UUID, PartLabel: p.Name, Devices: []string{p.Device}}
		if fs := p.FileSystem; fs != nil {
			v.Type, v.UUID, v.Label = fs.Type, fs.UUID, fs.Label
		}
		switch {
		case i == d.old.Root:
			f.Root = v
		case d.volume(p.Number) != nil:
			f.Along = append(f.Along, d.volume(p.Number).names(root))
		case fateOf(d.old, i) == copied:
			f.Along = append(f.Along, v)
		}
	}
	return f
}

// textUUID returns a UUID as text, "" if it is all zero.
func textUUID(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

// merged returns the mount points whose content is in root's file system, or another one's
// that is made, but those of the file systems themselves.
func (d *Disk) merged(mounts []walker.Mount) (paths []string) {
	for _, m := range mounts[1:] {
		if m.Action == walker.Crossed && !slices.ContainsFunc(d.others(), func(v *bootVolume) bool { return v.at() == m.Path }) {
			paths = append(paths, m.Path)
		}
	}
	return paths
}

// moved returns what boot loaders name otherwise in the image: they see the whole of a
// btrfs, of which SOURCE and others below it are subvolumes. A /boot of its own is no
// part of it, and may be such a btrfs itself.
func (d *Disk) moved(mounts []walker.Mount) (list []edit.Moved) {
	root := mounts[0]
	for _, m := range mounts[1:] {
		switch {
		case m.Path != bootPath || m.FSType == "btrfs" && m.Source == root.Source:
		case len(d.others()) > 0 && m.FSType == "btrfs" && m.Root != "/":
			return []edit.Moved{{From: m.Root}}
		default:
			return nil
		}
	}
	if root.FSType != "btrfs" {
		return nil
	}
	for i, m := range mounts {
		if m.FSType == "btrfs" && m.Source == root.Source && m.Root != "/" && (i == 0 || m.Action == walker.Crossed) {
			to := m.Path
			if to == "/" {
				to = ""
			}
			list = append(list, edit.Moved{From: m.Root, To: to})
		}
	}
	return list
}

// swapFiles returns the files of /proc/swaps below source, as paths from there.
func swapFiles(swaps, source string) (paths []string) {
	plain := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(swaps) {
		f := strings.Fields(line) // name, type, size, used, priority
		if len(f) < 2 || f[1] != "file" {
			continue
		}
		name := plain.Replace(f[0])
		if rest, ok := strings.CutPrefix(name, strings.TrimSuffix(source, "/")+"/"); ok {
			paths = append(paths, path.Clean("/"+rest))
		}
	}
	return paths
}
