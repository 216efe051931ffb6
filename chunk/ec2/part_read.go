package ec2

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
)

// hintPart is what to do about a part that is not as it was made.
const hintPart = "get this part again from where the bundle was made"

// loadPart reads part i into buf, chunk.Size bytes, and checks size and digest.
func (b *Bundle) loadPart(i int, buf []byte) ([]byte, error) {
	p := b.manifest.Parts[i]
	path := b.join(p.Name)
	bad := func(err error) error { return hinted("verify", path, &damage{err}, hintPart) }
	fd, err := unix.Openat(int(b.dir.Fd()), p.Name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, bad(cause("is missing"))
	case errors.Is(err, unix.ELOOP):
		return nil, bad(cause("is a symbolic link"))
	case err != nil:
		return nil, fail("open", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	st, err := f.Stat()
	want := b.manifest.partSize(i)
	switch {
	case err != nil:
		return nil, fail("stat", path, err)
	case !st.Mode().IsRegular():
		return nil, bad(cause("is no regular file"))
	case st.Size() != want:
		return nil, bad(fmt.Errorf("has %d bytes instead of %d", st.Size(), want))
	}
	if _, err := io.ReadFull(f, buf[:want]); err != nil {
		return nil, fail("read", path, err)
	}
	sum := sha1.Sum(buf[:want])
	if got := hex.EncodeToString(sum[:]); !strings.EqualFold(got, p.Digest) {
		return nil, bad(fmt.Errorf("SHA-1 is %s instead of %s", got, p.Digest))
	}
	return buf[:want], nil
}

// partReader reads the plain text of the parts. A part's digest is checked
// before any of its bytes are used.
type partReader struct {
	ctx  context.Context
	b    *Bundle
	mode cipher.BlockMode
	buf  []byte // chunk.Size bytes
	next int    // part to load
	left []byte // of the last one
	done func(part int)
}

func (r *partReader) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		if r.ctx.Err() != nil {
			return 0, context.Cause(r.ctx)
		}
		if r.next == len(r.b.manifest.Parts) {
			return 0, io.EOF
		}
		if err := r.load(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func (r *partReader) load() (err error) {
	if r.left, err = r.b.loadPart(r.next, r.buf); err != nil {
		return err
	}
	if len(r.left)%aes.BlockSize != 0 {
		return r.undecryptable()
	}
	r.mode.CryptBlocks(r.left, r.left)
	r.next++
	if r.done != nil {
		r.done(r.next - 1)
	}
	if r.next < len(r.b.manifest.Parts) {
		return nil
	}
	n := int(r.left[len(r.left)-1]) // PKCS #7
	if n < 1 || n > aes.BlockSize {
		return r.undecryptable()
	}
	for _, c := range r.left[len(r.left)-n:] {
		if int(c) != n {
			return r.undecryptable()
		}
	}
	r.left = r.left[:len(r.left)-n]
	return nil
}

func (r *partReader) undecryptable() error {
	return hinted("decrypt", r.b.join(r.b.manifest.Parts[len(r.b.manifest.Parts)-1].Name),
		&damage{cause("the end of the bundle is no end: the last part was cut short when the bundle was made, or the key is another one")},
		"make the bundle again")
}

// check is size and digest of every part; all that is wrong, joined.
func (b *Bundle) checkParts(ctx context.Context, done func(part int)) error {
	buf := make([]byte, chunk.Size)
	var all []error
	for i := range b.manifest.Parts {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := b.loadPart(i, buf); err != nil {
			all = append(all, err)
		}
		if done != nil {
			done(i)
		}
	}
	return errors.Join(all...)
}
