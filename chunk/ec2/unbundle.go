package ec2

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"

	"purebundle/chunk"
	"purebundle/chunk/dir"
)

// UnbundleOptions of Unbundle; the zero value is what most want.
type UnbundleOptions struct {
	Force   bool           // replace an existing file
	Trusted bool           // as in chunk.Directory
	Done    func(part int) // if not nil, called after each part
}

// Unbundle writes the image to the file dst. It appears under its name only when
// all is checked (see Read), sparse, with mode 0600. If that fails, no file remains.
func (b *Bundle) Unbundle(ctx context.Context, key *rsa.PrivateKey, dst string, opt UnbundleOptions) error {
	if st, err := os.Lstat(dst); err == nil {
		switch {
		case st.IsDir():
			return hinted("write", dst, cause("is a directory"), "name another file")
		case !st.Mode().IsRegular():
			return hinted("write", dst, cause("is no regular file"), "name another file")
		case !opt.Force:
			return &chunk.Error{Op: "write", Path: dst, Err: chunk.ErrExists}
		}
	}
	f, err := dir.CreateFile(dst, dir.FileOptions{Trusted: opt.Trusted})
	if err != nil {
		return err
	}
	// gzip makes nothing longer by more than a few bytes in a block: so much, at least,
	// is not zero. How much more that is only the end tells.
	err = f.Dir().Room(1, b.manifest.BundledSize)
	if err == nil {
		err = b.Read(ctx, key, f.WriteSparse, opt.Done)
	}
	if err == nil {
		err = f.Truncate(b.manifest.Size)
	}
	if err != nil {
		return errors.Join(err, f.Discard())
	}
	return f.Publish(ctx, dir.PublishOptions{Replace: opt.Force})
}

// CopyFileOptions of Source.Copy; the zero value is what most want.
type CopyFileOptions struct {
	Trusted bool          // as in chunk.Directory
	Done    func(n int64) // as for Writer.Write
}

// Copy writes the image to the file dst as it is, sparse, in the place of what is
// there. It appears under its name only when it is whole; if that fails, no file
// remains.
func (s Source) Copy(ctx context.Context, dst string, opt CopyFileOptions) error {
	if err := s.normal(); err != nil {
		return err
	}
	f, err := dir.CreateFile(dst, dir.FileOptions{Trusted: opt.Trusted})
	if err != nil {
		return err
	}
	if err = s.each(ctx, f.WriteSparse, opt.Done); err == nil {
		err = f.Truncate(s.Size)
	}
	if err != nil {
		return errors.Join(err, f.Discard())
	}
	return f.Publish(ctx, dir.PublishOptions{Replace: true})
}

// each reads the data of the image and gives it to put, with its offset.
func (s *Source) each(ctx context.Context, put func(p []byte, off int64) error, done func(n int64)) error {
	buf := make([]byte, stepLen)
	for _, r := range s.Data {
		for at := r.Off; at < r.end(); {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			p := buf[:min(stepLen, r.end()-at)]
			if err := readFull(s.Image, p, at); err != nil {
				return err
			}
			if err := put(p, at); err != nil {
				return err
			}
			at += int64(len(p))
			if done != nil {
				done(int64(len(p)))
			}
			if s.Consumed != nil {
				if err := s.Consumed(at); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Bytes returns how much of the image is data, in bytes.
func (s Source) Bytes() (n int64) {
	if s.Data == nil {
		return s.Size
	}
	for _, r := range s.Data {
		n += r.Len
	}
	return n
}

// Migrate writes the manifest of b anew, version 2007-10-10, with what change
// made of it: signed again, and its key encrypted for EC2's other certificate. The
// signature must be right. The parts stay as they are. What was at the manifest's
// path is kept under the same name with ".bak".
func (b *Bundle) Migrate(keys Keys, opt dir.FileOptions, change func(m *Manifest)) error {
	if err := b.CheckSignature(keys.User); err != nil {
		return err
	}
	s, err := b.session(keys.Private)
	if err != nil {
		return err
	}
	m := *b.manifest
	change(&m)
	if m.keys.ec2Key, m.keys.ec2IV, err = s.wrap(keys.EC2); err != nil {
		return fmt.Errorf("encrypt the key for EC2: %w", err)
	}
	text, err := m.encode(keys.Private)
	if err != nil {
		return err
	}
	if err := m.CheckSignature(keys.User); err != nil {
		return hinted("sign", b.path, cause("the private key does not go with the user's certificate"), "give the two that were made together")
	}
	f, err := dir.CreateFile(b.path, opt)
	if err != nil {
		return err
	}
	if err := f.WriteSparse(text, 0); err != nil {
		return errors.Join(err, f.Discard())
	}
	return f.Publish(context.Background(), dir.PublishOptions{Replace: true, Backup: ".bak"})
}
