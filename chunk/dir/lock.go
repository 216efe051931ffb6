package dir

import (
	"errors"

	"golang.org/x/sys/unix"
)

// openLocked opens and locks the directory at path, made if need be. It returns
// the directories that it made, deepest first.
func openLocked(path string) (*Dir, []string, error) {
	for try := 0; ; try++ {
		made, err := makeDirs(path)
		if err != nil {
			return nil, nil, err
		}
		d, err := Open(path)
		if errors.Is(err, unix.ENOENT) && try < 100 {
			continue // another run removed its directory in between
		}
		if err != nil {
			removeDirs(made)
			return nil, nil, err
		}
		err = d.Lock()
		gone := false
		if err == nil {
			gone, err = d.removed()
		}
		if err == nil && !gone {
			return d, made, nil
		}
		d.Close()
		if err != nil {
			return nil, nil, err
		}
	}
}

// Lock takes the directory for this run alone until it is closed or the process
// ends, however it ends. The lock is on the directory itself (flock(2)), so it
// leaves no file. On network file systems it holds between the processes of one
// machine only.
func (d *Dir) Lock() error {
	for {
		err := unix.Flock(d.fd(), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return &Error{Op: "lock", Path: d.path, Err: ErrBusy,
				Hint: "wait until that run is over, or choose another directory"}
		default:
			return Fail("lock", d.path, err)
		}
	}
}

// removed says whether the directory is gone, though still open: a run that had
// made it removed it just before this one got the lock.
func (d *Dir) removed() (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd(), &st); err != nil {
		return false, Fail("stat", d.path, err)
	}
	return st.Nlink == 0, nil
}
