package walker

import (
	"bufio"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"purebundle/walker/mounttable"
)

// emptiedDirectories lists the directories whose contents are left out by default, as patterns: what belongs to the running system, or
// is somebody's passing mount.
func emptiedDirectories() []string {
	return []string{"/dev/", "/proc/", "/sys/", "/run/", "/tmp/", "/var/tmp/", "/mnt/", "/media/", "/lost+found/"}
}

// device is a node of /dev.
type device struct {
	name         string
	perm         uint32
	gid          uint32
	major, minor uint32
}

// ttyGroup is the group that all distributions give to terminals by this number.
const ttyGroup = 5

// standardDevices lists the nodes made in /dev where its contents are left out: what a system needs until it mounts its own /dev. In
// name order; numbers from Documentation/admin-guide/devices.txt, modes as devtmpfs and udev set them.
func standardDevices() []device {
	return []device{
		{"console", 0o600, 0, 5, 1},
		{"full", 0o666, 0, 1, 7},
		{"null", 0o666, 0, 1, 3},
		{"random", 0o666, 0, 1, 8},
		{"tty", 0o666, ttyGroup, 5, 0},
		{"urandom", 0o666, 0, 1, 9},
		{"zero", 0o666, 0, 1, 5},
	}
}

// identity tells files apart on the running system.
type identity struct {
	dev, ino uint64
}

// swapFiles returns the files that the kernel swaps to. A system without a readable /proc/swaps has none that we could know.
func swapFiles() map[identity]bool {
	f, err := os.Open("/proc/swaps")
	if err != nil {
		return nil
	}
	defer f.Close()
	files := make(map[identity]bool)
	for _, name := range parseSwaps(f) {
		var st unix.Stat_t
		if unix.Lstat(name, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			files[identity{st.Dev, st.Ino}] = true
		}
	}
	return files
}

// parseSwaps reads the names from swaps as in proc_swaps(5): a heading, then lines of name, type and sizes between white space, with
// white space and backslashes inside a name as \ooo.
func parseSwaps(r io.Reader) []string {
	var names []string
	s := bufio.NewScanner(r)
	for s.Scan() {
		fields := strings.Fields(s.Text())
		if len(fields) >= 2 && strings.HasPrefix(fields[0], "/") {
			names = append(names, mounttable.Unescape(fields[0]))
		}
	}
	return names
}
