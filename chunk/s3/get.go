package s3

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

// Get reads an object of at most limit bytes; a longer one is an error. It is
// read again if it arrives cut short or, as far as S3 has a checksum of it,
// changed. An object that is not there is fs.ErrNotExist.
func (s *Store) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	p, more, err := s.get(ctx, name, limit)
	if err == nil && more {
		err = &chunk.Error{Op: "get", Path: s.loc.Path(name), Err: fmt.Errorf("is longer than %d bytes", limit)}
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// mismatch is in the text of the error for a body that does not fit the checksum
// that S3 sent with it; its type is the SDK's own (s3 v1.114.8).
const mismatch = "checksum did not match"

// get reads an object, its first limit bytes if there are more.
func (s *Store) get(ctx context.Context, name string, limit int64) (p []byte, more bool, err error) {
	err = s.body(ctx, name, types.ChecksumModeEnabled, func(r io.Reader, size int64) error {
		p, err = io.ReadAll(io.LimitReader(r, min(size, limit)))
		if err == nil && int64(len(p)) < min(size, limit) {
			err = io.ErrUnexpectedEOF
		}
		if err == nil && size <= limit {
			_, err = io.Copy(io.Discard, r) // to its end: there the checksum is compared
		}
		if err != nil {
			return awsapi.Broken(err)
		}
		more = size > limit
		return nil
	})
	if err != nil && strings.Contains(err.Error(), mismatch) {
		err = chunk.Damaged(s.loc.Path(name), plain("does not fit the checksum that S3 has of it"))
	}
	return p, more, err
}

// body gives the body of an object and its length in bytes to read, again and
// again while that or the request fails in a way that may pass.
func (s *Store) body(ctx context.Context, name string, mode types.ChecksumMode, read func(r io.Reader, size int64) error) error {
	if err := s.check("get", name); err != nil {
		return err
	}
	once := func(o *s3.Options) { o.Retryer, o.RetryMaxAttempts = aws.NopRetryer{}, 0 }
	err := s.retry.Do(ctx, "GetObject", name, func(ctx context.Context) error {
		// Where read stops early the connection is not to be emptied first.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var out *s3.GetObjectOutput
		err := s.server.get(mode, func(mode types.ChecksumMode) (err error) {
			out, err = s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.loc.Bucket, Key: aws.String(s.loc.key(name)), ChecksumMode: mode}, once)
			return err
		})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		if out.ContentLength == nil || *out.ContentLength < 0 {
			return awsapi.Broken(plain("the answer does not say how long it is"))
		}
		return read(s.limit.Reader(ctx, out.Body), *out.ContentLength)
	})
	return s.explain(ctx, "get", name, err)
}

// step is how much of a part is read and hashed at once, in bytes.
const step = 128 << 10

// maxWrong is how often a part is fetched that arrives whole, but is not what the
// manifest says.
const maxWrong = 3

// fetch reads a file and compares its digest, through buf: into the whole of it
// over and over, so that a buf as long as the file has all of it at the end. A file
// that stays wrong, or is not there, is damaged.
func (s *Store) fetch(ctx context.Context, f chunk.File, buf []byte) error {
	wrong := 0
	err := s.body(ctx, f.Name, "", func(r io.Reader, size int64) error {
		err := readFile(r, size, f, buf)
		if errors.Is(err, chunk.ErrDamaged) {
			if wrong++; wrong < maxWrong {
				return awsapi.Broken(err)
			}
			return err
		}
		if err != nil {
			return awsapi.Broken(err)
		}
		return nil
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return chunk.Damaged(s.loc.Path(f.Name), plain("is missing"))
	case errors.Is(err, chunk.ErrDamaged):
		return chunk.Damaged(s.loc.Path(f.Name), errors.Unwrap(err))
	}
	return err
}

// damaged is the error of a part that arrived whole but wrong.
type damaged string

func (d damaged) Error() string        { return string(d) }
func (d damaged) Is(target error) bool { return target == chunk.ErrDamaged }

// readFile reads a file from a body of size bytes.
func readFile(r io.Reader, size int64, f chunk.File, buf []byte) error {
	if size != f.Size {
		return damaged(fmt.Sprintf("has %d bytes instead of %d", size, f.Size))
	}
	h := f.Digest.New()
	for off := int64(0); off < size; {
		at := off % int64(len(buf))
		p := buf[at:min(at+min(step, size-off), int64(len(buf)))]
		if _, err := io.ReadFull(r, p); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		h.Write(p)
		off += int64(len(p))
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != f.Digest.Hex {
		return damaged(fmt.Sprintf("%s is %s instead of %s", f.Digest.Name(), sum, f.Digest.Hex))
	}
	return nil
}
