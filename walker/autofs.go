package walker

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"purebundle/walker/mounttable"
)

// An automount point (autofs) is no content: the kernel asks a process to mount something there, or in a directory below, when a path
// leads there. A walk never does. What is mounted below one already is judged as any other mount; the directories that lead to it exist
// on the automount point alone, and the walk makes them up.

// wouldBe says what is mounted at an automount point when it is used: etc/fstab knows for systemd's.
func (p *policy) wouldBe(m *mount) string {
	if source := p.fstab[m.Path]; source != "" {
		return fmt.Sprintf("%s of etc/fstab would be mounted there when it is used, and is not in the tree: use it before (ls %s)", source, m.Path)
	}
	if slices.Contains(strings.Split(m.options, ","), "indirect") {
		return fmt.Sprintf("what %s mounts below it when it is used, and has not by now, is not in the tree", m.Source)
	}
	return fmt.Sprintf("what %s would mount there when it is used is not in the tree: use it before (ls %s)", m.Source, m.Path)
}

// maxFstab bounds how many bytes of an etc/fstab are read.
const maxFstab = 1 << 20

// readFstab returns the sources by mount points in the etc/fstab of the directory source, open with O_PATH. It may be empty.
func readFstab(source int) map[string]string {
	how := unix.OpenHow{Flags: fileFlags, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_XDEV}
	fd, err := unix.Openat2(source, "etc/fstab", &how)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	b := make([]byte, min(st.Size, maxFstab))
	sources := make(map[string]string)
	for line := range strings.Lines(string(b[:pread(fd, b)])) {
		if fields := strings.Fields(line); len(fields) >= 2 && !strings.HasPrefix(fields[0], "#") {
			sources[mounttable.Unescape(fields[1])] = mounttable.Unescape(fields[0])
		}
	}
	return sources
}

// roads returns the names in this spot's directory that are, or lead to, mounts that are crossed.
func (s *spot) roads() []string {
	var names []string
	for name, kid := range s.kids {
		if kid.root != nil || (kid.mount == nil || kid.mount.class == classAuto) && len(kid.roads()) > 0 {
			names = append(names, name)
		}
	}
	return names
}
