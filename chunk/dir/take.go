package dir

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// Take stages a file that is in another directory, or in this one: as a clone that shares
// its blocks (ioctl_ficlone(2)), else as a hard link, else as a copy. taken is false if it
// is no regular file of ours of that size, or if sure, which is told its modification
// time, says no: nothing is staged then. It returns the bytes that were copied.
func (s *Stage) Take(it Item, from *Dir, name string, size int64, sure func(mtime unix.Timespec) bool) (taken bool, copied int64, err error) {
	src, err := from.openFD(name, unix.O_RDONLY, 0)
	if err != nil {
		return false, 0, nil // whatever is wrong with it: it is not to be had
	}
	defer unix.Close(src)
	var st unix.Stat_t
	if unix.Fstat(src, &st) != nil || !from.own(&st) || st.Size != size || !sure(st.Mtim) {
		return false, 0, nil
	}
	if linked, err := s.link(it, from, name, &st); linked || err != nil {
		return linked, 0, err
	}
	fd, err := s.begin(it)
	if err != nil {
		return false, 0, err
	}
	err = unix.IoctlFileClone(fd, src)
	if err != nil {
		copied, err = copyData(fd, src, size)
	}
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		return false, 0, s.explain(Fail("write", s.dir.Join(it.Name), err))
	}
	s.written += copied
	f := s.staged[it.Key]
	f.whole, f.data = true, true
	return true, copied, nil
}

// Links says whether Take can do without copying: the files are on one file system, and
// either are linked or, where that is not safe, may be cloned.
func (s *Stage) Links(from *Dir) bool { return s.dir.st.Dev == from.st.Dev && !s.apart(from) }

// apart says whether files of another directory must not be linked here: somebody else
// could add names to them or take ours away, or they would be linked beside themselves,
// where rename(2) takes two names of one file for one.
func (s *Stage) apart(from *Dir) bool {
	same, err := s.dir.Same(from)
	return err != nil || same || s.dir.exposed() || from.exposed()
}

// link stages a file as a hard link, if that is safe; first as a clone, which lets the
// two live apart.
func (s *Stage) link(it Item, from *Dir, name string, st *unix.Stat_t) (linked bool, err error) {
	if !s.Links(from) || st.Uid != euid() || s.clones(from) {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := s.dir.Join(it.Name)
	if s.closed {
		return false, Fail("write", shown, unix.EBADF)
	}
	if f := s.staged[it.Key]; f != nil {
		if err := s.dir.Remove(f.name); err != nil {
			return false, err
		}
		delete(s.staged, it.Key)
	}
	temp := tempName(it.Key)
	if err := s.dir.change("create", temp); err != nil {
		return false, err
	}
	if err := unix.Linkat(from.fd(), name, s.dir.fd(), temp, 0); err != nil {
		return false, nil // a file system without links, a limit of them, a name that is taken: it is copied
	}
	f := &staged{fileMade: fileMade{temp, idOf(st)}, whole: true, data: true, linked: true}
	s.staged[it.Key] = f
	if have, err := s.dir.lookUp(temp); err != nil || have == nil || idOf(have) != f.id {
		delete(s.staged, it.Key)
		return false, errors.Join(err, s.dir.Remove(temp)) // another file got the name meanwhile
	}
	return true, nil
}

// clones says whether the file system of a directory knows clones, as far as its type tells.
func (s *Stage) clones(from *Dir) bool {
	var fs unix.Statfs_t
	if unix.Fstatfs(from.fd(), &fs) != nil {
		return false
	}
	const bcachefs = 0xca451a4e
	return fs.Type == unix.BTRFS_SUPER_MAGIC || fs.Type == unix.XFS_SUPER_MAGIC || fs.Type == bcachefs
}

// copyData copies what is no hole of src to the empty file fd, and makes that size bytes
// long.
func copyData(fd, src int, size int64) (copied int64, err error) {
	if err := unix.Ftruncate(fd, size); err != nil {
		return 0, err
	}
	for off := int64(0); off < size; {
		data, err := unix.Seek(src, off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		hole := size
		if err == nil {
			if hole, err = unix.Seek(src, data, unix.SEEK_HOLE); err != nil {
				return copied, err
			}
		} else { // a file system that cannot tell
			data = off
		}
		n, err := copyRange(fd, src, data, min(hole, size)-data)
		copied += n
		if err != nil {
			return copied, err
		}
		off = min(hole, size)
	}
	_ = unix.SyncFileRange(fd, 0, size, unix.SYNC_FILE_RANGE_WRITE) // what goes wrong is left for the fsync
	return copied, nil
}

// copyRange copies n bytes at off.
func copyRange(fd, src int, off, n int64) (copied int64, err error) {
	for copied < n {
		in, out := off+copied, off+copied
		got, err := unix.CopyFileRange(src, &in, fd, &out, int(n-copied), 0)
		if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
			more, err := copyPlain(fd, src, off+copied, n-copied)
			return copied + more, err
		}
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return copied, err
		case got == 0:
			return copied, io.ErrUnexpectedEOF
		}
		copied += int64(got)
	}
	return copied, nil
}

// copyPlain does what copyRange does, by reading and writing.
func copyPlain(fd, src int, off, n int64) (copied int64, err error) {
	buf := make([]byte, 256<<10)
	for copied < n {
		p := buf[:min(int64(len(buf)), n-copied)]
		got, err := unix.Pread(src, p, off+copied)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return copied, err
		case got == 0:
			return copied, io.ErrUnexpectedEOF
		}
		if _, err := pwrite(fd, p[:got], off+copied); err != nil {
			return copied, err
		}
		copied += int64(got)
	}
	return copied, nil
}
