package chunk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// need skips a test that lacks a tool or privilege; if CI runs, that is a failure.
func need(t testing.TB, ok bool, why string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("cannot run: " + why)
	}
	t.Skip(why)
}

func needTool(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := exec.LookPath(name)
		need(t, err == nil, name+" is missing")
	}
}

// image is an io.ReaderAt of so many parts: each is random in some runs of
// pages and zero elsewhere, or zero altogether. read, if set, is called before
// a part is read.
type image struct {
	parts int
	seed  uint64
	zero  map[int]bool
	seeds map[int]uint64 // of parts that are another image's
	read  func(part int) error

	cached []string // see sums
}

func (im *image) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		at := off + int64(n)
		i, within := int(at/Size), at%Size
		if i >= im.parts {
			return n, io.EOF
		}
		if im.read != nil {
			if err := im.read(i); err != nil {
				return n, err
			}
		}
		n += copy(p[n:], im.part(i)[within:])
	}
	return len(p), nil
}

// part makes part i. Little of it is data, so that tests are quick.
func (im *image) part(i int) []byte {
	buf := make([]byte, Size)
	if im.zero[i] {
		return buf
	}
	seed, ok := im.seeds[i]
	if !ok {
		seed = im.seed
	}
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	for range 1 + r.IntN(8) {
		at := r.IntN(Size/page) * page
		n := min(1+r.IntN(20*page), Size-at)
		for j := 0; j+8 <= n; j += 8 {
			binary.LittleEndian.PutUint64(buf[at+j:], r.Uint64())
		}
	}
	buf[0], buf[Size-1] = 1, 1 // never zero by chance
	return buf
}

// bytes returns the whole image.
func (im *image) bytes() []byte {
	all := make([]byte, 0, im.parts*Size)
	for i := range im.parts {
		all = append(all, im.part(i)...)
	}
	return all
}

func testManifest() *Manifest {
	return &Manifest{
		Tool: "purebundle test", Created: time.Unix(1700000000, 5), Source: "/src",
		Image: Image{Type: "ext4", BlockSize: 4096, UUID: "01234567-89ab-cdef-0123-456789abcdef"},
	}
}

// build makes a whole bundle of im in dir.
func build(t testing.TB, dir string, im *image, opt Options) {
	t.Helper()
	if err := tryBuild(t.Context(), dir, im, opt); err != nil {
		t.Fatal(err)
	}
}

// tryBuild does what the command does.
func tryBuild(ctx context.Context, dir string, im *image, opt Options) error {
	w, err := Create(dir, opt)
	if err != nil {
		return err
	}
	if err := fillAll(ctx, w, im); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit(ctx, testManifest())
}

func fillAll(ctx context.Context, w *Writer, im *image) error {
	var data, zero []int
	for i := range im.parts {
		if im.zero[i] {
			zero = append(zero, i)
		} else {
			data = append(data, i)
		}
	}
	if err := w.Preflight(im.parts, 1<<20); err != nil {
		return err
	}
	if err := w.Write(ctx, im, data, nil); err != nil {
		return err
	}
	return w.WriteZero(ctx, zero, nil)
}

// wantBundle checks, by our reader and by tools that we did not write, that dir
// has exactly the bundle of im.
func wantBundle(t testing.TB, dir, prefix string, im *image) {
	t.Helper()
	b, err := Load(dir, prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Verify(t.Context(), 0, nil); err != nil {
		t.Fatal(err)
	}
	want := im.bytes()
	got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("image of %d bytes read back as %d others (%v)", len(want), len(got), err)
	}
	cmd := exec.Command("sha256sum", "-c", "--strict", "--quiet", SumsName(prefix))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("sha256sum: %v\n%s", err, out)
	}
	cmd = exec.Command("sh", "-c", "cat "+prefix+".part.* | cmp - /dev/fd/3")
	cmd.Dir = dir
	joined := filepath.Join(t.TempDir(), "want")
	if err := os.WriteFile(joined, want, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(joined)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.ExtraFiles = []*os.File{f}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cat: %v\n%s", err, out)
	}
	wantNames(t, dir, bundleNames(prefix, im.parts)...)
}

func bundleNames(prefix string, parts int) []string {
	names := []string{ManifestName(prefix), SumsName(prefix)}
	for i := range parts {
		names = append(names, PartName(prefix, i, parts))
	}
	return names
}

// wantNames checks that dir has these names and no others, dot files included.
func wantNames(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Fatalf("%s has\n%q, want\n%q", dir, have, want)
	}
}

// wantError checks that err mentions all of these, and has a hint if it has a path.
func wantError(t testing.TB, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	text := err.Error()
	var e *Error
	if errors.As(err, &e) {
		text += " hint: " + e.Hint
		if e.Hint == "" && !errors.Is(err, ErrExists) { // what replaces it is the caller's to say
			t.Errorf("no hint in %q", text)
		}
	}
	for _, s := range want {
		if !strings.Contains(text, s) {
			t.Errorf("error %q does not mention %q", text, s)
		}
	}
}

func TestBundle(t *testing.T) {
	needTool(t, "sha256sum", "cmp", "sh")
	for _, tt := range []struct {
		name    string
		im      image
		workers int
	}{
		{"one part", image{parts: 1}, 0},
		{"one zero part", image{parts: 1, zero: map[int]bool{0: true}}, 1},
		{"two", image{parts: 2}, 8},
		{"zeros at both ends", image{parts: 5, zero: map[int]bool{0: true, 4: true}}, 2},
		{"one worker", image{parts: 3}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "b")
			build(t, dir, &tt.im, Options{Prefix: "image", Workers: tt.workers})
			wantBundle(t, dir, "image", &tt.im)
			for _, name := range bundleNames("image", tt.im.parts) {
				st, err := os.Stat(filepath.Join(dir, name))
				if err != nil || st.Mode().Perm() != 0o600 {
					t.Errorf("%s: mode %v, %v", name, st.Mode(), err)
				}
			}
		})
	}
}

func TestRedo(t *testing.T) {
	dir := t.TempDir()
	first, second := &image{parts: 3, seed: 1}, &image{parts: 3, seed: 2}
	w, err := Create(dir, Options{Prefix: "p"})
	if err != nil {
		t.Fatal(err)
	}
	var done []int
	if err := w.Write(t.Context(), first, []int{0, 1, 2}, func(i int) { done = append(done, i) }); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), second, []int{2, 0, 1}, nil); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(done); !slices.Equal(done, []int{0, 1, 2}) {
		t.Errorf("done was called for %v", done)
	}
	if err := w.Commit(t.Context(), testManifest()); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	wantBundle(t, dir, "p", second)
}

func TestForce(t *testing.T) {
	for _, tt := range []struct{ older, newer int }{{1, 3}, {3, 1}, {2, 2}} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			dir := t.TempDir()
			older, newer := &image{parts: tt.older, seed: 1}, &image{parts: tt.newer, seed: 2}
			build(t, dir, older, Options{Prefix: "p"})
			err := tryBuild(t.Context(), dir, newer, Options{Prefix: "p"})
			wantError(t, err, ManifestName("p"), "exists already")
			if !errors.Is(err, ErrExists) {
				t.Error("not ErrExists")
			}
			wantBundle(t, dir, "p", older)
			build(t, dir, newer, Options{Prefix: "p", Force: true})
			wantBundle(t, dir, "p", newer)
		})
	}
}
