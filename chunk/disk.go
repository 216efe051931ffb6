package chunk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// disk is the Store of a directory.
type disk struct {
	dir   *dir
	files fileCache

	mu      sync.Mutex
	checked map[string]*checkOnce // by name of part
}

// checkOnce is the result of the first check of a part.
type checkOnce struct {
	once sync.Once
	err  error
}

func (d *disk) Path(name string) string { return d.dir.join(name) }

func (d *disk) Names(_ context.Context, prefix string) ([]string, error) {
	names, err := d.dir.names()
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
	f, err := d.dir.open(name, unix.O_RDONLY, 0)
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
	return d.dir.f.Close()
}

func (d *disk) Check(ctx context.Context, p Part) error {
	err := d.load(ctx, p, make([]byte, step))
	if ctx.Err() == nil {
		c := d.check(p)
		c.once.Do(func() { c.err = err })
	}
	return err
}

// check is where the result of the first check of a part is kept.
func (d *disk) check(p Part) *checkOnce {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.checked[p.Name]
	if c == nil {
		c = new(checkOnce)
		d.checked[p.Name] = c
	}
	return c
}

// Read checks a part that it is to read the whole of each time, any other the
// first time only: its file then stays open.
func (d *disk) Read(ctx context.Context, p Part, buf []byte, off int64) error {
	if len(buf) == Size {
		return d.load(ctx, p, buf)
	}
	c := d.check(p)
	c.once.Do(func() { c.err = d.load(ctx, p, make([]byte, step)) })
	if c.err != nil {
		return c.err
	}
	for {
		f, err := d.files.get(p.Name, d.open)
		if err != nil {
			return fail("read", d.Path(p.Name), err)
		}
		err = readFull(f, buf, off)
		if errors.Is(err, os.ErrClosed) && !d.files.isClosed() {
			continue // another goroutine needed the descriptor
		}
		return fail("read", d.Path(p.Name), err)
	}
}

// open opens a part and checks all of it but the content.
func (d *disk) open(name string) (*os.File, error) {
	damaged := func(err error) error {
		var e *Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return Damaged(d.Path(name), err)
	}
	f, err := d.dir.open(name, unix.O_RDONLY, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, damaged(cause("is missing"))
	}
	if err != nil {
		return nil, damaged(err)
	}
	st, err := f.Stat()
	switch {
	case err != nil:
		err = fail("stat", d.Path(name), err)
	case !st.Mode().IsRegular():
		err = damaged(cause("is no regular file"))
	case st.Size() != Size:
		err = damaged(fmt.Errorf("has %d bytes instead of %d", st.Size(), Size))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// load reads a part and compares its digest. It reads through buf, a multiple of
// step long: into the whole of it over and over, so that a buf of Size bytes has
// the part at the end.
func (d *disk) load(ctx context.Context, p Part, buf []byte) error {
	f, err := d.open(p.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	hole, err := allHole(f)
	if err != nil {
		return fail("read", f.Name(), err)
	}
	if hole {
		clear(buf)
		return d.compare(p, zeroSum)
	}
	_ = unix.Fadvise(int(f.Fd()), 0, Size, unix.FADV_WILLNEED)
	h := sha256.New()
	for off := 0; off < Size; off += step {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		at := off % len(buf)
		if err := readFull(f, buf[at:at+step], int64(off)); err != nil {
			return fail("read", f.Name(), err)
		}
		h.Write(buf[at : at+step])
	}
	return d.compare(p, hexSum([sha256.Size]byte(h.Sum(nil))))
}

// compare compares the digest of a part with what it should be.
func (d *disk) compare(p Part, sum string) error {
	if sum != p.SHA256 {
		return Damaged(d.Path(p.Name), fmt.Errorf("SHA-256 is %s instead of %s", sum, p.SHA256))
	}
	return nil
}

// spare refuses to replace a file of the bundle of m with the image of that name
// in to.
func (d *disk) spare(to *dir, name string, m *Manifest) error {
	var here, there unix.Stat_t
	if err := errors.Join(unix.Fstat(to.fd(), &here), unix.Fstat(d.dir.fd(), &there)); err != nil {
		return fail("stat", to.path, err)
	}
	if here.Dev == there.Dev && here.Ino == there.Ino && belongs(m.Prefix, name) {
		return &Error{Op: "write", Path: to.join(name), Err: cause("is a name of the bundle itself"), Hint: "choose another name"}
	}
	return nil
}

// roomFor checks that what the parts of m occupy fits in to.
func (d *disk) roomFor(to *dir, m *Manifest) error {
	var need int64
	for _, p := range m.Parts {
		var st unix.Stat_t
		if err := unix.Fstatat(d.dir.fd(), p.Name, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
			need += min(st.Blocks*512, Size)
		}
	}
	return to.room(1, need)
}
