package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// openLocked opens and locks the directory at path, made if need be. It returns
// the directories that it made, deepest first.
func openLocked(path string, trusted bool) (*Dir, []string, error) {
	for {
		d, made, err := makeDirs(path, trusted)
		if err != nil {
			return nil, nil, err
		}
		err = d.Writable()
		if err == nil {
			err = d.Lock()
		}
		gone := false
		if err == nil || errors.Is(err, unix.ENOENT) {
			var gerr error
			if gone, gerr = d.removed(); gerr != nil {
				err = gerr
			}
		}
		if err == nil && !gone {
			return d, made, nil
		}
		if !gone && !errors.Is(err, ErrBusy) {
			removeDirs(made)
		}
		d.Close()
		if !gone {
			return nil, nil, err
		}
	}
}

// lock is a file that is locked as long as a run has the directory for itself.
type lock struct {
	fd int
	fileMade
}

// Lock takes the directory for this run alone until it is closed or the process
// ends, however it ends. The lock is flock(2) on a file of ours there, which nobody
// else can open, and which is removed with the lock. On network file systems it may
// hold between the processes of one machine only.
//
// Versions up to the autumn of 2026 lock the directory itself, which anybody can who
// may read it: so does this one, but if strangers alone hold that lock it goes on.
func (d *Dir) Lock() error {
	err := d.lockItself()
	if err == nil {
		err = d.lockFile()
	}
	if errors.Is(err, ErrBusy) {
		return &Error{Op: "lock", Path: d.path, Err: ErrBusy, Hint: "wait until that run is over, or choose another directory"}
	}
	return Fail("lock", d.path, err)
}

// lockItself locks the directory itself.
func (d *Dir) lockItself() error {
	err := flock(d.fd())
	if errors.Is(err, ErrBusy) && d.st.Mode&0o044 != 0 && !d.trusted {
		if strangers, serr := d.lockedByStrangers(); serr == nil && strangers {
			return nil
		}
	}
	return err
}

// flock locks an open file for this process, or returns ErrBusy.
func flock(fd int) error {
	for {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrBusy
		case !errors.Is(err, unix.EINTR):
			return err
		}
	}
}

// giveUp gives a lock of this process back. To close the file is not enough: a child that
// is being started has it open until it calls execve(2).
func giveUp(fd int) { _ = unix.Flock(fd, unix.LOCK_UN) }

// lockedByStrangers says whether no process of root or this user is among those that
// have a lock on the directory, by /proc/locks (proc_locks(5)). A process that has ended
// is not listed there, even if a child has its lock; an older version has no children.
func (d *Dir) lockedByStrangers() (bool, error) {
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		return false, err
	}
	inode := ":" + strconv.FormatUint(d.st.Ino, 10)
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line) // "1: FLOCK ADVISORY WRITE 4711 fe:01:1234 0 EOF"
		if len(f) < 6 || f[1] != "FLOCK" || !strings.HasSuffix(f[5], inode) {
			continue
		}
		uid, err := realUser(f[4])
		switch {
		case errors.Is(err, fs.ErrNotExist): // it has just ended
		case err != nil:
			return false, err
		case trusts(uid):
			return false, nil
		}
	}
	return true, nil
}

// realUser returns the real user of a process. Its effective one would be root's for a
// set-user-ID program that inherits the lock of who started it.
func realUser(pid string) (uid uint32, err error) {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), "\nUid:\t")
	real, _, _ := strings.Cut(after, "\t")
	n, err := strconv.ParseUint(real, 10, 32)
	return uint32(n), err
}

// lockFile makes the file, or takes one that a killed run left, and locks it. If a
// stranger has taken its name, it has another, and no other file of ours may be locked.
func (d *Dir) lockFile() error {
	for {
		l, err := d.tryLock(lockName)
		if errors.Is(err, errStranger) {
			l, err = d.tryLock(other(lockName))
		}
		if err == nil && l == nil {
			continue // the run before removed it just now
		}
		if err == nil {
			err = d.alone(l)
		}
		if err != nil {
			return err
		}
		return nil
	}
}

// errStranger: the name of the lock is taken by what is not ours.
const errStranger Cause = "is not ours"

// tryLock makes or opens the lock of this name and locks it. It returns nil if it has
// lost its name meanwhile.
func (d *Dir) tryLock(name string) (l *lock, err error) {
	// For reading: else the file system could not be remounted read-only meanwhile.
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(d.fd(), name, flags|unix.O_CREAT|unix.O_EXCL, 0o600)
	if errors.Is(err, unix.EEXIST) {
		st, serr := d.lookUp(name)
		if serr != nil || st == nil {
			return nil, serr
		}
		if !d.own(st) {
			return nil, errStranger
		}
		fd, err = unix.Openat(d.fd(), name, flags, 0)
		if errors.Is(err, unix.ENOENT) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Nlink > 0 && !d.own(&st) {
		err = errStranger
	}
	if err == nil {
		err = flock(fd)
	}
	if errors.Is(err, unix.EBADF) { // NFS wants it open for writing
		unix.Close(fd)
		if fd, err = d.reopen(fileMade{name, idOf(&st)}, unix.O_RDWR); err != nil {
			return nil, err
		}
		err = flock(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	now, err := d.lookUp(name)
	if err != nil || now == nil || idOf(now) != idOf(&st) {
		unix.Close(fd)
		return nil, err
	}
	return &lock{fd, fileMade{name, idOf(&st)}}, nil
}

// alone sees to it that of the locks of ours in the directory, which has several if a
// stranger has taken the usual name or gave it back, none but l is held.
func (d *Dir) alone(l *lock) error {
	d.lock = l
	names, err := d.Names()
	for _, name := range names {
		if err != nil {
			break
		}
		if name == l.name || !strings.HasPrefix(name, lockName) {
			continue
		}
		var also *lock
		also, err = d.tryLock(name)
		if errors.Is(err, errStranger) {
			err = nil
		} else if err == nil && also != nil { // a killed run left it
			d.dropLock(also)
		}
	}
	if err != nil {
		d.unlock()
	}
	return err
}

// leave removes directories that were made for a run, if they are empty, and then lets
// go of the lock: the next run must not get a directory that vanishes.
func (d *Dir) leave(made []string) {
	if l := d.lock; l != nil && len(made) > 0 {
		d.dropName(l)
	}
	removeDirs(made)
	d.Close()
}

// unlock lets go of the lock.
func (d *Dir) unlock() {
	if d.lock != nil {
		d.dropLock(d.lock)
		d.lock = nil
	}
}

// dropLock removes the file and then its lock.
func (d *Dir) dropLock(l *lock) {
	d.dropName(l)
	giveUp(l.fd)
	unix.Close(l.fd)
}

// dropName removes the file of a lock that is held, if it still has its name.
func (d *Dir) dropName(l *lock) {
	if st, err := d.lookUp(l.name); err == nil && st != nil && idOf(st) == l.id {
		_ = unix.Unlinkat(d.fd(), l.name, 0) // else the next run takes it
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
