package chunk

import (
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"purebundle/chunk/dir"
)

// disk is the Place of a directory.
type disk struct {
	dir   *dir.Dir
	files fileCache

	mu      sync.Mutex
	checked map[string]*checkOnce // by name of file
}

// checkOnce is the result of the first check of a file.
type checkOnce struct {
	once sync.Once
	err  error
}

func newDisk(d *dir.Dir) *disk { return &disk{dir: d, checked: make(map[string]*checkOnce)} }

// OpenDirectory opens a directory as a Place.
func OpenDirectory(path string) (Place, error) {
	d, err := dir.Open(path)
	if err != nil {
		return nil, err
	}
	return newDisk(d), nil
}

func (d *disk) Path(name string) string { return d.dir.Join(name) }

func (d *disk) Names(_ context.Context, prefix string) ([]string, error) {
	names, err := d.dir.Names()
	if err != nil {
		return nil, err
	}
	kept := names[:0]
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			kept = append(kept, name)
		}
	}
	return kept, nil
}

func (d *disk) Get(_ context.Context, name string, limit int64) ([]byte, error) {
	f, err := d.dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, fail("read", d.Path(name), orElse(err, cause("is no regular file")))
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	return data, fail("read", d.Path(name), err)
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func (d *disk) Close() error {
	d.files.close()
	return d.dir.Close()
}

func (d *disk) Check(ctx context.Context, f File) error {
	err := d.load(ctx, f, make([]byte, step))
	if ctx.Err() == nil {
		c := d.check(f)
		c.once.Do(func() { c.err = err })
	}
	return err
}

// check returns the result of the first check of a file, for all that read it.
func (d *disk) check(f File) *checkOnce {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.checked[f.Name]
	if c == nil {
		c = new(checkOnce)
		d.checked[f.Name] = c
	}
	return c
}

// Read checks a file that it is to read the whole of each time, any other the
// first time only: the file then stays open.
func (d *disk) Read(ctx context.Context, f File, buf []byte, off int64) error {
	if int64(len(buf)) == f.Size {
		return d.load(ctx, f, buf)
	}
	c := d.check(f)
	c.once.Do(func() { c.err = d.load(ctx, f, make([]byte, step)) })
	if c.err != nil {
		return c.err
	}
	for {
		file, err := d.files.get(f.Name, func(string) (*os.File, error) { return d.open(f) })
		if err != nil {
			return fail("read", d.Path(f.Name), err)
		}
		err = readFull(file, buf, off)
		if errors.Is(err, os.ErrClosed) && !d.files.isClosed() {
			continue // another goroutine needed the descriptor
		}
		return fail("read", d.Path(f.Name), err)
	}
}

// open opens a file and checks all of it but the content.
func (d *disk) open(want File) (*os.File, error) {
	path := d.Path(want.Name)
	damaged := func(err error) error {
		var e *Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return Damaged(path, err)
	}
	f, err := d.dir.Open(want.Name)
	if errors.Is(err, unix.ENOENT) {
		return nil, damaged(cause("is missing"))
	}
	if err != nil {
		return nil, damaged(err)
	}
	st, err := f.Stat()
	switch {
	case err != nil:
		err = fail("stat", path, err)
	case !st.Mode().IsRegular():
		err = damaged(cause("is no regular file"))
	case st.Size() != want.Size:
		err = damaged(fmt.Errorf("has %d bytes instead of %d", st.Size(), want.Size))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// load reads a file and compares its digest. It reads through buf: into the whole
// of it over and over, so that a buf as long as the file has all of it at the end.
// Any other is a multiple of step long.
func (d *disk) load(ctx context.Context, want File, buf []byte) error {
	f, err := d.open(want)
	if err != nil {
		return err
	}
	defer f.Close()
	hole, err := dir.AllHole(f)
	if err != nil {
		return fail("read", f.Name(), err)
	}
	if hole && want.Size == Size && want.Digest.Hash == crypto.SHA256 {
		clear(buf)
		return compare(f.Name(), want, ZeroSum)
	}
	_ = unix.Fadvise(int(f.Fd()), 0, want.Size, unix.FADV_WILLNEED)
	sum, err := want.sum(ctx, f, buf)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return fail("read", f.Name(), err)
	}
	return compare(f.Name(), want, sum)
}

// sum reads a file of f.Size bytes through buf, as load does, and returns its
// digest in hexadecimal.
func (f File) sum(ctx context.Context, r io.ReaderAt, buf []byte) (string, error) {
	h := f.Digest.New()
	for off := int64(0); off < f.Size; {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		at := off % int64(len(buf))
		p := buf[at:min(at+min(step, f.Size-off), int64(len(buf)))]
		if err := readFull(r, p, off); err != nil {
			return "", err
		}
		h.Write(p)
		off += int64(len(p))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// compare compares the digest of a file with what it should be.
func compare(path string, want File, sum string) error {
	if sum != want.Digest.Hex {
		return Damaged(path, fmt.Errorf("%s is %s instead of %s", want.Digest.Name(), sum, want.Digest.Hex))
	}
	return nil
}

// readFull reads len(p) bytes of r at off. A file that ends before is an error.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// spare refuses to replace a file of the bundle of m with the image of that name in to.
func (d *disk) spare(to *dir.Dir, name string, m *Manifest) error {
	same, err := to.Same(d.dir)
	if err != nil {
		return err
	}
	if same && belongs(m.Prefix, name) {
		return &Error{Op: "write", Path: to.Join(name), Err: cause("is a name of the bundle itself"), Hint: "choose another name"}
	}
	return nil
}

// roomFor checks that what the parts of m occupy fits in to.
func (d *disk) roomFor(to *dir.Dir, m *Manifest) error {
	var need int64
	for _, p := range m.Parts {
		need += min(d.dir.Blocks(p.Name), Size)
	}
	return to.Room(1, need)
}
