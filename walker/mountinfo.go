package walker

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// mountLine is one line of /proc/PID/mountinfo, unescaped. The fields are, between single spaces (proc_pid_mountinfo(5)):
//
//	(1) mount ID (2) parent's ID (3) major:minor (4) root (5) mount point (6) mount options (7) optional fields, any number
//	(8) "-" (9) type (10) source (11) options of the file system
type mountLine struct {
	id, parent   int
	major, minor int
	root         string
	point        string
	options      string // "rw,nosuid"
	fstype       string
	source       string
	super        string // "rw,lowerdir=..."; escaped still
}

// maxTableReads bounds the wait for a mount table that holds still.
const maxTableReads = 100

// readMountTable reads the kernel's table until two reads in a row agree: one read is many system calls, and lines move while mounts
// come and go between them. A line can be of any length: overlays have up to 500 layers.
func readMountTable() ([]mountLine, error) {
	const table = "/proc/self/mountinfo"
	last, err := os.ReadFile(table)
	for range maxTableReads {
		if err != nil {
			return nil, &MountTableError{err}
		}
		var next []byte
		next, err = os.ReadFile(table)
		if err == nil && bytes.Equal(last, next) {
			lines, err := parseMountTable(string(next))
			if err != nil {
				return nil, &MountTableError{fmt.Errorf("%s: %w", table, err)}
			}
			return lines, nil
		}
		last = next
	}
	return nil, &MountTableError{errors.New("it keeps changing")}
}

func parseMountTable(text string) ([]mountLine, error) {
	lines := make([]mountLine, 0, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		l, err := parseMountLine(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(lines)+1, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

var errMountLine = errors.New("not as proc_pid_mountinfo(5) says")

func parseMountLine(line string) (l mountLine, err error) {
	front, back, ok := strings.Cut(line, " - ") // a space inside a field is written \040
	before, after := strings.Split(front, " "), strings.Split(back, " ")
	if !ok || len(before) < 6 || len(after) < 2 {
		return l, errMountLine
	}
	major, minor, ok := strings.Cut(before[2], ":")
	for _, n := range []struct {
		text string
		to   *int
	}{{before[0], &l.id}, {before[1], &l.parent}, {major, &l.major}, {minor, &l.minor}} {
		v, e := strconv.Atoi(n.text)
		if e != nil || !ok {
			return l, errMountLine
		}
		*n.to = v
	}
	l.root, l.point = unescapeOctal(before[3]), unescapeOctal(before[4])
	l.options = before[5]
	l.fstype, l.source = unescapeOctal(after[0]), unescapeOctal(after[1])
	if len(after) > 2 { // a file system may show none
		l.super = after[2]
	}
	return l, nil
}

// layers returns the directories that an overlay is made of, as who mounted it wrote them (Documentation/filesystems/overlayfs.rst): in
// lowerdir between colons, with \: for a colon of their own; lowerdir+ and datadir+ are one each.
func (l *mountLine) layers() []string {
	var dirs []string
	for option := range strings.SplitSeq(l.super, ",") {
		key, value, _ := strings.Cut(unescapeOctal(option), "=")
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
