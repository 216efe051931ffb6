package walker

import (
	"os"
	"path"
	"strings"

	"purebundle/walker/mounttable"
)

// layersOf returns the directories that an overlay is made of, as who mounted it wrote them, from its file system's options
// (Documentation/filesystems/overlayfs.rst): in lowerdir between colons, with \: for a colon of their own; lowerdir+ and datadir+ are one
// each.
func layersOf(options string) []string {
	var dirs []string
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(mounttable.Unescape(option), "=")
		switch key {
		case "upperdir", "lowerdir+", "datadir+":
			dirs = append(dirs, value)
		case "lowerdir":
			var dir strings.Builder
			for i := 0; i < len(value); i++ {
				switch {
				case value[i] == '\\' && i+1 < len(value):
					i++
					dir.WriteByte(value[i])
				case value[i] == ':':
					dirs = append(dirs, dir.String())
					dir.Reset()
				default:
					dir.WriteByte(value[i])
				}
			}
			dirs = append(dirs, dir.String())
		}
	}
	return dirs
}

// overlaid returns the directories that show the same as the one at point, on the mount with the given ID, by way of an overlay: of what lies
// in an overlay, those in its layers; of what lies in a layer, those in overlays. They have device and inode numbers of their own.
func (p *Plan) overlaid(point string, id int) (dirs []string) {
	add := func(elem ...string) {
		name := path.Join(elem...)
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			dirs = append(dirs, name)
		}
	}
	for _, l := range p.lines {
		if l.FSType != "overlay" {
			continue
		}
		for _, layer := range layersOf(l.VFSOptions) {
			if !path.IsAbs(layer) {
				continue // below the working directory of who mounted it
			}
			if rel, in := below(l.Mountpoint, point); in && l.ID == id {
				add(layer, l.Root, rel)
			}
			if rel, in := below(layer, point); in {
				if rel, in = below(l.Root, rel); in {
					add(l.Mountpoint, rel)
				}
			}
		}
	}
	return dirs
}
