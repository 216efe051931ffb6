package ec2

import (
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/klauspost/pgzip"
	"golang.org/x/sys/unix"

	"purebundle/chunk"
)

// DefaultLevel is the gzip level where Options has none. Measured on 400 MB of a
// Debian /usr against gzip -9: level 1 makes 1.19 of its bytes, 2 1.16, 3 1.124,
// 4 1.09, 5 1.07, 6 1.06; 4 in an eleventh of its processor time.
const DefaultLevel = 4

// Options of Create. Prefix must be given.
type Options struct {
	Prefix  string    // see CheckPrefix
	Force   bool      // replace a bundle of that prefix, once the new one is whole
	Level   int       // of gzip, 1 to 9; 0: DefaultLevel
	Workers int       // blocks of 1 MiB compressed at once; 0: one a processor
	Time    time.Time // of the image in the archive
}

// Keys are what a bundle is made for. Certificates count as their public keys.
type Keys struct {
	Private *rsa.PrivateKey // of the user: signs
	User    *rsa.PublicKey  // of the user
	EC2     *rsa.PublicKey  // of EC2
}

// Check is an error unless a bundle can be made with the keys: better known
// before the work than after it.
func (k Keys) Check() error {
	probe := []byte("probe")
	sig, err := sign(k.Private, probe)
	if err != nil {
		return fmt.Errorf("private key: %w", err)
	}
	if checkSignature(k.User, probe, sig) != nil {
		return cause("the private key does not go with the user's certificate")
	}
	if _, _, err := newSession().wrap(k.User); err != nil {
		return fmt.Errorf("certificate of the user: %w", err)
	}
	if _, _, err := newSession().wrap(k.EC2); err != nil {
		return fmt.Errorf("certificate of EC2: %w", err)
	}
	return nil
}

// Writer makes one bundle: Create, Write, Commit; Abort at any time. It holds a
// lock on the directory all the while. Until Commit all files have temporary
// names; on an error, all of them are removed and an older bundle is as it was.
type Writer struct {
	out    *output
	opt    Options
	parts  *partWriter
	size   int64 // bytes of the image
	digest string
	raw    string // the directory for raw parts, once there is one
	made   bool   // Write is through
	closed bool
}

// Create opens dir for a new bundle. It makes dir if it is missing, puts right
// what a killed run left there, and refuses with chunk.ErrExists where files of
// the prefix are, unless opt.Force is set.
func Create(dir string, opt Options) (w *Writer, err error) {
	if err := CheckPrefix(opt.Prefix); err != nil {
		return nil, err
	}
	switch {
	case opt.Level == 0:
		opt.Level = DefaultLevel
	case opt.Level < 1 || opt.Level > 9:
		return nil, fmt.Errorf("level %d: not between 1 and 9", opt.Level)
	}
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	out, err := openOutput(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			out.close()
		}
	}()
	if err := out.settle(); err != nil {
		return nil, err
	}
	if err := out.noRaw(opt.Prefix); err != nil {
		return nil, err
	}
	old, err := out.bundleFiles(opt.Prefix)
	if err != nil {
		return nil, err
	}
	if len(old) > 0 && !opt.Force {
		return nil, hinted("create", out.join(old[0]), chunk.ErrExists,
			"choose another prefix or directory, or force the older bundle to be replaced")
	}
	return &Writer{out: out, opt: opt}, nil
}

// Write makes the parts of src: archived, compressed, encrypted with a key of
// their own, cut. done, if not nil, is told how many bytes of the image have passed.
func (w *Writer) Write(ctx context.Context, src Source, done func(n int64)) error {
	if w.closed || w.parts != nil {
		return fail("write", w.out.path, cause("the parts were made already"))
	}
	if err := src.normal(); err != nil {
		return err
	}
	w.parts = &partWriter{out: w.out, prefix: w.opt.Prefix, session: newSession()}
	w.parts.begin()
	gz, err := pgzip.NewWriterLevel(w.parts, w.opt.Level)
	if err != nil {
		return err
	}
	if err := gz.SetConcurrency(1<<20, w.opt.Workers+1); err != nil {
		return err
	}
	sum := sha1.New()
	err = writeTar(ctx, io.MultiWriter(sum, gz), w.opt.Prefix, w.opt.Time, &src, done)
	if err == nil {
		err = gz.Close()
	}
	if err == nil {
		err = w.parts.finish()
	}
	if err != nil {
		// What is still being compressed is not waited for: it will find that
		// nothing is written any more. The writer's own error comes first: pgzip's
		// is a copy of it, or a consequence.
		return w.explain(w.parts.stop(err))
	}
	w.size, w.digest, w.made = src.Size, hex.EncodeToString(sum.Sum(nil)), true
	return nil
}

// explain adds to an error of the output what to do about it.
func (w *Writer) explain(err error) error {
	var e *chunk.Error
	if !errors.As(err, &e) || !errors.Is(e.Err, unix.ENOSPC) && !errors.Is(e.Err, unix.EDQUOT) {
		return err
	}
	return &chunk.Error{Op: e.Op, Path: e.Path, Err: e.Err,
		Hint: fmt.Sprintf("%d bytes of parts were written: make room or choose another directory", w.parts.total)}
}

// Parts is how many parts there are so far, and their bytes.
func (w *Writer) Parts() (count int, bytes int64) {
	if w.parts == nil {
		return 0, 0
	}
	return len(w.parts.sums), w.parts.total
}

// Commit completes and signs the manifest and makes the bundle appear. m.Arch
// and m.User must be set.
func (w *Writer) Commit(ctx context.Context, m *Manifest, keys Keys) (err error) {
	if w.closed || !w.made {
		return fail("commit", w.out.path, cause("there are no parts"))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Abort())
		}
	}()
	text, err := w.describe(m, keys)
	if err != nil {
		return err
	}
	if err := w.parts.sync(ctx); err != nil {
		return w.explain(err)
	}
	manifest := ManifestName(w.opt.Prefix)
	f, err := w.out.create(tempName(manifest))
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return w.explain(fail("write", w.out.join(manifest), err))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	old, err := w.out.bundleFiles(w.opt.Prefix)
	if err != nil {
		return err
	}
	var renames [][2]string
	for i, p := range m.Parts {
		renames = append(renames, [2]string{w.parts.temp(i), p.Name})
	}
	renames = append(renames, [2]string{tempName(manifest), manifest})
	if err := w.out.install(old, renames); err != nil {
		return err
	}
	w.closed = true
	w.out.made = nil
	err = w.dropRaw()
	w.out.close()
	return err
}

// describe fills in what follows from the image and the keys.
func (w *Writer) describe(m *Manifest, keys Keys) ([]byte, error) {
	user, err := CheckUser(m.User)
	if err != nil {
		return nil, err
	}
	m.User, m.Name = user, w.opt.Prefix
	m.ImageDigest, m.Size, m.BundledSize = w.digest, w.size, w.parts.total
	m.Parts = nil
	for i, sum := range w.parts.sums {
		m.Parts = append(m.Parts, Part{Name: PartName(m.Name, i, len(w.parts.sums)), Digest: sum})
	}
	if m.keys.ec2Key, m.keys.ec2IV, err = w.parts.session.wrap(keys.EC2); err != nil {
		return nil, fmt.Errorf("encrypt the key for EC2: %w", err)
	}
	if m.keys.userKey, m.keys.userIV, err = w.parts.session.wrap(keys.User); err != nil {
		return nil, fmt.Errorf("encrypt the key for the user: %w", err)
	}
	text, err := m.encode(keys.Private)
	if err == nil {
		err = m.CheckSignature(keys.User)
	}
	if errors.Is(err, ErrSignature) {
		err = hinted("sign", w.out.join(ManifestName(m.Name)), cause("the private key does not go with the user's certificate"),
			"give the two that were made together")
	}
	return text, err
}

// Abort removes all that w made. After Commit or Abort it does nothing.
func (w *Writer) Abort() error {
	if w.closed {
		return nil
	}
	w.closed = true
	var err error
	if w.parts != nil {
		err = w.parts.discard()
	}
	err = errors.Join(err, w.dropRaw(), w.out.remove(tempName(ManifestName(w.opt.Prefix))))
	w.out.close()
	return err
}
