package walker

import (
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
