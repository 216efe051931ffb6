package ship

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// workPrefix begins the names of the directories that ship works in.
const workPrefix = "purebundle-ship-"

// workDir is a directory for one run alone, locked as long as that lasts.
type workDir struct {
	f    *os.File
	path string
}

// newWorkDir makes a directory in parent, "" for that of temporary files. First it
// removes those of runs that were killed.
func newWorkDir(parent string) (*workDir, error) {
	if parent == "" {
		if parent = os.Getenv("TMPDIR"); parent == "" {
			parent = "/var/tmp" // /tmp is often in memory
		}
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	if err := sweepWork(parent); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(parent, workPrefix)
	if err != nil {
		return nil, err
	}
	w, err := lockWork(path)
	if err == nil && w == nil {
		err = fmt.Errorf("lock %s: another run took it", path)
	}
	return w, err
}

// lockWork locks a directory of ours. It returns nil if the directory is not ours,
// or in use.
func lockWork(path string) (*workDir, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil // a file, a link, or gone by now
	}
	f := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || int(st.Uid) != os.Geteuid() {
		f.Close()
		return nil, err
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &workDir{f: f, path: path}, nil
}

// sweepWork removes the directories of runs that are no more.
func sweepWork(parent string) error {
	found, err := filepath.Glob(filepath.Join(globQuote(parent), workPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range found {
		if !ourWork(path) {
			continue
		}
		w, err := lockWork(path)
		if err == nil && w != nil {
			err = w.remove()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ourWork says whether a path is one that newWorkDir has made up: os.MkdirTemp
// adds nothing but digits, people add words.
func ourWork(path string) bool {
	random := strings.TrimPrefix(filepath.Base(path), workPrefix)
	return random != "" && strings.Trim(random, "0123456789") == ""
}

// globQuote makes a path match itself only (path/filepath.Match).
func globQuote(path string) string {
	var out []rune
	for _, r := range path {
		if r == '*' || r == '?' || r == '[' || r == '\\' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}

// remove removes the directory with all that is in it.
func (w *workDir) remove() error {
	defer w.f.Close() // gives the lock back
	return os.RemoveAll(w.path)
}
