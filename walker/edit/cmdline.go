package edit

import (
	"slices"
	"strings"
)

// CommandLine edits a text that is one command line of the kernel, /etc/kernel/cmdline.
func (f *Facts) CommandLine(text []byte) ([]byte, []Change, error) {
	var done changes
	return done.of(text, f.words(string(text), &done))
}

// of returns what an edit returns: the old text if nothing was changed.
func (c changes) of(old []byte, text string) ([]byte, []Change, error) {
	if len(c) == 0 {
		return old, nil, nil
	}
	return []byte(text), c, nil
}

// words edits the words that are options of the kernel about root, wherever they stand in
// a text. What stands between words stays.
func (f *Facts) words(text string, done *changes) string {
	var out strings.Builder
	last := 0 // of text, what is written
	for i := 0; i < len(text); i++ {
		if i > 0 && !startsWord(text[i-1]) {
			continue
		}
		name := optionAt(text[i:])
		if name == "" {
			continue
		}
		end := i + len(name) + 1
		for end < len(text) && strings.IndexByte(" \t\r\n\"'", text[end]) < 0 {
			end++
		}
		value := text[i+len(name)+1 : end]
		now, drop := f.option(name, value, done)
		from := i
		if drop { // and one blank beside it
			switch {
			case i > last && isBlank(text[i-1]):
				from--
			case end < len(text) && isBlank(text[end]):
				end++
			}
		} else if now == value {
			i = end - 1
			continue
		}
		out.WriteString(text[last:from])
		if !drop {
			out.WriteString(name + "=" + now)
		}
		last, i = end, end-1
	}
	out.WriteString(text[last:])
	return out.String()
}

// absentOptions have an initrd wait for devices of LVM, LUKS or RAID, none of which comes
// along (dracut.cmdline(7), systemd-cryptsetup-generator(8)).
var absentOptions = []string{"rd.lvm.lv", "rd.lvm.vg", "rd.luks.uuid", "rd.luks.name", "rd.md.uuid"}

// optionAt returns the name of the option that text begins with, if it is about root, or
// about a device that may not come along.
func optionAt(text string) string {
	for _, name := range append([]string{"root", "rootfstype", "rootflags", "resume"}, absentOptions...) {
		if len(text) > len(name) && text[:len(name)] == name && text[len(name)] == '=' {
			return name
		}
	}
	return ""
}

// startsWord says whether a word can start behind c.
func startsWord(c byte) bool { return strings.IndexByte(" \t\r\n\"'=", c) >= 0 }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// option returns the value that an option of the kernel is to have; with drop none, and no
// option either.
func (f *Facts) option(name, value string, done *changes) (now string, drop bool) {
	switch {
	case name == "root":
		now, ok := f.renamed(value)
		if !ok || !namesDisk(value) || !f.Makes(UUID) {
			return value, false
		}
		done.add(UUID, "root="+now+" instead of "+short(value))
		return now, false
	case name == "resume" || slices.Contains(absentOptions, name):
		if name == "resume" && (!isDevice(value) || strings.Contains(value, "$") || f.comesAlong(value)) || value == "" || !f.Makes(KernelAbsent) {
			return value, false
		}
		done.add(KernelAbsent, "without "+name+"="+short(value)+", which does not come along")
		return "", true
	case value == "" || !f.converts() || !f.Makes(KernelType):
		return value, false
	case name == "rootfstype":
		if hasType(value) || strings.HasPrefix(value, "$") {
			return value, false
		}
		done.add(KernelType, "rootfstype=ext4 instead of "+short(value))
		return "ext4", false
	}
	kept, dropped := forExt4(value)
	if len(dropped) == 0 || strings.HasPrefix(value, "$") {
		return value, false
	}
	done.add(KernelType, "rootflags= without "+short(strings.Join(dropped, ",")))
	return kept, kept == ""
}

// namesDisk says whether the value of root= is that of a disk, not of a network, a RAM
// disk, or something that a script fills in.
func namesDisk(value string) bool {
	return isDevice(value) && value != "/dev/nfs" && !strings.HasPrefix(value, "/dev/ram") && !strings.Contains(value, "$")
}
