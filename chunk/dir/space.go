package dir

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SpaceError says that files cannot fit.
type SpaceError struct {
	Dir        string
	Need, Have int64 // bytes
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("write %s: no room: %s needed, %s free", e.Dir, BytesText(e.Need), BytesText(e.Have))
}

// Unwrap makes it the ENOSPC that it foresees.
func (e *SpaceError) Unwrap() error { return unix.ENOSPC }

// overhead is what a file system takes for a file besides its data, in bytes: a
// generous guess at inode, extents and name.
const overhead = 4096

// bookkeeping is room for the small files that go with the large ones, in bytes.
const bookkeeping = 256 << 10

// Room checks that the file system has need bytes for an ordinary user and so
// many files. One that gives no numbers (some network file systems) passes.
func (d *Dir) Room(files int, need int64) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(d.fd(), &st); err != nil {
		return Fail("statfs", d.path, err)
	}
	need += int64(files)*overhead + bookkeeping
	if have := available(&st); st.Blocks > 0 && have < need {
		return &SpaceError{Dir: d.path, Need: need, Have: have}
	}
	if st.Files > 0 && st.Ffree < uint64(files) {
		return &Error{Op: "write", Path: d.path,
			Err:  fmt.Errorf("no room: %d files needed, %d left (inodes)", files, st.Ffree),
			Hint: "remove some files there or choose another directory"}
	}
	return nil
}

// free returns the number of bytes that an ordinary user can still write.
func (d *Dir) free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(d.fd(), &st); err != nil {
		return 0, Fail("statfs", d.path, err)
	}
	return available(&st), nil
}

// available counts in f_frsize, the unit of the block counts; kernels and FUSE
// servers that leave it 0 mean f_bsize.
func available(st *unix.Statfs_t) int64 {
	unit := st.Frsize
	if unit == 0 {
		unit = st.Bsize
	}
	return int64(st.Bavail) * unit
}

// BytesText spells a number of bytes for people, in binary units and exactly:
// two different numbers never look alike.
func BytesText(n int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	v, i := float64(n)/1024, 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return fmt.Sprintf("%.1f %s (%d bytes)", v, units[i], n)
}
