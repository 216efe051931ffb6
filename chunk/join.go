package chunk

import (
	"cmp"
	"context"
	"errors"
	"io"
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

// Source is what Join joins: a Bundle, or a disk that is kept elsewhere in pieces.
type Source interface {
	Size() int64 // bytes
	// ReadPart fills buf, Size bytes long, with part i, with zeros behind the end. It
	// never gives bytes that are not what their digests say.
	ReadPart(ctx context.Context, i int, buf []byte) error
}

// joiner joins one source.
type joiner struct {
	Source
	bundle *Bundle // the same, if it is one; else nil
	opt    JoinOptions
}

// Join writes what a source has to dst, as Bundle.Join does.
func Join(ctx context.Context, s Source, dst string, opt JoinOptions) error {
	return (&joiner{Source: s, opt: opt}).join(ctx, dst)
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
	opt.Workers = cmp.Or(opt.Workers, b.workers)
	return (&joiner{b, b, opt}).join(ctx, dst)
}

// parts numbers the parts.
func (j *joiner) parts() []int { return numbers(int((j.Size() + Size - 1) / Size)) }

// name returns what to call the file of an image.
func (j *joiner) name() string {
	if j.bundle == nil {
		return "disk.img"
	}
	return j.bundle.manifest.Prefix + ".img"
}

func (j *joiner) join(ctx context.Context, dst string) error {
	opt := j.opt
	st, err := os.Lstat(dst)
	if err == nil && st.Mode()&fs.ModeSymlink != 0 {
		return j.linked(ctx, dst)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return j.file(ctx, dst)
	}
	if err != nil {
		return fail("write", dst, err)
	}
	switch mode := st.Mode(); {
	case mode.IsDir():
		return &Error{Op: "write", Path: dst, Err: cause("is a directory"),
			Hint: "name the image file, such as " + filepath.Join(dst, j.name())}
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		if !opt.Force {
			return onDevice(dst)
		}
		if err := opt.asIs(dst); err != nil {
			return err
		}
		return j.device(ctx, dst)
	case !mode.IsRegular():
		return &Error{Op: "write", Path: dst, Err: cause("is no regular file or block device"),
			Hint: "name an image file, or - for standard output"}
	case !opt.Force:
		return &Error{Op: "write", Path: dst, Err: ErrExists}
	}
	return j.file(ctx, dst)
}

// linked writes to what a symbolic link leads to, which can only be a block device.
func (j *joiner) linked(ctx context.Context, dst string) error {
	st, err := os.Stat(dst)
	if err != nil || st.Mode()&fs.ModeDevice == 0 || st.Mode()&fs.ModeCharDevice != 0 {
		return &Error{Op: "write", Path: dst, Err: cause("is a symbolic link"), Hint: "name the file that it leads to"}
	}
	if !j.opt.Force {
		return onDevice(dst)
	}
	if err := j.opt.asIs(dst); err != nil {
		return err
	}
	return j.device(ctx, dst)
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

// file joins to a file that appears when it is whole.
func (j *joiner) file(ctx context.Context, dst string) (err error) {
	f, err := dir.CreateFile(dst, dir.FileOptions{Trusted: j.opt.Trusted})
	if err != nil {
		return err
	}
	defer func() { _ = f.Discard() }() // nothing after Publish
	if b := j.bundle; b != nil && b.disk != nil {
		if err := b.disk.spare(f.Dir(), filepath.Base(dst), b.manifest); err != nil {
			return err
		}
		if err := b.disk.roomFor(f.Dir(), b.manifest); err != nil {
			return err
		}
	}
	format := cmp.Or(j.opt.Format, wrap.Raw())
	w, err := format.Open(f, j.Size())
	if err != nil {
		return fail("write", dst, err)
	}
	if format.InOrder {
		j.opt.Workers = 1
	}
	if err := j.copyParts(ctx, j.parts(), w.Write); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return fail("write", dst, err)
	}
	return f.Publish(ctx, dir.PublishOptions{Replace: j.opt.Force})
}

// Stream writes what a source has to w, in order, as Bundle.Stream does.
func Stream(ctx context.Context, s Source, w io.Writer, opt JoinOptions) error {
	return (&joiner{Source: s, opt: opt}).stream(ctx, w)
}

// Stream writes the image to w, in order. Nothing of a part is written before its digest
// was checked; if a later one is damaged, what was written is a beginning of the image.
func (b *Bundle) Stream(ctx context.Context, w io.Writer, opt JoinOptions) error {
	return (&joiner{b, b, opt}).stream(ctx, w)
}

func (j *joiner) stream(ctx context.Context, w io.Writer) error {
	format := cmp.Or(j.opt.Format, wrap.Raw())
	if format.Back {
		return &Error{Op: "write", Path: "-", Err: cause("is no file: " + format.Name + " is not written in order"), Hint: "name a file"}
	}
	s := wrap.NewStream(w)
	out, err := format.Open(s, j.Size())
	if err != nil {
		return fail("write", "-", err)
	}
	j.opt.Workers = 1
	put := func(p []byte, off int64) error { return fail("write", "-", out.Write(p, off)) }
	if err := j.copyParts(ctx, j.parts(), put); err != nil {
		return err
	}
	if err = out.Close(); err == nil {
		err = s.Close()
	}
	return fail("write", "-", err)
}

// copyParts gives put the content of parts, each with its offset in the image.
func (j *joiner) copyParts(ctx context.Context, parts []int, put func(p []byte, off int64) error) error {
	var bufs work.Buffers
	defer bufs.Drop()
	t := work.Teller{Fn: j.opt.Done}
	return work.Each(ctx, crew(j.opt.Workers), parts, func(ctx context.Context, i int) error {
		buf, err := bufs.Get(Size)
		if err != nil {
			return err
		}
		defer bufs.Put(buf)
		if err := j.ReadPart(ctx, i, buf); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := put(buf[:min(Size, j.Size()-int64(i)*Size)], int64(i)*Size); err != nil {
			return err
		}
		t.Tell(ctx, i)
		return nil
	})
}
