package dir

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// File is a single file that appears when it is whole, the smallest group: a
// rename puts it in place, so it needs no journal. It is made under a temporary
// name beside its own, with mode 0600, and locked; its directory is not, so other
// runs may work there.
type File struct {
	f    *os.File
	dir  *Dir
	temp fileMade
	name string
	path string
	over bool // Publish or Discard is through
}

// FileOptions of CreateFile; the zero value is what most want.
type FileOptions struct {
	Trusted bool // as in Options
}

// CreateFile begins the file that is to be at path. One that a killed run left
// half made is used again.
func CreateFile(path string, opt FileOptions) (*File, error) {
	w := way{trusted: opt.Trusted}
	above, name := filepath.Split(path)
	if above != "/" {
		above = strings.TrimSuffix(above, "/")
	}
	d, _, err := w.reach(cmp.Or(above, "."))
	if err != nil {
		return nil, err
	}
	f := &File{dir: d, name: name, path: path}
	if err = d.Writable(); err == nil {
		err = f.open()
	}
	if err != nil {
		d.Close()
		return nil, renamed(Fail("write", path, err), path)
	}
	return f, nil
}

// open opens the temporary file, empty, and locks it. It is made, unless a killed run
// of ours left one; what a stranger has called so is stepped over.
func (f *File) open() error {
	temp := fileTemp(f.name)
	fd, err := f.dir.openFD(temp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
	if errors.Is(err, unix.EEXIST) {
		if fd, err = f.dir.left(temp); errors.Is(err, errStranger) {
			temp = other(strings.TrimSuffix(temp, fileSuffix)) + fileSuffix
			fd, err = f.dir.openFD(temp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
		}
	}
	if err != nil {
		return err
	}
	return f.take(fd, temp)
}

// take locks the temporary file that was just opened, and empties it. The run that had
// it until then may have given it its name meanwhile: it is nobody's any more then.
func (f *File) take(fd int, temp string) (err error) {
	file := os.NewFile(uintptr(fd), f.path)
	var st unix.Stat_t
	if err = flock(fd); err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err == nil {
		f.f, f.temp = file, fileMade{temp, idOf(&st)}
		if err = f.stillNamed(); err == nil {
			err = file.Truncate(0)
		}
	}
	if err != nil {
		file.Close()
	}
	if errors.Is(err, ErrBusy) {
		err = &Error{Op: "write", Path: f.path, Err: ErrBusy, Hint: "wait until that run is over, or choose another name"}
	}
	return err
}

// left opens the temporary file of a killed run, if it is our own.
func (d *Dir) left(name string) (fd int, err error) {
	st, err := d.lookUp(name)
	switch {
	case err != nil:
		return -1, err
	case st == nil:
		return -1, ErrBusy // the run that had it is over just now
	case !d.own(st):
		return -1, errStranger
	}
	return d.reopen(fileMade{name, idOf(st)}, unix.O_RDWR)
}

// stillNamed checks that the temporary file, which was just locked, still has its
// name: the run that held the lock before may have renamed or removed it.
func (f *File) stillNamed() error {
	st, err := f.dir.lookUp(f.temp.name)
	if err == nil && (st == nil || idOf(st) != f.temp.id || st.Mode&unix.S_IFMT != unix.S_IFREG) {
		err = ErrBusy
	}
	return err
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
	if !replace {
		return renamed(f.dir.appear(f.temp.name, f.name, f.temp.id), f.path)
	}
	if err := f.dir.replaceable(f.name); err != nil {
		return err
	}
	if f.stillNamed() != nil {
		return &Error{Op: "rename", Path: f.path, Err: ErrSwapped, Hint: "somebody else changes files there: choose a directory that only you can write to"}
	}
	return f.dir.rename(f.temp.name, f.name)
}

// keepOld gives the older file a second name.
func (f *File) keepOld(backup string) error {
	if err := f.dir.replaceable(backup); err != nil {
		return err
	}
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
	err := f.stillNamed()
	if err == nil {
		err = f.dir.Remove(f.temp.name) // still locked
	} else if errors.Is(err, ErrBusy) { // it is not there any more
		err = nil
	}
	f.close()
	return err
}

func (f *File) close() {
	f.f.Close()
	f.dir.Close()
}
