package ec2

import (
	"bytes"
	"context"
	"crypto/rsa"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
)

// UnbundleOptions of Unbundle; the zero value is what most want.
type UnbundleOptions struct {
	Force bool           // replace an existing file
	Done  func(part int) // if not nil, called after each part
}

// Unbundle writes the image to the file dst. It appears under its name only when
// all is checked (see Read): it is made under a temporary name beside it, sparse,
// with mode 0600, synced and renamed. Where that fails, nothing is left.
func (b *Bundle) Unbundle(ctx context.Context, key *rsa.PrivateKey, dst string, opt UnbundleOptions) (err error) {
	if st, err := os.Lstat(dst); err == nil {
		switch {
		case st.IsDir():
			return hinted("write", dst, cause("is a directory"), "name another file")
		case !st.Mode().IsRegular():
			return hinted("write", dst, cause("is no regular file"), "name another file")
		case !opt.Force:
			return hinted("write", dst, chunk.ErrExists, "choose another name, or force it to be replaced")
		}
	}
	out, err := openOutputDir(filepath.Dir(dst))
	if err != nil {
		return err
	}
	defer out.f.Close()
	name := filepath.Base(dst)
	temp := tempName(name)
	f, err := out.openTemp(temp, dst)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.remove(temp)) // still locked
		}
		f.Close()
	}()
	err = b.Read(ctx, key, func(p []byte, off int64) error { return fail("write", dst, writeSparse(f, p, off)) }, opt.Done)
	if err != nil {
		return err
	}
	if err := f.Truncate(b.manifest.Size); err != nil {
		return fail("write", dst, err)
	}
	if err := f.Sync(); err != nil {
		return fail("write", dst, err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := out.place(temp, name, opt.Force); err != nil {
		return err
	}
	return out.sync()
}

// place gives a file its name; what is there already stays unless force is set.
func (o *output) place(temp, name string, force bool) error {
	if !force {
		err := unix.Renameat2(o.fd(), temp, o.fd(), name, unix.RENAME_NOREPLACE)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EEXIST):
			return hinted("write", o.join(name), chunk.ErrExists, "it appeared during the run: choose another name")
		case !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS): // flags that the file system does not know
			return fail("rename", o.join(name), err)
		}
	}
	return o.rename(temp, name)
}

// openOutputDir opens a directory that is there, without locking it.
func openOutputDir(path string) (*output, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fail("open", path, err)
	}
	return &output{f: f, path: path}, nil
}

// openTemp makes the temporary file of an image and locks it. One that a killed
// run left is used again.
func (o *output) openTemp(temp, dst string) (*os.File, error) {
	fd, err := unix.Openat(o.fd(), temp, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fail("create", dst, err)
	}
	f := os.NewFile(uintptr(fd), dst)
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, hinted("write", dst, chunk.ErrBusy, "wait until that run is over, or choose another name")
		}
		return nil, fail("lock", dst, err)
	}
	// The run that held the lock before may have given the file its name.
	var here, there unix.Stat_t
	err = errors.Join(unix.Fstat(fd, &here), unix.Fstatat(o.fd(), temp, &there, unix.AT_SYMLINK_NOFOLLOW))
	if err == nil && (here.Dev != there.Dev || here.Ino != there.Ino || here.Mode&unix.S_IFMT != unix.S_IFREG) {
		err = chunk.ErrBusy
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

// writeSparse writes to f at off the pages of p that are not all zero.
func writeSparse(f *os.File, p []byte, off int64) error {
	var zero [page]byte
	isZero := func(i int) bool {
		b := p[i:min(i+page, len(p))]
		return bytes.Equal(b, zero[:len(b)])
	}
	for i := 0; i < len(p); {
		start := i
		for i < len(p) && !isZero(i) {
			i += page
		}
		if i > start {
			if _, err := f.WriteAt(p[start:min(i, len(p))], off+int64(start)); err != nil {
				return err
			}
		}
		for i < len(p) && isZero(i) {
			i += page
		}
	}
	return nil
}
