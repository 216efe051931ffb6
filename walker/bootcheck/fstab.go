package bootcheck

import (
	"fmt"
	"strings"

	"purebundle/walker/edit"
)

const fstabFile = "/etc/fstab"

// fstab judges the lines of fstab, as the new disk has it.
func (c *check) fstab() {
	text := c.text(fstabFile)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 || strings.HasPrefix(f[0], "#") || f[1] != "/" {
			continue
		}
		if f[2] != "auto" && !strings.HasPrefix(f[2], "ext") && c.disk() != nil {
			c.find(Finding{FstabRoot, Fatal, fstabFile, "fstab says that the root is " + cite(f[2]), "it is an ext4 in the image: checking or mounting it fails, and the machine stops in emergency mode",
				`sed -i -E 's|^([^#]\S*\s+/\s+)\S+(\s+)\S+|\1ext4\2defaults|' ` + fstabFile})
		}
		if c.isLost(f[0]) && c.disk() != nil {
			c.find(Finding{FstabRoot, Fatal, fstabFile, "fstab has the root on " + cite(f[0]), "the new disk's root has no such name: it is waited for in vain",
				c.replace(fstabFile, f[0], strings.TrimPrefix(c.rootName(), "root="))})
		}
	}
	c.absent(text)
}

// absent finds lines of devices that the new disk has not, as package edit does.
func (c *check) absent(text string) {
	var f edit.Facts
	if c.opt.Facts != nil {
		f = *c.opt.Facts
	}
	f.Without = nil
	_, changes, err := f.Fstab([]byte(text))
	if err != nil {
		return
	}
	for _, change := range changes {
		if change.Name != edit.FstabAbsent {
			continue
		}
		what, _, _ := strings.Cut(change.What, ": ")
		cure := fmt.Sprintf(`sed -i -E 's|^([^#]\S*\s+%s\s+\S+\s+)(\S+)|\1\2,nofail|' %s`, strings.ReplaceAll(what, " ", `\\040`), fstabFile)
		if !strings.HasPrefix(what, "/") || strings.Contains(change.What, "swap") {
			cure = fmt.Sprintf(`sed -i 's|^%s\s|#&|' %s`, what, fstabFile)
		}
		if !plain(what) {
			cure = "add nofail to its options, or comment it out"
		}
		c.find(Finding{FstabAbsent, Fatal, fstabFile, "fstab has a line of a device that does not come along: " + cite(what),
			"a start waits 90 seconds for it and stops in emergency mode", cure})
	}
}
