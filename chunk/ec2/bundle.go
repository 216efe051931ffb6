package ec2

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"

	"purebundle/chunk"
)

// Bundle is a bundle opened for reading.
type Bundle struct {
	place    chunk.Place // of the parts
	path     string      // of the manifest, for messages
	prefix   string      // of the manifest's file
	text     []byte      // of the manifest
	manifest *Manifest
}

// Load opens the bundle whose manifest file is at path. The parts are in dir, or
// beside the manifest if dir is "". They are not looked at yet, nor is the
// signature.
func Load(path, dir string) (*Bundle, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, hinted("open", path, err, "give the manifest of a bundle (NAME"+manifestSuffix+")")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, fail("read", path, err)
	}
	if dir == "" {
		dir = filepath.Dir(path)
	}
	b, err := parse(path, filepath.Base(path), text)
	if err != nil {
		return nil, err
	}
	if b.place, err = chunk.OpenDirectory(dir); err != nil {
		return nil, err
	}
	return b, nil
}

// Open opens the bundle of this prefix in a place, which Close closes too. All
// names of parts are PREFIX.part.N, so that they are nowhere else than there.
func Open(ctx context.Context, place chunk.Place, prefix string) (*Bundle, error) {
	name := ManifestName(prefix)
	text, err := place.Get(ctx, name, maxManifest+1)
	if errors.Is(err, fs.ErrNotExist) {
		err = &chunk.Error{Op: "open", Path: place.Path(name), Err: chunk.ErrNoBundle}
	}
	if err != nil {
		return nil, err
	}
	b, err := parse(place.Path(name), name, text)
	if err == nil {
		b.place = place
		err = hinted("manifest", b.path, b.manifest.checkNames(), "upload the bundle again from where it was made")
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

func parse(path, name string, text []byte) (*Bundle, error) {
	m, err := ReadManifest(bytes.NewReader(text))
	if err != nil {
		return nil, hinted("manifest", path, err, "get the manifest again from where the bundle was made")
	}
	return &Bundle{path: path, prefix: strings.TrimSuffix(name, manifestSuffix), text: text, manifest: m}, nil
}

// Prefix returns the prefix that the manifest's file has; that of the parts may be
// another if somebody renamed it.
func (b *Bundle) Prefix() string { return b.prefix }

// Manifest returns the manifest as read. Do not change it.
func (b *Bundle) Manifest() *Manifest { return b.manifest }

// Close closes what b has open.
func (b *Bundle) Close() error { return b.place.Close() }

// CheckSignature checks that the manifest is what the owner of pub signed.
func (b *Bundle) CheckSignature(pub *rsa.PublicKey) error {
	if err := b.manifest.CheckSignature(pub); err != nil {
		return hinted("verify", b.path, chunk.Damage(err),
			"the manifest was changed after it was signed, or the certificate is not that of the user who made the bundle")
	}
	return nil
}

// Read decrypts the image with the user's or with EC2's private key and calls
// put with its bytes in ascending order; what is not put is zero. Size and digest
// of each part are checked before its bytes are used. Only when Read has returned
// nil is it sure that what was put is the image: then name, size and digest of the
// archive were right as well. done, if not nil, is called after each part, from
// another goroutine.
func (b *Bundle) Read(ctx context.Context, key *rsa.PrivateKey, put func(p []byte, off int64) error, done func(part int)) error {
	s, err := b.session(key)
	if err != nil {
		return err
	}
	parts := newAhead(&partReader{ctx: ctx, b: b, mode: s.decrypter(), buf: make([]byte, chunk.Size), done: done}, 4, stepLen)
	defer parts.stop()
	gz, err := gzip.NewReader(parts)
	if err != nil {
		return b.explain(err)
	}
	plain := newAhead(gz, 4, stepLen)
	// plain's goroutine may wait for parts', never the other way round.
	defer plain.stop()
	sum := sha1.New()
	tar := io.TeeReader(plain, sum)
	err = readTar(tar, b.manifest.Name, b.manifest.Size, func(p []byte, off int64) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return put(p, off)
	})
	if err != nil {
		return b.explain(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(got, b.manifest.ImageDigest) {
		return b.explain(errors.New("SHA-1 of the image's archive is " + got + " instead of " + b.manifest.ImageDigest))
	}
	return nil
}

// session decrypts key and vector: with the user's private key, else with EC2's.
func (b *Bundle) session(key *rsa.PrivateKey) (*session, error) {
	k := b.manifest.keys
	s, err := unwrap(key, k.userKey, k.userIV)
	if errors.Is(err, ErrKey) {
		if other, err := unwrap(key, k.ec2Key, k.ec2IV); err == nil {
			return other, nil
		}
	}
	return s, hinted("private key", b.path, err, "give the private key of the user who made the bundle")
}

// explain says of an error in what was decrypted which bundle it is about.
func (b *Bundle) explain(err error) error {
	var known *chunk.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	switch {
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), err == io.ErrUnexpectedEOF, err == io.EOF:
		err = errors.New("what was decrypted is no whole gzip stream: " + err.Error())
	}
	return hinted("unbundle", b.path, chunk.Damage(err), "the parts are what the manifest says, so the bundle was made wrong: make it again")
}
