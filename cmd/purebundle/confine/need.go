package confine

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ForWriting returns what root needs to write a device, or to make, rename and
// remove files in a directory: nothing if it is its own, else the power over other
// people's files.
func ForWriting(path string) []Capability {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	use := uint32(0o200)
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		use = 0o300
	}
	if err == nil && ours(&st, use) {
		return nil
	}
	return []Capability{Override, Owner}
}

// ForReading returns what root needs to read a directory, if path is one, else the
// one that it lies in, and the files in it: nothing if all are its own or open to all.
func ForReading(path string) []Capability {
	need := []Capability{ReadSearch}
	dir := path
	var st unix.Stat_t
	if unix.Stat(dir, &st) == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		dir = filepath.Dir(path)
	}
	names, err := readable(dir)
	if err != nil {
		return need
	}
	for _, name := range names {
		if unix.Stat(filepath.Join(dir, name), &st) != nil || !ours(&st, 0o400) && st.Mode&0o004 == 0 {
			return need
		}
	}
	return nil
}

// readable lists a directory that can be read, like the way to it, without power.
func readable(dir string) ([]string, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return nil, err
	}
	for up := dir; ; up = filepath.Dir(up) {
		var st unix.Stat_t
		if err := unix.Stat(up, &st); err != nil {
			return nil, err
		}
		if !ours(&st, 0o100) && st.Mode&0o001 == 0 || up == dir && !ours(&st, 0o400) && st.Mode&0o004 == 0 {
			return nil, os.ErrPermission
		}
		if up == "/" {
			break
		}
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// ours says whether a file is of who runs this, who may use it so as its owner.
func ours(st *unix.Stat_t, owner uint32) bool {
	return int(st.Uid) == os.Geteuid() && st.Mode&owner == owner
}
