package dir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxMakes bounds how often makeDirs begins anew because another run that was
// aborted took away what it had just made.
const maxMakes = 1000

// makeDirs makes the directory at path and those above it that are missing. It
// returns the ones that it made, deepest first.
func makeDirs(path string) (made []string, err error) {
	for range maxMakes {
		made, err = makeMissing(path)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return made, err
}

func makeMissing(path string) (made []string, err error) {
	var missing []string
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		st, err := os.Stat(p)
		if err == nil {
			if !st.IsDir() {
				return nil, Fail("open", p, unix.ENOTDIR)
			}
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, Fail("open", p, err)
		}
		missing = append(missing, p)
		if filepath.Dir(p) == p {
			break
		}
	}
	for i := len(missing) - 1; i >= 0; i-- {
		err := os.Mkdir(missing[i], 0o755)
		if errors.Is(err, fs.ErrExist) {
			st, lerr := os.Lstat(missing[i])
			switch {
			case lerr != nil:
				err = lerr
			case st.Mode()&fs.ModeSymlink == 0:
				continue // another run was faster
			default:
				err = Cause("is a symbolic link to nothing")
			}
		}
		if err != nil {
			removeDirs(made)
			return nil, Fail("mkdir", missing[i], err)
		}
		made = append([]string{missing[i]}, made...)
	}
	return made, nil
}

// removeDirs removes directories that are empty, and leaves the others.
func removeDirs(paths []string) {
	for _, p := range paths {
		if unix.Rmdir(p) != nil {
			return
		}
	}
}
