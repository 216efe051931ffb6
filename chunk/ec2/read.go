package ec2

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"

	"purebundle/chunk"
)

// partReader reads the plain text of the parts. A part's digest is checked
// before any of its bytes are used.
type partReader struct {
	ctx  context.Context
	b    *Bundle
	mode cipher.BlockMode
	buf  []byte // chunk.Size bytes
	next int    // part to load
	rest []byte // of the last one that was loaded
	done func(part int)
}

func (r *partReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
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
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *partReader) load() error {
	f := r.b.manifest.file(r.next)
	r.rest = r.buf[:f.Size]
	if err := r.b.place.Read(r.ctx, f, r.rest, 0); err != nil {
		r.rest = nil
		return err
	}
	if len(r.rest)%aes.BlockSize != 0 {
		return r.undecryptable()
	}
	r.mode.CryptBlocks(r.rest, r.rest)
	r.next++
	if r.done != nil {
		r.done(r.next - 1)
	}
	if r.next < len(r.b.manifest.Parts) {
		return nil
	}
	n := int(r.rest[len(r.rest)-1]) // PKCS #7
	if n < 1 || n > aes.BlockSize {
		return r.undecryptable()
	}
	for _, c := range r.rest[len(r.rest)-n:] {
		if int(c) != n {
			return r.undecryptable()
		}
	}
	r.rest = r.rest[:len(r.rest)-n]
	return nil
}

func (r *partReader) undecryptable() error {
	return hinted("decrypt", r.b.place.Path(r.b.manifest.Parts[len(r.b.manifest.Parts)-1].Name),
		chunk.Damage(cause("the end of the bundle is no end: the last part was cut short when the bundle was made, or the key is another one")),
		"make the bundle again")
}

// VerifyParts checks size and digest of every part and reports all that is
// wrong, joined (errors.Join), parts in order. done, if not nil, is called after
// each part.
func (b *Bundle) VerifyParts(ctx context.Context, done func(part int)) error {
	files := make([]chunk.File, len(b.manifest.Parts))
	for i := range files {
		files[i] = b.manifest.file(i)
	}
	wrong, err := chunk.CheckFiles(ctx, b.place, files, 0, done)
	if err != nil {
		return err
	}
	return errors.Join(wrong...)
}
