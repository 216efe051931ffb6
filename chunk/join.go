package chunk

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"purebundle/chunk/dir"
	"purebundle/chunk/work"
	"purebundle/chunk/wrap"
)

// JoinOptions of Join; the zero value is what most want.
type JoinOptions struct {
	Force   bool           // replace an existing file, or write to a block device below /dev
	Trusted bool           // as in Directory
	Format  *wrap.Format   // of the file; nil: the image as it is
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
	st, err := os.Lstat(dst)
	if err == nil && st.Mode()&fs.ModeSymlink != 0 {
		return b.joinLinked(ctx, dst, opt)
	}
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
			return onDevice(dst)
		}
		if err := opt.asIs(dst); err != nil {
			return err
		}
		return b.joinDevice(ctx, dst, opt)
	case !mode.IsRegular():
		return &Error{Op: "write", Path: dst, Err: cause("is no regular file or block device"),
			Hint: "name an image file; to write to a pipe: cat " + b.place.Path(b.manifest.Prefix+partInfix) + "*"}
	case !opt.Force:
		return &Error{Op: "write", Path: dst, Err: ErrExists}
	}
	return b.joinFile(ctx, dst, opt)
}

// joinLinked writes to what a symbolic link leads to, which can only be a block device.
func (b *Bundle) joinLinked(ctx context.Context, dst string, opt JoinOptions) error {
	st, err := os.Stat(dst)
	if err != nil || st.Mode()&fs.ModeDevice == 0 || st.Mode()&fs.ModeCharDevice != 0 {
		return &Error{Op: "write", Path: dst, Err: cause("is a symbolic link"), Hint: "name the file that it leads to"}
	}
	if !opt.Force {
		return onDevice(dst)
	}
	if err := opt.asIs(dst); err != nil {
		return err
	}
	return b.joinDevice(ctx, dst, opt)
}

// asIs returns an error if what is to be written to a device is not the image as it is.
func (o JoinOptions) asIs(dst string) error {
	if o.Format == nil || o.Format.Name == wrap.Raw().Name {
		return nil
	}
	return &Error{Op: "write", Path: dst, Err: cause("is a block device: " + o.Format.Name + " is for a file"), Hint: "a device takes the image as it is (raw)"}
}

// onDevice returns the error of an image that is a device, without Force.
func onDevice(dst string) error {
	return &Error{Op: "write", Path: dst, Err: cause("is a block device: all that is on it would be lost"),
		Hint: "force it if that is what you want"}
}

// joinFile joins to a file that appears when it is whole.
func (b *Bundle) joinFile(ctx context.Context, dst string, opt JoinOptions) (err error) {
	f, err := dir.CreateFile(dst, dir.FileOptions{Trusted: opt.Trusted})
	if err != nil {
		return err
	}
	defer func() { _ = f.Discard() }() // nothing after Publish
	if b.disk != nil {
		if err := b.disk.spare(f.Dir(), filepath.Base(dst), b.manifest); err != nil {
			return err
		}
		if err := b.disk.roomFor(f.Dir(), b.manifest); err != nil {
			return err
		}
	}
	format := cmp.Or(opt.Format, wrap.Raw())
	w, err := format.Open(f, b.Size())
	if err != nil {
		return fail("write", dst, err)
	}
	if format.InOrder {
		opt.Workers = 1
	}
	if err := b.copyParts(ctx, numbers(len(b.manifest.Parts)), opt, w.Write); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return fail("write", dst, err)
	}
	return f.Publish(ctx, dir.PublishOptions{Replace: opt.Force})
}

// copyParts gives put the content of parts, each with its offset in the image.
func (b *Bundle) copyParts(ctx context.Context, parts []int, opt JoinOptions, put func(p []byte, off int64) error) error {
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
		if err := put(buf, int64(i)*Size); err != nil {
			return err
		}
		t.Tell(ctx, i)
		return nil
	})
}
