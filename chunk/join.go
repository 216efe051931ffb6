package chunk

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"purebundle/chunk/work"
)

// JoinOptions of Join; the zero value is what most want.
type JoinOptions struct {
	Force   bool           // replace an existing file, or write to a block device
	Workers int            // each with a buffer of Size bytes; 0: one a processor
	Done    func(part int) // if not nil, called after each part, never twice at once
}

// Join writes the image to dst, checking the digest of each part before its
// bytes are used.
//
// A file appears under its name only when it is whole: it is made under a
// temporary name beside it, sparse, with mode 0600, synced and renamed. Where it
// fails or ctx is done, nothing is left. A file that is there already is
// replaced only with opt.Force.
//
// A block device is written in place, zeros included, so all that was on it is
// lost from the first moment: this too needs opt.Force. It must not be in use
// and must be as large as the image. Its first part, with the superblock, is
// cleared first and written last: a device that was written half cannot be mounted.
func (b *Bundle) Join(ctx context.Context, dst string, opt JoinOptions) error {
	st, err := os.Stat(dst)
	if errors.Is(err, fs.ErrNotExist) {
		return b.joinFile(ctx, dst, opt)
	}
	if err != nil {
		return fail("write", dst, err)
	}
	switch mode := st.Mode(); {
	case mode.IsDir():
		return &Error{Op: "write", Path: dst, Err: cause("is a directory"),
			Hint: "name the image file, such as " + filepath.Join(dst, b.manifest.Prefix+".img")}
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		if !opt.Force {
			return &Error{Op: "write", Path: dst, Err: cause("is a block device: all that is on it would be lost"),
				Hint: "force it if that is what you want"}
		}
		return b.joinDevice(ctx, dst, opt)
	case !mode.IsRegular():
		return &Error{Op: "write", Path: dst, Err: cause("is no regular file or block device"),
			Hint: "name an image file; to write to a pipe: cat " + b.store.Path(b.manifest.Prefix+partInfix) + "*"}
	case !opt.Force:
		return &Error{Op: "write", Path: dst, Err: ErrExists, Hint: "choose another name, or force it to be replaced"}
	}
	if dst, err = filepath.EvalSymlinks(dst); err != nil {
		return fail("write", dst, err)
	}
	return b.joinFile(ctx, dst, opt)
}

// joinFile joins to a temporary file and renames it.
func (b *Bundle) joinFile(ctx context.Context, dst string, opt JoinOptions) (err error) {
	d, err := openDir(filepath.Dir(dst))
	if err != nil {
		return err
	}
	defer d.f.Close()
	name := filepath.Base(dst)
	if b.disk != nil {
		if err := b.disk.spare(d, name, b.manifest); err != nil {
			return err
		}
		if err := b.disk.roomFor(d, b.manifest); err != nil {
			return err
		}
	}
	temp := joinTemp(name)
	f, err := openJoin(d, temp, dst)
	if err != nil {
		return err
	}
	defer f.Close()
	defer func() {
		if err != nil {
			_ = d.remove(temp)
		}
	}()
	if err := f.Truncate(b.Size()); err != nil {
		return fail("write", dst, err)
	}
	if err := b.copyParts(ctx, numbers(len(b.manifest.Parts)), f, dst, opt, writeSparse); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fail("write", dst, err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	flags := uint(unix.RENAME_NOREPLACE)
	if opt.Force {
		flags = 0
	}
	if err := d.renameFlags(temp, name, flags); err != nil {
		return err
	}
	if err := d.sync(); err != nil {
		return errors.Join(err, d.remove(name))
	}
	return nil
}

// joinTemp is the temporary name of an image. It is cut where it would be too
// long for a file system.
func joinTemp(name string) string {
	return "." + name[:min(len(name), maxPrefix)] + joinSuffix
}

// openJoin opens the temporary file and locks it. One that a killed run left is
// used again.
func openJoin(d *dir, temp, dst string) (*os.File, error) {
	f, err := d.open(temp, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return nil, renamed(err, dst)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		err = &Error{Op: "write", Path: dst, Err: ErrBusy, Hint: "wait until that run is over, or choose another name"}
	case err == nil:
		err = sameFile(d, temp, f)
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		return nil, fail("write", dst, err)
	}
	return f, nil
}

// sameFile checks that a file that was just locked still has its name: the run
// that held the lock before may have renamed or removed it.
func sameFile(d *dir, name string, f *os.File) error {
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

// renameFlags is rename with the flags of renameat2(2), where the file system knows them.
func (d *dir) renameFlags(from, to string, flags uint) error {
	err := unix.Renameat2(d.fd(), from, d.fd(), to, flags)
	switch {
	case err == nil:
		return nil
	case flags&unix.RENAME_NOREPLACE != 0 && errors.Is(err, unix.EEXIST):
		return &Error{Op: "write", Path: d.join(to), Err: ErrExists, Hint: "it appeared during the run: choose another name"}
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return d.rename(from, to)
	}
	return fail("rename", d.join(to), err)
}

// copyParts writes parts to their places in f with put.
func (b *Bundle) copyParts(ctx context.Context, parts []int, f *os.File, dst string, opt JoinOptions,
	put func(f *os.File, p []byte, off int64) (int64, error)) error {
	var bufs work.Buffers
	defer bufs.Drop()
	t := work.Teller{Fn: opt.Done}
	return work.Each(ctx, crew(cmp.Or(opt.Workers, b.workers)), parts, func(ctx context.Context, i int) error {
		buf, err := bufs.Get(Size)
		if err != nil {
			return err
		}
		defer bufs.Put(buf)
		if err := b.ReadPart(ctx, i, buf); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := put(f, buf, int64(i)*Size)
		if err != nil {
			return fail("write", dst, err)
		}
		if n > 0 {
			startWriteback(f, int64(i)*Size, Size)
		}
		t.Tell(ctx, i)
		return nil
	})
}
