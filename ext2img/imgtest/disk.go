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
	image *os.File
}

// NewDisk makes a disk of so many MiB, which goes with the test.
func NewDisk(t testing.TB, mib int) *Disk {
	t.Helper()
	RequireRoot(t)
	d := &Disk{Dir: mountPoint(t), t: t, image: memFile(t, int64(mib)<<20)}
	Run(t, "mke2fs", "-q", "-t", "ext4", "-b", "4096", "-I", "256", "-N", "16384", "-O", "^has_journal", "-m", "0", d.image.Name())
	mountAt(t, d.image.Name(), d.Dir, 0)
	t.Cleanup(func() { unmount(t, d.Dir) })
	return d
}

// memFile makes a file of size bytes that has no place but memory: nothing need be
// unmounted to be rid of it. Its name holds for other processes, too.
func memFile(t testing.TB, size int64) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("disk", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatalf("memfd_create: %v", err)
	}
	f := os.NewFile(uintptr(fd), fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd))
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
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
		// i_ctime has the low 32 bits of the seconds, i_ctime_extra two more and the nanoseconds.
		extra := uint32(at.Nanosecond())<<2 | uint32((at.Unix()-int64(int32(at.Unix())))>>32)&3
		fmt.Fprintf(&script, "set_inode_field <%d> ctime 0x%x\nset_inode_field <%d> ctime_extra 0x%x\n", st.Ino, uint32(at.Unix()), st.Ino, extra)
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	commands := filepath.Join(d.t.TempDir(), "commands")
	if err := os.WriteFile(commands, []byte(script.String()), 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.renew()
	if out := Run(d.t, "debugfs", "-w", "-f", commands, d.image.Name()); strings.Contains(out, "set_inode_field:") {
		d.t.Fatal(out)
	}
	mountAt(d.t, d.image.Name(), d.Dir, 0)
	return len(seen)
}

// renew unmounts the disk and makes its image a copy: a process with mounts of its own may
// have the old one mounted still, and writes to that when it ends.
func (d *Disk) renew() {
	d.t.Helper()
	dir, err := os.Open(d.Dir)
	if err != nil {
		d.t.Fatal(err)
	}
	err = unix.Syncfs(int(dir.Fd()))
	dir.Close()
	if err != nil {
		d.t.Fatal(err)
	}
	unmount(d.t, d.Dir)
	st, err := d.image.Stat()
	if err != nil {
		d.t.Fatal(err)
	}
	data, err := dataRanges(d.image, st.Size())
	if err != nil {
		d.t.Fatal(err)
	}
	old, buf := d.image, make([]byte, 1<<20)
	d.image = memFile(d.t, st.Size())
	for _, r := range data {
		for off := r.off; off < r.end; off += int64(len(buf)) {
			b := buf[:min(int64(len(buf)), r.end-off)]
			if _, err := old.ReadAt(b, off); err != nil {
				d.t.Fatal(err)
			}
			if _, err := d.image.WriteAt(b, off); err != nil {
				d.t.Fatal(err)
			}
		}
	}
	old.Close()
}
