package chunk

import (
	"errors"

	"golang.org/x/sys/unix"
)

// lock takes the directory for this run alone until it is closed or the process
// ends, however it ends. The lock is on the directory itself (flock(2)), so it
// leaves no file. On network file systems it holds between the processes of one
// machine only.
func (d *dir) lock() error {
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
			return fail("lock", d.path, err)
		}
	}
}

// removed says whether the directory is gone, though still open: a run that had
// made it removed it just before this one got the lock.
func (d *dir) removed() (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd(), &st); err != nil {
		return false, fail("stat", d.path, err)
	}
	return st.Nlink == 0, nil
}
