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

// Making returns what it takes to write below a directory that will be there when To
// is called, and to remove those directories that are missing now: if a run fails, what
// it made goes. The capabilities are known when it is there (ForWriting).
func Making(path string) Rest {
	rest := Rest{Write: []string{path}}
	if above := existing(path); above != "" {
		rest.Remove = []string{above}
	}
	return rest
}

// Under returns what it takes to make a directory, if it is missing, and to write
// below it: to write below the one in which it is made, then.
func Under(path string) Rest {
	if above := existing(path); above != "" {
		path = above
	}
	return Rest{Write: []string{path}, Capabilities: ForWriting(path)}
}

// existing returns the directory in which the first missing one of path is to be
// made; "" if path is there.
func existing(path string) string {
	above := ""
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); err == nil || p == filepath.Dir(p) {
			return above
		}
		above = filepath.Dir(p)
	}
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
