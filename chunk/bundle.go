package chunk

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"purebundle/chunk/dir"
)

// Bundle is a bundle opened for reading. It is safe for concurrent use.
type Bundle struct {
	place    Place
	disk     *disk           // the same, if it is a directory; else nil
	ctx      context.Context // of ReadAt
	manifest *Manifest
	workers  int // where none are asked for
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
	at, prefix, err := locate(path, prefix)
	if err != nil {
		return nil, err
	}
	d := newDisk(at)
	b, err := Open(context.Background(), d, prefix, 0)
	if err != nil {
		d.Close()
		return nil, err
	}
	b.disk = d
	return b, nil
}

// Open opens the bundle of this prefix in a Place; prefix may be "" if there is
// only one. ReadAt ends when ctx is done. workers is how many parts Verify and
// Join read at once if they are not told; 0: one a processor. Close closes
// the Place as well; if Open fails it stays open.
func Open(ctx context.Context, s Place, prefix string, workers int) (*Bundle, error) {
	var err error
	if prefix == "" {
		prefix, err = onlyPrefix(ctx, s)
	} else {
		err = CheckPrefix(prefix)
	}
	if err != nil {
		return nil, err
	}
	m, err := loadManifest(ctx, s, prefix)
	if err != nil {
		return nil, err
	}
	return &Bundle{place: s, ctx: ctx, manifest: m, workers: workers}, nil
}

// locate finds the directory and the prefix.
func locate(path, prefix string) (*dir.Dir, string, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", &Error{Op: "open", Path: path, Err: cause("no such file or directory"),
			Hint: "give the directory of a bundle or its manifest file (NAME" + manifestSuffix + ")"}
	}
	if err != nil {
		return nil, "", fail("open", path, err)
	}
	if st.IsDir() {
		d, err := dir.Open(path)
		return d, prefix, err
	}
	name, ok := strings.CutSuffix(filepath.Base(path), manifestSuffix)
	if !ok || CheckPrefix(name) != nil {
		return nil, "", &Error{Op: "open", Path: path, Err: cause("is no manifest"),
			Hint: "give the directory of the bundle or its manifest file (NAME" + manifestSuffix + ")"}
	}
	if prefix != "" && prefix != name {
		return nil, "", &Error{Op: "open", Path: path, Err: fmt.Errorf("is the manifest of %q, not of %q", name, prefix)}
	}
	d, err := dir.Open(filepath.Dir(path))
	return d, name, err
}

// onlyPrefix returns the prefix of the one bundle in a Place.
func onlyPrefix(ctx context.Context, s Place) (string, error) {
	names, err := s.Names(ctx, "")
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
		return "", &Error{Op: "open", Path: s.Path(""), Err: ErrNoBundle, Hint: whyNone(names)}
	}
	return "", &Error{Op: "open", Path: s.Path(""), Err: fmt.Errorf("has %d bundles: %s", len(found), strings.Join(found, ", ")),
		Hint: "name the manifest file of one of them, such as " + s.Path(ManifestName(found[0]))}
}

// whyNone returns the hint if there is no manifest, from the names in the directory.
func whyNone(names []string) string {
	if why := dir.Leftover(names); why != "" {
		return why
	}
	for _, name := range names {
		if strings.Contains(name, partInfix) {
			return "there are parts but no manifest: copy NAME" + manifestSuffix + " there as well"
		}
	}
	return "a bundle has a file called NAME" + manifestSuffix
}

func loadManifest(ctx context.Context, s Place, prefix string) (*Manifest, error) {
	name := ManifestName(prefix)
	text, err := s.Get(ctx, name, maxManifest+1)
	if errors.Is(err, fs.ErrNotExist) {
		names, _ := s.Names(ctx, "")
		return nil, &Error{Op: "open", Path: s.Path(name), Err: ErrNoBundle, Hint: whyNone(names)}
	}
	if err != nil {
		return nil, err
	}
	m, err := ReadManifest(bytes.NewReader(text))
	if err == nil && m.Prefix != prefix {
		err = fmt.Errorf("is the manifest of %q: files of a bundle cannot be renamed", m.Prefix)
	}
	if err != nil {
		return nil, &Error{Op: "manifest", Path: s.Path(name), Err: err,
			Hint: "get the manifest again from where it was made; without it, the parts can still be joined by cat"}
	}
	return m, nil
}

// Manifest returns the manifest as read. Do not change it.
func (b *Bundle) Manifest() *Manifest { return b.manifest }

// Path returns the path of the manifest file, or its URL.
func (b *Bundle) Path() string { return b.place.Path(ManifestName(b.manifest.Prefix)) }

// Size returns the length of the image in bytes.
func (b *Bundle) Size() int64 { return b.manifest.Image.Size }

// Forget gives back the memory that parts take which b has fetched; they can be read again.
func (b *Bundle) Forget() {
	if f, ok := b.place.(interface{ Forget() }); ok {
		f.Forget()
	}
}

// Close lets go of what b has open.
func (b *Bundle) Close() error { return b.place.Close() }

// ReadAt reads from the image. The first read that touches a part reads all of
// it and checks its digest: a damaged part gives an error, never bytes.
func (b *Bundle) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fail("read", b.Path(), cause("negative offset"))
	}
	for n < len(p) {
		at := off + int64(n)
		if at >= b.Size() || at < 0 {
			return n, io.EOF
		}
		i, within := int(at/Size), at%Size
		want := p[n:min(int64(len(p)), int64(n)+Size-within)]
		if err := b.place.Read(b.ctx, b.manifest.Parts[i].File(), want, within); err != nil {
			return n, err
		}
		n += len(want)
	}
	return n, nil
}

// md5 returns the MD5 of part i in hexadecimal, which is not held in memory.
func (b *Bundle) md5(ctx context.Context, i int) (string, error) {
	h, buf := md5.New(), make([]byte, 128<<10)
	f := b.manifest.Parts[i].File()
	for off := int64(0); off < f.Size; off += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), f.Size-off)]
		if err := b.place.Read(ctx, f, buf, off); err != nil {
			return "", err
		}
		h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ReadPart fills buf, Size bytes long, with part i and checks its digest.
func (b *Bundle) ReadPart(ctx context.Context, i int, buf []byte) error {
	return b.place.Read(ctx, b.manifest.Parts[i].File(), buf[:Size], 0)
}
