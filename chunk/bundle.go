package chunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Bundle is a bundle opened for reading. It is safe for concurrent use.
type Bundle struct {
	dir      *dir
	manifest *Manifest
	checked  []checkOnce // by part
	files    fileCache
}

// checkOnce is the result of the first check of a part.
type checkOnce struct {
	once sync.Once
	err  error
}

// Load opens a bundle. path is its manifest file, or its directory; there,
// prefix says which bundle, and may be "" if there is only one. The parts are
// not looked at yet.
func Load(path, prefix string) (*Bundle, error) {
	if prefix != "" {
		if err := CheckPrefix(prefix); err != nil {
			return nil, err
		}
	}
	d, prefix, err := locate(path, prefix)
	if err != nil {
		return nil, err
	}
	m, err := loadManifest(d, prefix)
	if err != nil {
		d.f.Close()
		return nil, err
	}
	return &Bundle{dir: d, manifest: m, checked: make([]checkOnce, len(m.Parts))}, nil
}

// locate finds the directory and the prefix.
func locate(path, prefix string) (*dir, string, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", &Error{Op: "open", Path: path, Err: cause("no such file or directory"),
			Hint: "give the directory of a bundle or its manifest file (NAME" + manifestSuffix + ")"}
	}
	if err != nil {
		return nil, "", fail("open", path, err)
	}
	if st.IsDir() {
		d, err := openDir(path)
		if err != nil {
			return nil, "", err
		}
		if prefix == "" {
			prefix, err = onlyPrefix(d)
		}
		if err != nil {
			d.f.Close()
			return nil, "", err
		}
		return d, prefix, nil
	}
	name, ok := strings.CutSuffix(filepath.Base(path), manifestSuffix)
	if !ok || CheckPrefix(name) != nil {
		return nil, "", &Error{Op: "open", Path: path, Err: cause("is no manifest"),
			Hint: "give the directory of the bundle or its manifest file (NAME" + manifestSuffix + ")"}
	}
	if prefix != "" && prefix != name {
		return nil, "", &Error{Op: "open", Path: path, Err: fmt.Errorf("is the manifest of %q, not of %q", name, prefix)}
	}
	d, err := openDir(filepath.Dir(path))
	return d, name, err
}

// onlyPrefix is the prefix of the one bundle in a directory.
func onlyPrefix(d *dir) (string, error) {
	names, err := d.names()
	if err != nil {
		return "", err
	}
	var found []string
	for _, name := range names {
		if prefix, ok := strings.CutSuffix(name, manifestSuffix); ok && CheckPrefix(prefix) == nil {
			found = append(found, prefix)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", &Error{Op: "open", Path: d.path, Err: ErrNoBundle, Hint: whyNone(names)}
	}
	return "", &Error{Op: "open", Path: d.path, Err: fmt.Errorf("has %d bundles: %s", len(found), strings.Join(found, ", ")),
		Hint: "name the manifest file of one of them, such as " + d.join(ManifestName(found[0]))}
}

// whyNone is the hint where there is no manifest, from the names in the directory.
func whyNone(names []string) string {
	for _, name := range names {
		if strings.HasPrefix(name, ".") && strings.HasSuffix(name, journalSuffix) {
			return "a run puts its files in place right now, or was stopped while it did: then the next one on this directory puts back what was there before"
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, ".") && strings.HasSuffix(name, newSuffix) {
			return "a run is at work there, or was stopped: then run it again"
		}
	}
	for _, name := range names {
		if strings.Contains(name, partInfix) {
			return "there are parts but no manifest: copy NAME" + manifestSuffix + " there as well"
		}
	}
	return "a bundle has a file called NAME" + manifestSuffix
}

func loadManifest(d *dir, prefix string) (*Manifest, error) {
	name := ManifestName(prefix)
	f, err := d.open(name, unix.O_RDONLY, 0)
	if errors.Is(err, unix.ENOENT) {
		names, _ := d.names()
		return nil, &Error{Op: "open", Path: d.join(name), Err: ErrNoBundle, Hint: whyNone(names)}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, fail("read", d.join(name), orElse(err, cause("is no regular file")))
	}
	m, err := ReadManifest(f)
	if err == nil && m.Prefix != prefix {
		err = fmt.Errorf("is the manifest of %q: files of a bundle cannot be renamed", m.Prefix)
	}
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return nil, fail("read", d.join(name), err)
		}
		return nil, &Error{Op: "manifest", Path: d.join(name), Err: err,
			Hint: "get the manifest again from where it was made; without it, the parts can still be joined by cat"}
	}
	return m, nil
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// Manifest is the manifest as read. Do not change it.
func (b *Bundle) Manifest() *Manifest { return b.manifest }

// Path is the path of the manifest file.
func (b *Bundle) Path() string { return b.dir.join(ManifestName(b.manifest.Prefix)) }

// Size is the length of the image in bytes.
func (b *Bundle) Size() int64 { return b.manifest.Image.Size }

// Close closes the files that b has open.
func (b *Bundle) Close() error {
	b.files.close()
	return b.dir.f.Close()
}

// open opens part i and checks all of it but the content.
func (b *Bundle) open(i int) (*os.File, error) {
	name := b.manifest.Parts[i].Name
	f, err := b.dir.open(name, unix.O_RDONLY, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, b.damaged(i, cause("is missing"))
	}
	if err != nil {
		return nil, b.damaged(i, err)
	}
	st, err := f.Stat()
	switch {
	case err != nil:
		err = fail("stat", b.dir.join(name), err)
	case !st.Mode().IsRegular():
		err = b.damaged(i, cause("is no regular file"))
	case st.Size() != Size:
		err = b.damaged(i, fmt.Errorf("has %d bytes instead of %d", st.Size(), Size))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// damaged is what is wrong with part i.
func (b *Bundle) damaged(i int, err error) error {
	var e *Error
	if errors.As(err, &e) {
		err = e.Err
	}
	return &Error{Op: "verify", Path: b.dir.join(b.manifest.Parts[i].Name), Err: &damage{err},
		Hint: "get this part again from where the bundle was made"}
}

// damage is a cause that is also ErrDamaged.
type damage struct{ err error }

func (d *damage) Error() string   { return d.err.Error() }
func (d *damage) Unwrap() []error { return []error{d.err, ErrDamaged} }

// checkSum compares the digest of part i with the manifest.
func (b *Bundle) checkSum(i int, sum string) error {
	if want := b.manifest.Parts[i].SHA256; sum != want {
		return b.damaged(i, fmt.Errorf("SHA-256 is %s instead of %s", sum, want))
	}
	return nil
}

// ReadAt reads from the image. The first read that touches a part reads all of
// it and checks its digest: a damaged part gives an error, never bytes.
func (b *Bundle) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fail("read", b.dir.path, cause("negative offset"))
	}
	for n < len(p) {
		at := off + int64(n)
		if at >= b.Size() || at < 0 {
			return n, io.EOF
		}
		i, within := int(at/Size), at%Size
		want := p[n:min(int64(len(p)), int64(n)+Size-within)]
		if err := b.readPart(i, want, within); err != nil {
			return n, err
		}
		n += len(want)
	}
	return n, nil
}

// readPart fills p from part i, at the offset within it.
func (b *Bundle) readPart(i int, p []byte, within int64) error {
	c := &b.checked[i]
	c.once.Do(func() { c.err = b.verifyPart(context.Background(), i) })
	if c.err != nil {
		return c.err
	}
	for {
		f, err := b.files.get(i, b.open)
		if err != nil {
			return fail("read", b.dir.join(b.manifest.Parts[i].Name), err)
		}
		err = readFull(f, p, within)
		if errors.Is(err, os.ErrClosed) && !b.files.isClosed() {
			continue // another goroutine needed the descriptor
		}
		if err != nil {
			return fail("read", f.Name(), err)
		}
		return nil
	}
}
