package ec2

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"purebundle/chunk"
)

// pair is a private key with its certificate, in memory and as PEM files.
type pair struct {
	key             *rsa.PrivateKey
	keyPEM, certPEM []byte
}

// makePair makes one; keys are small because they are many.
func makePair(bits int) pair {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(1.1e9, 0)} // expired long ago
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return pair{key,
		pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

var pairs = sync.OnceValue(func() [3]pair { return [3]pair{makePair(2048), makePair(1024), makePair(2048)} })

func userPair() pair   { return pairs()[0] }
func amazonPair() pair { return pairs()[1] }
func otherPair() pair  { return pairs()[2] }

func testKeys() Keys {
	return Keys{Private: userPair().key, User: &userPair().key.PublicKey, EC2: &amazonPair().key.PublicKey}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// random is 1 MiB that does not compress, always the same. Neither do copies of
// it: they are farther apart than gzip looks back.
var random = sync.OnceValue(func() []byte {
	p := make([]byte, mib)
	r := mrand.NewChaCha8([32]byte{1})
	_, _ = r.Read(p)
	return p
})

// noise returns n bytes that do not compress, always the same.
func noise(seed uint64, n int) []byte {
	p := make([]byte, n)
	for i, at := 0, int(seed*4099%mib); i < n; at = 0 {
		i += copy(p[i:], random()[at:])
	}
	return p
}

// image returns size bytes, zero but for the ranges.
func image(size int64, data ...Range) []byte {
	p := make([]byte, size)
	for i, r := range data {
		copy(p[r.Off:r.end()], noise(uint64(i), int(r.Len)))
	}
	return p
}

// bundled makes a bundle of img in a new directory and gives its manifest's path.
func bundled(t testing.TB, img []byte, data []Range) string {
	t.Helper()
	dir := t.TempDir()
	w, err := Create(dir, Options{Prefix: "image"})
	must(t, err)
	must(t, w.Write(t.Context(), Source{Image: bytes.NewReader(img), Size: int64(len(img)), Data: data}, nil))
	must(t, w.Commit(t.Context(), testManifest(), testKeys()))
	return filepath.Join(dir, "image.manifest.xml")
}

func testManifest() *Manifest {
	return &Manifest{Bundler: Bundler{"purebundle", "1.0", "0"}, Arch: "x86_64", User: "1234-5678-9012"}
}

func load(t testing.TB, path string) *Bundle {
	t.Helper()
	b, err := Load(path, "")
	must(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

func names(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

const mib = 1 << 20

// Images of every shape come back as they were, as files with holes.
func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		name string
		size int64
		data []Range // nil: all
	}{
		{"one byte", 1, nil},
		{"empty", 0, nil},
		{"block less one", 511, nil},
		{"block", 512, nil},
		{"all data", 3 * mib, nil},
		{"all hole", 40 * mib, []Range{}},
		{"hole at the end", 5 * mib, []Range{{0, 4096}}},
		{"hole at the start", 5 * mib, []Range{{4 * mib, mib}}},
		{"odd end", 5*mib + 77, []Range{{0, 4096}, {5 * mib, 77}}},
		{"four runs", 8 * mib, []Range{{0, 4096}, {mib, 4096}, {2 * mib, 4096}, {8*mib - 4096, 4096}}},
		{"five runs", 8 * mib, []Range{{0, 4096}, {mib, 4096}, {2 * mib, 4096}, {3 * mib, 4096}, {8*mib - 4096, 4096}}},
		{"25 runs", 30 * mib, runs(25, mib)},
		{"26 runs", 30 * mib, runs(26, mib)},
		{"several parts", 25 * mib, []Range{{0, 21 * mib}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := c.data
			if data == nil {
				data = []Range{{0, c.size}}
			}
			img := image(c.size, data...)
			path := bundled(t, img, c.data)
			b := load(t, path)
			must(t, b.CheckSignature(&userPair().key.PublicKey))
			must(t, b.VerifyParts(t.Context(), nil))
			for _, key := range []*rsa.PrivateKey{userPair().key, amazonPair().key} {
				dst := filepath.Join(t.TempDir(), "out")
				must(t, b.Unbundle(t.Context(), key, dst, UnbundleOptions{}))
				got, err := os.ReadFile(dst)
				must(t, err)
				if !bytes.Equal(got, img) {
					t.Fatal("the image is not what it was")
				}
			}
		})
	}
}

func runs(n int, step int64) (out []Range) {
	for i := range n {
		out = append(out, Range{int64(i) * step, 4096})
	}
	return out
}

// wrong runs Unbundle, which must fail with these words and leave nothing.
func wrong(t *testing.T, path string, key *rsa.PrivateKey, want string) {
	t.Helper()
	dir := t.TempDir()
	b, err := Load(path, "")
	if err == nil {
		defer b.Close()
		err = b.Unbundle(t.Context(), key, filepath.Join(dir, "out"), UnbundleOptions{})
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	if left := names(t, dir); left != "" {
		t.Errorf("left: %s", left)
	}
}

// A part that is not as it was made is refused before its bytes are used.
func TestDamagedParts(t *testing.T) {
	path := bundled(t, image(21*mib, Range{0, 20*mib + 3*4096}), nil)
	last := filepath.Join(filepath.Dir(path), "image.part.1")
	for _, c := range []struct {
		name, part string
		change     func(p []byte) []byte
		want       string
	}{
		{"first bit", "0", func(p []byte) []byte { p[0] ^= 1; return p }, "SHA-1 is"},
		{"last bit", "0", func(p []byte) []byte { p[len(p)-1] ^= 0x80; return p }, "SHA-1 is"},
		{"bit in the last part", "1", func(p []byte) []byte { p[len(p)/2] ^= 4; return p }, "SHA-1 is"},
		{"cut", "1", func(p []byte) []byte { return p[:len(p)-1] }, "bytes instead of"},
		{"cut by a cipher block", "1", func(p []byte) []byte { return p[:len(p)-16] }, "bytes instead of"},
		{"longer", "1", func(p []byte) []byte { return append(p, 0) }, "bytes instead of"},
		{"empty", "0", func(p []byte) []byte { return nil }, "bytes instead of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := filepath.Join(filepath.Dir(path), "image.part."+c.part)
			was, err := os.ReadFile(name)
			must(t, err)
			must(t, os.WriteFile(name, c.change(bytes.Clone(was)), 0o600))
			wrong(t, path, userPair().key, c.want)
			b := load(t, path)
			if err := b.VerifyParts(t.Context(), nil); !errors.Is(err, chunk.ErrDamaged) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("verify: %v", err)
			}
			must(t, os.WriteFile(name, was, 0o600))
		})
	}
	wrong(t, path, otherPair().key, "does not belong to this bundle")
	must(t, os.Remove(last))
	wrong(t, path, userPair().key, "is missing")
	must(t, os.Symlink("image.part.0", last))
	wrong(t, path, userPair().key, "symbolic link")
}

// A manifest with any one signed byte changed is refused.
func TestEditedManifest(t *testing.T) {
	path := bundled(t, image(mib, Range{0, mib}), nil)
	text, err := os.ReadFile(path)
	must(t, err)
	from, to := bytes.Index(text, []byte("<machine_configuration>")), bytes.Index(text, []byte("<signature>"))
	check := func(text []byte) error {
		m, err := ReadManifest(bytes.NewReader(text))
		if err != nil {
			return err
		}
		return m.CheckSignature(&userPair().key.PublicKey)
	}
	must(t, check(text))
	step := 1
	if testing.Short() {
		step = 13
	}
	for i := from; i < to; i += step {
		for _, bit := range []byte{1, 2, 16} {
			edited := bytes.Clone(text)
			edited[i] ^= bit
			if check(edited) == nil {
				t.Fatalf("byte %d, %q for %q, is not noticed", i, edited[i], text[i])
			}
		}
	}
	for name, edited := range map[string][]byte{
		"white space":      bytes.Replace(text, []byte("<image>"), []byte("<image> "), 1),
		"a second image":   bytes.Replace(text, []byte("<signature>"), []byte("<image></image><signature>"), 1),
		"an added kernel":  bytes.Replace(text, []byte("</architecture>"), []byte("</architecture><kernel_id>aki-1</kernel_id>"), 1),
		"other signature":  bytes.Replace(text, []byte("<signature>"), []byte("<signature>00"), 1),
		"a comment inside": bytes.Replace(text, []byte("<image>"), []byte("<image><!-- -->"), 1),
	} {
		if check(edited) == nil {
			t.Errorf("%s is not noticed", name)
		}
	}
	m, err := ReadManifest(bytes.NewReader(text))
	must(t, err)
	if err := m.CheckSignature(&otherPair().key.PublicKey); !errors.Is(err, ErrSignature) {
		t.Errorf("another certificate: %v", err)
	}
}

// A run that fails or is stopped leaves nothing, and the older bundle whole.
func TestFailureLeavesNothing(t *testing.T) {
	path := bundled(t, image(12*mib, Range{0, 11 * mib}), nil)
	dir := filepath.Dir(path)
	before := names(t, dir)
	if _, err := Create(dir, Options{Prefix: "image"}); !errors.Is(err, chunk.ErrExists) {
		t.Errorf("without force: %v", err)
	}
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		run  func(w *Writer) error
		want error
	}{
		{"image unreadable", func(w *Writer) error {
			return w.Write(t.Context(), Source{Image: failAt{13 * mib, broken}, Size: 20 * mib}, nil)
		}, broken},
		{"cancelled", func(w *Writer) error {
			ctx, cancel := context.WithCancelCause(t.Context())
			return w.Write(ctx, Source{Image: failAt{90 * mib, nil}, Size: 80 * mib}, func(int64) { cancel(broken) })
		}, broken},
		{"keys that are no pair", func(w *Writer) error {
			must(t, w.Write(t.Context(), Source{Image: failAt{90 * mib, nil}, Size: mib}, nil))
			k := testKeys()
			k.Private = otherPair().key
			return w.Commit(t.Context(), testManifest(), k)
		}, cause("the private key does not go with the user's certificate")},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := Create(dir, Options{Prefix: "image", Force: true})
			must(t, err)
			if _, err := Create(dir, Options{Prefix: "b"}); !errors.Is(err, chunk.ErrBusy) {
				t.Errorf("a second run: %v", err)
			}
			if err := c.run(w); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			must(t, w.Abort())
			if after := names(t, dir); after != before {
				t.Errorf("holds %s, before %s", after, before)
			}
			must(t, load(t, path).VerifyParts(t.Context(), nil))
		})
	}
	made := filepath.Join(t.TempDir(), "a", "b")
	w, err := Create(made, Options{Prefix: "image"})
	must(t, err)
	must(t, w.Abort())
	if _, err := os.Stat(filepath.Dir(made)); err == nil {
		t.Error("the directory is still there")
	}
}

// failAt reads as noise up to a point.
type failAt struct {
	at  int64
	err error
}

func (f failAt) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.at {
		return 0, f.err
	}
	copy(p, noise(uint64(off>>20), len(p)))
	return len(p), nil
}

// A smaller bundle takes the place of a larger one, which a killed run may have
// left half replaced.
func TestReplace(t *testing.T) {
	path := bundled(t, image(105*mib, Range{0, 104 * mib}), nil)
	dir := filepath.Dir(path)
	if got := names(t, dir); !strings.Contains(got, "image.part.00 ") || !strings.Contains(got, "image.part.10") {
		t.Fatalf("parts of eleven: %s", got)
	}
	// As a killed run leaves it: the manifest and a part moved, new parts in place.
	must(t, os.Rename(path, filepath.Join(dir, backupName("image.manifest.xml"))))
	must(t, os.Rename(filepath.Join(dir, "image.part.00"), filepath.Join(dir, backupName("image.part.00"))))
	must(t, os.WriteFile(filepath.Join(dir, tempName("image.part.3")), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "image.part.00"), nil, 0o600))
	w, err := Create(dir, Options{Prefix: "image", Force: true})
	must(t, err)
	must(t, load(t, path).VerifyParts(t.Context(), nil))
	must(t, w.Write(t.Context(), Source{Image: bytes.NewReader(make([]byte, mib)), Size: mib, Data: []Range{}}, nil))
	must(t, w.Commit(t.Context(), testManifest(), testKeys()))
	if got := names(t, dir); got != "image.manifest.xml image.part.0" {
		t.Errorf("holds %s", got)
	}
	must(t, load(t, path).VerifyParts(t.Context(), nil))
}

// The directory for raw parts goes with the run, and what a killed run left in
// it goes with the next; one that somebody else put there is not used.
func TestRawDir(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	w, err := Create(dir, Options{Prefix: "image"})
	must(t, err)
	raw, err := w.RawDir()
	must(t, err)
	must(t, w.Abort())
	if left := names(t, dir); left != "" {
		t.Errorf("left: %s", left)
	}
	must(t, os.Mkdir(raw, 0o700))
	must(t, os.WriteFile(filepath.Join(raw, tempName("image.part.7")), nil, 0o600))
	w, err = Create(dir, Options{Prefix: "other"})
	must(t, err)
	must(t, w.Abort())
	if left := names(t, dir); left != "" {
		t.Errorf("left: %s", left)
	}
	precious := filepath.Join(elsewhere, tempName("image.part.7"))
	must(t, os.WriteFile(precious, nil, 0o600))
	must(t, os.Symlink(elsewhere, raw))
	w, err = Create(dir, Options{Prefix: "image"})
	must(t, err)
	again, err := w.RawDir()
	must(t, err)
	if again == raw {
		t.Error("a symbolic link is followed")
	}
	must(t, w.Abort())
	if left := names(t, dir); left != filepath.Base(raw) {
		t.Errorf("left: %s", left)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}
