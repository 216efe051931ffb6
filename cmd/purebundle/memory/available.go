package memory

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// available returns how many bytes can be had without taking them from others, as far
// as the files of root tell: MemAvailable and SwapFree of the machine, and no more
// than what the limit of any control group above this process leaves.
// math.MaxInt64: they do not tell.
func available(root fs.FS) int64 {
	n := int64(math.MaxInt64)
	if text, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		n = machine(text)
	}
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return n
	}
	for line := range strings.Lines(string(text)) {
		// ID:CONTROLLERS:PATH, cgroups(7); version 2 has no controllers there.
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		switch {
		case f[0] == "0" && f[1] == "":
			n = min(n, group(root, "sys/fs/cgroup", f[2], "memory.max", "anon", "shmem", "slab_unreclaimable"))
		case strings.Contains(","+f[1]+",", ",memory,"):
			n = min(n, group(root, "sys/fs/cgroup/memory", f[2], "memory.limit_in_bytes", "total_rss", "total_shmem"))
		}
	}
	return n
}

// machine reads /proc/meminfo; its numbers are in KiB.
func machine(text []byte) int64 {
	n, known := int64(0), false
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		key, rest, _ := strings.Cut(lines.Text(), ":")
		if key != "MemAvailable" && key != "SwapFree" {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		if err == nil {
			n += kib << 10
			known = known || key == "MemAvailable"
		}
	}
	if !known { // before Linux 3.14
		return math.MaxInt64
	}
	return n
}

// group returns the least that the group at dir below mount and those above it leave, in
// bytes: their limit, without what is in use there and cannot be dropped, which are
// fields of their memory.stat. In a container dir may be the host's path, and mount
// the container's own group.
func group(root fs.FS, mount, dir, limit string, fields ...string) int64 {
	least := int64(math.MaxInt64)
	for dir = path.Clean("/" + dir); ; dir = path.Dir(dir) {
		at := path.Join(mount, dir)
		if max, ok := number(root, path.Join(at, limit)); ok && max < 1<<60 { // version 1 says 2⁶³ for none
			least = min(least, max-min(inUse(root, path.Join(at, "memory.stat"), fields), max))
		}
		if dir == "/" {
			return least
		}
	}
}

// number reads a file of one number; false for "max" and for a file that is not there.
func number(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}

// inUse adds up fields of a memory.stat, which has one name and number a line.
func inUse(root fs.FS, name string, fields []string) (sum int64) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 2 && slices.Contains(fields, f[0]) {
			n, _ := strconv.ParseInt(f[1], 10, 64) // a line that is none counts as nothing
			sum += n
		}
	}
	return sum
}
