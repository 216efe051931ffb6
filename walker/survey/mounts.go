package survey

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// The places where boot loaders have their files.
var bootPaths = []string{"/boot", "/efi", "/boot/efi"}

// findMounts tells where partitions are mounted, and by it which of them are the ESP
// and /boot. What is mounted there from another disk is noted.
func (s *survey) findMounts() {
	d := s.m.Disk
	top := make(map[string]*mountinfo.Info) // by path below SOURCE, the mount that is not hidden by another one
	for _, l := range s.lines {
		if path, ok := below(s.point, l.Mountpoint); ok {
			top[path] = l
		}
	}
	at := make(map[string]int) // index of Partitions
	for _, path := range slices.Sorted(maps.Keys(top)) {
		i, ok := s.partitionOf(top[path])
		if !ok {
			continue
		}
		at[path] = i
		if p := &d.Partitions[i]; p.MountPoint == "" {
			p.MountPoint = path
		}
	}
	at["/"], d.Partitions[d.Root].MountPoint = d.Root, "/"
	for _, path := range bootPaths {
		i, ok := at[path]
		switch fs := top[path]; {
		case ok && i != d.Root && d.Partitions[i].FileSystem != nil && d.Partitions[i].FileSystem.Type == "vfat" && d.Partitions[i].Type != TypeXBOOTLDR:
			d.ESP = i
		case ok && path == "/boot" && i != d.Root:
			d.Boot, d.Partitions[i].MountPoint = i, path
		case !ok && fs != nil && s.otherDisk(fs):
			s.m.Notes = append(s.m.Notes, fmt.Sprintf("%s is on %s, not on the disk of the root, which may not start without it", path, fs.Source))
		}
	}
	if d.Boot == d.ESP {
		d.Boot = -1
	}
}

// partitionOf returns which partition a mount shows the root directory of. Files of a
// btrfs have the number of no device.
func (s *survey) partitionOf(l *mountinfo.Info) (i int, ok bool) {
	if l.FSType == "btrfs" {
		i = slices.IndexFunc(s.m.Disk.Partitions, func(p Partition) bool { return p.Device != "" && p.Device == l.Source })
		return i, i >= 0
	}
	i, ok = s.devs[unix.Mkdev(uint32(l.Major), uint32(l.Minor))]
	return i, ok && l.Root == "/"
}

// otherDisk says whether a mount is of a device that is not a partition of the disk.
func (s *survey) otherDisk(l *mountinfo.Info) bool {
	if l.FSType == "btrfs" {
		return true
	}
	_, here := s.devs[unix.Mkdev(uint32(l.Major), uint32(l.Minor))]
	return l.Major != 0 && !here
}

// below returns the path of a mount point as it is below SOURCE.
func below(source, point string) (string, bool) {
	if source == "/" || source == point {
		return "/" + strings.TrimPrefix(strings.TrimPrefix(point, source), "/"), true
	}
	rest, ok := strings.CutPrefix(point, source+"/")
	return "/" + rest, ok
}
