package walker

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// steadyTypes are the file systems that move a file's change time with each change of its content, and whose inode numbers stay.
var steadyTypes = []string{"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs"}

// keepsTimes returns true if what is written to the disk has its change time there as well. With lazytime it may be a day late, which a
// crash makes for ever.
func keepsTimes(m *mount) bool {
	return slices.Contains(steadyTypes, m.FSType) && !slices.Contains(strings.Split(m.Options, ","), "lazytime")
}

// Sync has the file systems written whose files are Steady, and returns a moment before that, by the clock that stamps files. Whatever was
// written to a file through mmap(2) by then is on the disk, and who writes to it again moves its change time, which a page that is dirty
// already does not.
func (t *Tree) Sync() (moment time.Time, err error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now); err != nil {
		return moment, os.NewSyscallError("clock_gettime", err)
	}
	synced := make(map[uint64]bool)
	for _, r := range t.roots {
		if !r.steady || synced[r.dev] {
			continue
		}
		fd, err := r.open(r.fd, ".", dirFlags)
		if errors.Is(err, unix.ENOTDIR) { // a file is mounted
			r.steady = false
			continue
		}
		if err != nil {
			return moment, &os.PathError{Op: "open", Path: r.path, Err: err}
		}
		err = unix.Syncfs(fd)
		unix.Close(fd)
		if err != nil {
			return moment, &os.PathError{Op: "syncfs", Path: r.path, Err: err}
		}
		synced[r.dev] = true
	}
	return time.Unix(now.Unix()), nil
}
