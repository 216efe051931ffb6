package ec2

import (
	"context"
	"errors"
	"path/filepath"
)

// Copy writes the image to the file dst as it is, sparse. It appears under its
// name only when it is whole; where that fails, nothing is left. done is as for
// Writer.Write.
func (s Source) Copy(ctx context.Context, dst string, done func(n int64)) (err error) {
	if err := s.normal(); err != nil {
		return err
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
			err = errors.Join(err, out.remove(temp))
		}
		f.Close()
	}()
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
			if err := writeSparse(f, p, at); err != nil {
				return fail("write", dst, err)
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
	if err := errors.Join(f.Truncate(s.Size), f.Sync()); err != nil {
		return fail("write", dst, err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := out.rename(temp, name); err != nil {
		return err
	}
	return out.sync()
}

// Bytes is how much of the image is data, in bytes.
func (s Source) Bytes() (n int64) {
	if s.Data == nil {
		return s.Size
	}
	for _, r := range s.Data {
		n += r.Len
	}
	return n
}
