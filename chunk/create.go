package chunk

import (
	"cmp"
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// Options of Create. Prefix must be given; else the zero value is what most want.
type Options struct {
	Prefix  string // see CheckPrefix
	Force   bool   // replace a bundle of that prefix, once the new one is whole
	Workers int    // parts made at once, each with a buffer of Size bytes; 0: one more than processors
}

// Create opens dir for a new bundle. It makes dir if it is missing, locks it,
// removes or puts back what a killed run left there (of any prefix), and refuses
// with ErrExists where files of the prefix are, unless opt.Force is set.
func Create(path string, opt Options) (w *Writer, err error) {
	if err := CheckPrefix(opt.Prefix); err != nil {
		return nil, err
	}
	d, made, err := openLocked(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			removeDirs(made) // before the lock goes
			d.f.Close()
		}
	}()
	if err := d.writable(); err != nil {
		return nil, err
	}
	if err := settleAll(d); err != nil {
		return nil, err
	}
	// While one worker waits for the device, the others keep the processors busy.
	workers := cmp.Or(opt.Workers, runtime.GOMAXPROCS(0)+1)
	w = &Writer{dir: d, made: made, prefix: opt.Prefix, force: opt.Force, workers: workers}
	if _, err := w.present(); err != nil {
		return nil, err
	}
	return w, nil
}

// openLocked opens and locks the directory at path, made if need be.
func openLocked(path string) (*dir, []string, error) {
	for try := 0; ; try++ {
		made, err := makeDir(path)
		if err != nil {
			return nil, nil, err
		}
		d, err := openDir(path)
		if errors.Is(err, unix.ENOENT) && try < 100 {
			continue // another run removed its directory in between
		}
		if err != nil {
			removeDirs(made)
			return nil, nil, err
		}
		err = d.lock()
		gone := false
		if err == nil {
			gone, err = d.removed()
		}
		if err == nil && !gone {
			return d, made, nil
		}
		d.f.Close()
		if err != nil {
			return nil, nil, err
		}
	}
}

// writable says early what the first part would run into.
func (d *dir) writable() error {
	err := unix.Faccessat2(d.fd(), ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		// Before Linux 5.8, or a container that refuses system calls it does not know.
		err = unix.Faccessat(d.fd(), ".", unix.W_OK|unix.X_OK, 0)
	}
	return fail("write", d.path, err)
}

// present lists the files that the new bundle will replace. Without Force there
// may be none.
func (w *Writer) present() ([]string, error) {
	names, err := w.dir.names()
	if err != nil {
		return nil, err
	}
	var old []string
	for _, name := range names {
		if !belongs(w.prefix, name) {
			continue
		}
		if !w.force {
			return nil, &Error{Op: "create", Path: w.dir.join(name), Err: ErrExists,
				Hint: "choose another prefix or directory, or force the older bundle to be replaced"}
		}
		if err := w.replaceable(name); err != nil {
			return nil, err
		}
		old = append(old, name)
	}
	return old, nil
}

// replaceable refuses what was never part of a bundle.
func (w *Writer) replaceable(name string) error {
	stranger := !isFinal(w.prefix, name)
	if !stranger {
		var st unix.Stat_t
		if err := unix.Fstatat(w.dir.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fail("stat", w.dir.join(name), err)
		}
		stranger = st.Mode&unix.S_IFMT == unix.S_IFDIR
	}
	if stranger {
		return &Error{Op: "replace", Path: w.dir.join(name), Err: cause("is no part of a bundle, but named like one"),
			Hint: "move it away or choose another prefix"}
	}
	return nil
}
