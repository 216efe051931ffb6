package edit

import (
	"slices"
	"strings"
)

// Crypttab edits a crypttab: a line whose device does not come along is commented out,
// because a boot waits for it, and a line that encrypts swap by a name such as /dev/sda3
// overwrites what has that name on the new machine. Fields are name, device, key, options.
func (f *Facts) Crypttab(text []byte) ([]byte, []Change, error) {
	return f.perLine(text, func(line string, done *changes) string {
		fields := strings.Fields(line)
		if len(fields) < 2 || !isDevice(fields[1]) || f.comesAlong(fields[1]) || !f.Makes(FstabAbsent) {
			return line
		}
		if len(fields) > 3 && slices.Contains(splitOptions(fields[3]), "noauto") {
			return line
		}
		done.add(FstabAbsent, short(fields[0])+": commented out, its device does not come along")
		return "# purebundle: its device does not come along\n#" + line
	})
}
