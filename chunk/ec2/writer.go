package ec2

import (
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/klauspost/pgzip"

	"purebundle/chunk"
	"purebundle/chunk/dir"
)

// DefaultLevel is the gzip level if Options has none. Measured on 400 MB of a
// Debian /usr against gzip -9: level 1 makes 1.19 of its bytes, 2 1.16, 3 1.124,
// 4 1.09, 5 1.07, 6 1.06; 4 in an eleventh of its processor time.
const DefaultLevel = 4

// Options of Create. Prefix must be given.
type Options struct {
	Prefix  string    // see CheckPrefix
	Force   bool      // replace a bundle of that prefix, once the new one is whole
	Trusted bool      // as in chunk.Directory, for Create
	Level   int       // of gzip, 1 to 9; 0: DefaultLevel
	Workers int       // blocks of 1 MiB compressed at once; 0: one a processor
	Flight  int       // parts on their way at once, each with a buffer of 10 MiB; 0: two
	Time    time.Time // of the image in the archive
}

// Keys are what a bundle is made for. Certificates count as their public keys.
type Keys struct {
	Private *rsa.PrivateKey // of the user: signs
	User    *rsa.PublicKey  // of the user
	EC2     *rsa.PublicKey  // of EC2
}

// Check returns an error unless a bundle can be made with the keys: better known
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

// Writer makes one bundle: Create or Make, Write, Commit; Abort at any time. Each
// part goes to its place when it is full, under a temporary name; on an error, all
// are removed and an older bundle is as it was.
type Writer struct {
	stage  chunk.Stage
	opt    Options
	parts  *partWriter
	size   int64 // bytes of the image
	digest string
	made   bool // Write is through
	closed bool
}

// Create begins a bundle in a directory. It refuses with chunk.ErrExists if files
// of the prefix are there, unless opt.Force is set.
func Create(path string, opt Options) (*Writer, error) {
	return Make(context.Background(), chunk.Directory{Path: path, Trusted: opt.Trusted}, opt)
}

// Make begins a bundle in a place.
func Make(ctx context.Context, place chunk.Maker, opt Options) (*Writer, error) {
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
	if opt.Flight <= 0 {
		opt.Flight = 2
	}
	s := set(opt.Prefix)
	s.Force = opt.Force
	stage, err := place.Begin(ctx, s)
	if err != nil {
		return nil, err
	}
	return &Writer{stage: stage, opt: opt}, nil
}

// RawDir makes a directory in w's for raw parts of the image, so that they are on
// the disk that has room (dir.Stage.Scratch). Only for a directory.
func (w *Writer) RawDir() (string, error) {
	s, ok := w.stage.(*dir.Stage)
	if !ok {
		return "", fail("mkdir", w.opt.Prefix, errors.ErrUnsupported)
	}
	return s.Scratch()
}

// Held returns what chunk.Writer.Held does.
func (w *Writer) Held() string {
	s, ok := w.stage.(*dir.Stage)
	if !ok {
		return ""
	}
	return s.Dir().Held()
}

// Write makes the parts of src: archived, compressed, encrypted with a key of
// their own, cut. done, if not nil, is told how many bytes of the image have passed.
func (w *Writer) Write(ctx context.Context, src Source, done func(n int64)) error {
	if w.closed || w.parts != nil {
		return fail("write", w.opt.Prefix, cause("the parts were made already"))
	}
	if err := src.normal(); err != nil {
		return err
	}
	w.parts = newPartWriter(ctx, w.stage, w.opt.Prefix, w.opt.Flight)
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
		return w.parts.stop(err)
	}
	w.size, w.digest, w.made = src.Size, hex.EncodeToString(sum.Sum(nil)), true
	return nil
}

// Parts returns how many parts there are so far, and their bytes.
func (w *Writer) Parts() (count int, bytes int64) {
	if w.parts == nil {
		return 0, 0
	}
	w.parts.mu.Lock()
	defer w.parts.mu.Unlock()
	return len(w.parts.sums), w.parts.total
}

// Commit completes and signs the manifest and makes the bundle appear. m.Arch
// and m.User must be set.
func (w *Writer) Commit(ctx context.Context, m *Manifest, keys Keys) error {
	if w.closed || !w.made {
		return fail("commit", w.opt.Prefix, cause("there are no parts"))
	}
	text, err := w.describe(m, keys)
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	w.closed = true
	defer w.parts.bufs.Drop()
	items := make([]chunk.Item, 0, len(m.Parts)+1)
	for i, p := range m.Parts {
		items = append(items, chunk.Item{Key: w.parts.item(i).Key, Name: p.Name, Sure: true})
	}
	return w.stage.Publish(ctx, append(items, chunk.Item{Name: ManifestName(w.opt.Prefix), Text: text}))
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
		err = hinted("sign", ManifestName(m.Name), cause("the private key does not go with the user's certificate"),
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
	if w.parts != nil {
		_ = w.parts.stop(os.ErrClosed)
		defer w.parts.bufs.Drop()
	}
	return w.stage.Abort()
}
