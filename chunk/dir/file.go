package dir

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// File is a single file that appears when it is whole, the smallest group: a
// rename puts it in place, so it needs no journal. It is made under a temporary
// name beside its own, with mode 0600, and locked; its directory is not, so other
// runs may work there.
type File struct {
	f    *os.File
	dir  *Dir
	temp string
	name string
	path string
	over bool // Publish or Discard is through
}

// CreateFile begins the file that is to be at path. One that a killed run left
// half made is used again.
func CreateFile(path string) (*File, error) {
	d, err := Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	name := filepath.Base(path)
	f := &File{dir: d, temp: fileTemp(name), name: name, path: path}
	if f.f, err = f.open(); err != nil {
		d.Close()
		return nil, err
	}
	return f, nil
}

// open opens the temporary file, empty, and locks it.
func (f *File) open() (*os.File, error) {
	file, err := f.dir.open(f.temp, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return nil, renamed(err, f.path)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		err = &Error{Op: "write", Path: f.path, Err: ErrBusy, Hint: "wait until that run is over, or choose another name"}
	case err == nil:
		err = f.dir.stillNamed(f.temp, file)
	}
	if err == nil {
		err = file.Truncate(0)
	}
	if err != nil {
		file.Close()
		return nil, Fail("write", f.path, err)
	}
	return file, nil
}

// stillNamed checks that a file that was just locked still has its name: the run
// that held the lock before may have renamed or removed it.
func (d *Dir) stillNamed(name string, f *os.File) error {
	var here, there unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &here); err != nil {
		return err
	}
	err := unix.Fstatat(d.fd(), name, &there, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || here.Dev != there.Dev || here.Ino != there.Ino || here.Mode&unix.S_IFMT != unix.S_IFREG {
		return ErrBusy
	}
	return nil
}

// Dir returns the directory of the file.
func (f *File) Dir() *Dir { return f.dir }

// Truncate makes the file size bytes long; what is added reads as zero.
func (f *File) Truncate(size int64) error { return Fail("write", f.path, f.f.Truncate(size)) }

// WriteSparse writes p at off, but for pages that are zero: there the file must be
// zero already. Its writing to the device begins at once.
func (f *File) WriteSparse(p []byte, off int64) error {
	n, err := writeSparse(f.f, p, off)
	if err != nil {
		return Fail("write", f.path, err)
	}
	if n > 0 {
		StartWriteback(f.f, off, int64(len(p)))
	}
	return nil
}

// PublishOptions of File.Publish.
type PublishOptions struct {
	Replace bool // a file that is there already; else it is ErrExists
	// Backup, if not "", ends the name that the older file is kept under; it is a
	// link, so that there is a file at every moment.
	Backup string
}

// Publish makes the file durable and gives it its name. If that fails or ctx is
// done, nothing is left of it.
func (f *File) Publish(ctx context.Context, opt PublishOptions) error {
	err := Fail("write", f.path, f.f.Sync())
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil && opt.Backup != "" {
		err = f.keepOld(f.name + opt.Backup)
	}
	if err == nil {
		err = f.place(opt.Replace)
	}
	if err != nil {
		return errors.Join(err, f.Discard())
	}
	f.over = true
	if err := f.dir.sync(); err != nil {
		if !opt.Replace {
			err = errors.Join(err, f.dir.Remove(f.name))
		}
		f.close()
		return err
	}
	f.close()
	return nil
}

// place renames the temporary file.
func (f *File) place(replace bool) error {
	if replace {
		return f.dir.rename(f.temp, f.name)
	}
	err := unix.Renameat2(f.dir.fd(), f.temp, f.dir.fd(), f.name, unix.RENAME_NOREPLACE)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EEXIST):
		return &Error{Op: "write", Path: f.path, Err: ErrExists, Hint: "it appeared during the run: choose another name"}
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS): // flags that the file system does not know
		return f.dir.rename(f.temp, f.name)
	}
	return Fail("rename", f.path, err)
}

// keepOld gives the older file a second name.
func (f *File) keepOld(backup string) error {
	if err := f.dir.Remove(backup); err != nil {
		return err
	}
	return Fail("link", f.dir.Join(backup), unix.Linkat(f.dir.fd(), f.name, f.dir.fd(), backup, 0))
}

// Discard removes the file. After Publish or Discard it does nothing.
func (f *File) Discard() error {
	if f.over {
		return nil
	}
	f.over = true
	err := f.dir.Remove(f.temp) // still locked
	f.close()
	return err
}

func (f *File) close() {
	f.f.Close()
	f.dir.Close()
}
