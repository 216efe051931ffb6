package imgtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Disk is an ext4 in memory, mounted for writing. A test may set its change times.
type Disk struct {
	Dir string // its mount point

	t     testing.TB
	image string
}

// NewDisk makes a disk of so many MiB, which goes with the test.
func NewDisk(t testing.TB, mib int) *Disk {
	t.Helper()
	d := &Disk{t: t, image: filepath.Join(Tmpfs(t, int64(mib+16)<<20), "disk")}
	Run(t, "mke2fs", "-q", "-t", "ext4", "-b", "4096", "-I", "256", "-N", "16384", "-O", "^has_journal", "-m", "0", d.image, fmt.Sprint(mib, "M"))
	d.Dir = MountRW(t, d.image)
	return d
}

// Changed gives all that changed since a moment another change time, as if the clock had
// been set when it changed, and returns of how many that is. Each has a nanosecond of its
// own. No system call does that, so the disk is unmounted meanwhile: nothing of it may be
// open.
func (d *Disk) Changed(since, to time.Time) int {
	d.t.Helper()
	var script strings.Builder
	seen := make(map[uint64]bool)
	err := filepath.WalkDir(d.Dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil || seen[st.Ino] || time.Unix(st.Ctim.Unix()).Before(since) {
			return err
		}
		seen[st.Ino] = true
		at := to.Add(time.Duration(len(seen)))
		extra := uint32(at.Nanosecond())<<2 | uint32((at.Unix()-int64(int32(at.Unix())))>>32)&3 // i_ctime_extra
		fmt.Fprintf(&script, "set_inode_field <%d> ctime 0x%x\nset_inode_field <%d> ctime_extra 0x%x\n", st.Ino, uint32(at.Unix()), st.Ino, extra)
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	commands := filepath.Join(filepath.Dir(d.image), "commands")
	if err := os.WriteFile(commands, []byte(script.String()), 0o600); err != nil {
		d.t.Fatal(err)
	}
	unmount(d.t, d.Dir)
	if out := Run(d.t, "debugfs", "-w", "-f", commands, d.image); strings.Contains(out, "set_inode_field:") {
		d.t.Fatal(out)
	}
	mountAt(d.t, d.image, d.Dir, 0)
	return len(seen)
}
