package chunk_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/dir"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

// The squares are formats × places. In each, every change of the place fails in
// turn, and the run dies before every change in turn; what is there then must be
// the older bundle or the newer, whole, and nothing else once the next run was there.
// A copy to a bucket is an upload: what it has made stays, for the next one to go on.

// format makes bundles of images that are told by a seed; 0 is none.
type format struct {
	name  string
	copy  bool // of a bundle: download and upload
	base  bool // the newer one has a base, in a bucket
	make  func(ctx context.Context, m chunk.Maker, seed int, force bool) error
	names func(seed int) []string
	// look says whose bundle is there: 0 if there is none. It reads all of it.
	look func(ctx context.Context, p chunk.Place) (seed int, err error)
}

// seeds of the squares: the newer bundle has one part more than the older.
const (
	older = 1
	newer = 2
)

// noise fills p with what does not compress.
func noise(seed int, p []byte) {
	_, _ = mrand.NewChaCha8([32]byte{byte(seed)}).Read(p) // never fails
}

// perSeed returns a function that makes the image of each seed once.
func perSeed(image func(seed int) []byte) func(seed int) []byte {
	images := make(map[int]func() []byte)
	for _, seed := range []int{older, newer} {
		images[seed] = sync.OnceValue(func() []byte { return image(seed) })
	}
	return func(seed int) []byte { return images[seed]() }
}

// rawImage returns the image of a seed without its last part, which is zero: as many
// parts as the seed is, with a little in each, for the sake of speed.
var rawImage = perSeed(func(seed int) []byte {
	p := make([]byte, seed*chunk.Size)
	for i := range seed {
		noise(seed, p[i*chunk.Size:][:64<<10])
	}
	return p
})

// amazonImage returns the image of a seed, of which as many parts come.
var amazonImage = perSeed(func(seed int) []byte {
	p := make([]byte, (seed-1)*chunk.Size+64<<10)
	noise(seed, p)
	return p
})

var raw = format{
	name: "raw",
	make: func(ctx context.Context, m chunk.Maker, seed int, force bool) error {
		w, err := chunk.Make(ctx, m, chunk.Options{Prefix: "p", Force: force, Workers: 1})
		if err != nil {
			return err
		}
		defer w.Abort()
		err = w.Preflight(seed+1, 0)
		if err == nil {
			err = w.Write(ctx, bytes.NewReader(rawImage(seed)), []int{0, 1}[:seed], nil)
		}
		if err == nil {
			err = w.WriteZero(ctx, []int{seed}, nil)
		}
		if err != nil {
			return errors.Join(err, w.Abort())
		}
		return w.Commit(ctx, &chunk.Manifest{Tool: "test", Created: time.Unix(1700000000, 0), Source: "/", Image: chunk.Image{Type: "ext4"}})
	},
	names: func(seed int) []string {
		names := []string{"p.manifest.json"}
		for i := range seed + 1 {
			names = append(names, fmt.Sprintf("p.part.%03d", i))
		}
		return append(names, "p.sha256")
	},
	look: func(ctx context.Context, p chunk.Place) (int, error) {
		b, err := chunk.Open(ctx, p, "p", 1)
		if errors.Is(err, chunk.ErrNoBundle) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		seed := len(b.Manifest().Parts) - 1
		if seed != older && seed != newer {
			return 0, fmt.Errorf("there are %d parts", seed+1)
		}
		have := make([]byte, chunk.Size)
		for i := range seed {
			if _, err := b.ReadAt(have, int64(i)*chunk.Size); err != nil {
				return 0, err
			}
			if !bytes.Equal(have, rawImage(seed)[i*chunk.Size:][:chunk.Size]) {
				return 0, errors.New("the image is another")
			}
		}
		if sum := b.Manifest().Parts[seed].SHA256; sum != chunk.ZeroSum {
			return 0, fmt.Errorf("the last part is not zero but has SHA-256 %s", sum)
		}
		return seed, nil
	},
}

var keys = sync.OnceValue(func() ec2.Keys {
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return ec2.Keys{Private: k, User: &k.PublicKey, EC2: &k.PublicKey}
})

var amazon = format{
	name: "Amazon's",
	make: func(ctx context.Context, m chunk.Maker, seed int, force bool) error {
		w, err := ec2.Make(ctx, m, ec2.Options{Prefix: "p", Force: force, Workers: 1, Flight: 1, Level: 1})
		if err != nil {
			return err
		}
		image := amazonImage(seed)
		if err := w.Write(ctx, ec2.Source{Image: bytes.NewReader(image), Size: int64(len(image))}, nil); err != nil {
			return errors.Join(err, w.Abort())
		}
		return w.Commit(ctx, &ec2.Manifest{Bundler: ec2.Bundler{Name: "test", Version: "1", Release: "1"}, Arch: "x86_64", User: "123456789012"}, keys())
	},
	names: func(seed int) []string {
		names := []string{"p.manifest.xml"}
		for i := range seed {
			names = append(names, fmt.Sprintf("p.part.%d", i))
		}
		return names
	},
	look: func(ctx context.Context, p chunk.Place) (int, error) {
		b, err := ec2.Open(ctx, p, "p")
		if errors.Is(err, chunk.ErrNoBundle) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		have := make([]byte, b.Manifest().Size)
		err = b.Read(ctx, keys().Private, func(p []byte, off int64) error { copy(have[off:], p); return nil }, nil)
		if err != nil {
			return 0, err
		}
		seed := 1 + len(have)/chunk.Size
		if seed != older && seed != newer {
			return 0, fmt.Errorf("the image has %d bytes", len(have))
		}
		if !bytes.Equal(have, amazonImage(seed)) {
			return 0, errors.New("the image is another")
		}
		return seed, nil
	},
}

// copies returns the formats by way of a copy of bundles that are made now.
func copies(t *testing.T) []format {
	path := make(map[int]string)
	for _, seed := range []int{older, newer} {
		path[seed] = t.TempDir()
		for _, f := range []format{raw, amazon} {
			if err := f.make(t.Context(), chunk.Directory{Path: filepath.Join(path[seed], f.name)}, seed, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	copyRaw, copyAmazons := raw, amazon
	copyRaw.name, copyRaw.copy = "a copy of raw", true
	copyRaw.make = func(ctx context.Context, m chunk.Maker, seed int, force bool) error {
		b, err := chunk.Load(filepath.Join(path[seed], raw.name), "p")
		if err != nil {
			return err
		}
		defer b.Close()
		opt := chunk.Options{Prefix: "p", Force: force, Workers: 1}
		if _, ok := m.(*bucket); ok {
			opt.Resume = b.Manifest()
		}
		w, err := chunk.Make(ctx, m, opt)
		if err != nil {
			return err
		}
		if err := chunk.Copy(ctx, b, w, chunk.CopyOptions{}); err != nil {
			return errors.Join(err, w.Abort())
		}
		return nil
	}
	copyAmazons.name, copyAmazons.copy = "a copy of Amazon's", true
	copyAmazons.make = func(ctx context.Context, m chunk.Maker, seed int, force bool) error {
		b, err := ec2.Load(filepath.Join(path[seed], amazon.name, "p.manifest.xml"), "")
		if err != nil {
			return err
		}
		defer b.Close()
		_, upload := m.(*bucket)
		_, err = b.Copy(ctx, m, ec2.CopyOptions{Force: force, Resume: upload})
		return err
	}
	return []format{copyRaw, copyAmazons}
}

// based returns the raw format with a base in another directory of the bucket, of which
// each part is taken that is the same.
func based() format {
	f := raw
	f.name, f.base = "raw on a base", true
	f.make = func(ctx context.Context, m chunk.Maker, seed int, force bool) error {
		base, err := m.(*bucket).In("base").Load(ctx, "p")
		if err != nil {
			return err
		}
		defer base.Close()
		w, err := chunk.Make(ctx, m, chunk.Options{Prefix: "p", Force: force, Workers: 1, Base: base})
		if err != nil {
			return err
		}
		defer w.Abort()
		if err = w.Preflight(seed+1, 0); err == nil && seed == newer {
			var lost []int
			if lost, err = w.Keep(ctx, []int{0, 1}, nil); err == nil {
				err = w.Write(ctx, bytes.NewReader(rawImage(seed)), lost, nil)
			}
		} else if err == nil {
			err = w.Write(ctx, bytes.NewReader(rawImage(seed)), []int{0}, nil)
		}
		if err == nil {
			err = w.WriteZero(ctx, []int{seed}, nil)
		}
		if err != nil {
			return errors.Join(err, w.Abort())
		}
		return w.Commit(ctx, &chunk.Manifest{Tool: "test", Created: time.Unix(1700000000, 0), Source: "/", Image: chunk.Image{Type: "ext4"}})
	}
	return f
}

// site is a place that can be broken.
type site interface {
	chunk.Maker
	place(t *testing.T) chunk.Place
	names(t *testing.T) []string
	empty(t *testing.T)
	// fail lets the change at, from 1, fail, and with forever all that is done after
	// it, as if the run had been killed; 0: nothing. It returns how often it did.
	fail(at int, forever bool) (failed func() int)
}

// counter counts changes, and says which ones fail.
type counter struct {
	mu       sync.Mutex
	at, n    int
	forever  bool
	happened int
}

func (c *counter) set(at int, forever bool) func() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.n, c.forever, c.happened = at, 0, forever, 0
	return func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.happened
	}
}

// next says whether this change, or what is none, fails.
func (c *counter) next(change bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == 0 {
		return false
	}
	if change {
		c.n++
	}
	fails := change && c.n == c.at || c.forever && c.n >= c.at
	if fails {
		c.happened++
	}
	return fails
}

// directory is a directory of this machine.
type directory struct {
	path string
	counter
}

func newDirectory(t *testing.T) *directory {
	path, err := os.MkdirTemp("/dev/shm", "purebundle")
	if err != nil {
		path = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(path) })
	return &directory{path: path}
}

func (d *directory) Begin(_ context.Context, set chunk.Set) (chunk.Stage, error) {
	return dir.Begin(d.path, dir.Options{Group: set.Prefix, Last: set.Last, Force: set.Force,
		Taken: func(name string) (bool, error) { return set.Look(name, name) },
		OnChange: func(op, name string) error {
			if d.next(true) {
				return syscall.EIO
			}
			return nil
		}})
}

func (d *directory) place(t *testing.T) chunk.Place {
	p, err := chunk.OpenDirectory(d.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func (d *directory) names(t *testing.T) (names []string) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (d *directory) empty(t *testing.T) {
	for _, name := range d.names(t) {
		if err := os.RemoveAll(filepath.Join(d.path, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func (d *directory) fail(at int, forever bool) func() int { return d.set(at, forever) }

// bucket is a directory of a bucket.
type bucket struct {
	*s3.Store
	counter
	late bool // changes that fail are done all the same
}

// newBucket returns a bucket of server in which changes fail in this way.
func newBucket(t *testing.T, server *s3test.Server, kind s3test.Kind) *bucket {
	b := &bucket{late: kind == s3test.LateError}
	proxy := server.Proxy(t, s3test.Faults{Rate: 1, Kinds: []s3test.Kind{kind}, Only: func(r *http.Request) bool {
		return b.next(r.Method != http.MethodGet && r.Method != http.MethodHead)
	}})
	store, err := s3.Open(t.Context(), s3.Location{Bucket: server.Bucket(t), Dir: "dir"},
		s3.Options{Options: awsapi.Options{Endpoint: proxy.Endpoint, Attempts: 1, Patience: 1}, PathStyle: true, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	b.Store = store
	return b
}

func (b *bucket) place(*testing.T) chunk.Place { return b.Place() }

func (b *bucket) names(t *testing.T) (names []string) {
	objects, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		names = append(names, o.Name)
	}
	return names
}

func (b *bucket) empty(t *testing.T) {
	if err := b.Remove(t.Context(), b.names(t)); err != nil {
		t.Fatal(err)
	}
}

func (b *bucket) fail(at int, forever bool) func() int { return b.set(at, forever) }

// squares runs a test in each of them, with and without an older bundle; the changes
// of a bucket fail in these ways. They make one part at a time: the race detector
// has nothing to see, and -short leaves them out.
func squares(t *testing.T, kinds []s3test.Kind, run func(t *testing.T, f format, s site, had int)) {
	if testing.Short() {
		t.Skip("takes minutes under the race detector")
	}
	server := s3test.Start(t)
	server.Setenv(t)
	formats := append([]format{raw, amazon, based()}, copies(t)...)
	for _, had := range []int{0, older} {
		for _, f := range formats {
			if !f.base { // of which TestKeepFault and TestKeepCrash are
				t.Run(fmt.Sprintf("%s in a directory, older %d", f.name, had), func(t *testing.T) {
					t.Parallel()
					run(t, f, newDirectory(t), had)
				})
			}
			for _, kind := range kinds {
				t.Run(fmt.Sprintf("%s in a bucket, %v, older %d", f.name, kind, had), func(t *testing.T) {
					t.Parallel()
					b := newBucket(t, server, kind)
					if f.base {
						if err := raw.make(t.Context(), b.In("base"), newer, false); err != nil {
							t.Fatal(err)
						}
					}
					run(t, f, b, had)
				})
			}
		}
	}
}

// prepare makes the older bundle, if any, where nothing else is, unless that is so.
func prepare(t *testing.T, f format, s site, had int, done bool) {
	t.Helper()
	s.fail(0, false)
	if done {
		return
	}
	s.empty(t)
	if had != 0 {
		if err := f.make(t.Context(), s, had, false); err != nil {
			t.Fatal(err)
		}
	}
}

// want checks that the bundle of this seed is there, whole, or none, and no other
// name unless more is set.
func want(t *testing.T, what string, f format, s site, seed int, more bool) {
	t.Helper()
	got, err := f.look(t.Context(), s.place(t))
	if err != nil || got != seed {
		t.Fatalf("%s: the bundle of seed %d is there instead of %d (%v): %q", what, got, seed, err, s.names(t))
	}
	var names []string
	if seed != 0 {
		names = f.names(seed)
	}
	if have := s.names(t); !more && !slices.Equal(have, names) {
		t.Fatalf("%s: there is\n%q, want\n%q", what, have, names)
	}
}

// broken makes the newer bundle while the change at fails, and with forever all that
// comes after it. It says whether there was such a change; if not, there is no error.
func broken(t *testing.T, f format, s site, at int, forever bool) (err error, happened bool) {
	t.Helper()
	failed := s.fail(at, forever)
	err = f.make(t.Context(), s, newer, true)
	happened = failed() > 0
	s.fail(0, false)
	if !happened && err != nil {
		t.Fatal(err)
	}
	return err, happened
}

// TestSquaresFault lets each change of a place fail in turn: with an error, all is
// as before; a bundle that is replaced within S3 may be gone, which is said.
func TestSquaresFault(t *testing.T) {
	squares(t, []s3test.Kind{s3test.InternalError, s3test.LateError}, func(t *testing.T, f format, s site, had int) {
		errs, asBefore := 0, false
		for at := 1; ; at++ {
			what := fmt.Sprintf("change %d", at)
			prepare(t, f, s, had, asBefore)
			err, happened := broken(t, f, s, at, false)
			if !happened {
				want(t, "no fault", f, s, newer, false)
				t.Logf("%d errors of %d changes", errs, at-1)
				if at < 3 || errs < (at-1)/2 {
					t.Error("too few changes were seen, or errors")
				}
				return
			}
			if err != nil {
				errs++
			}
			if asBefore = checkFault(t, what, f, s, had, err); asBefore {
				continue // the next run finds what this one did
			}
			if err := f.make(t.Context(), s, newer, true); err != nil { // the next run works, and clears up
				t.Fatalf("%s: the next run: %v", what, err)
			}
			want(t, what+", then a run", f, s, newer, false)
		}
	})
}

// checkFault checks what is there after a run of which one change failed, and which
// returned err. It returns true if all is as before.
func checkFault(t *testing.T, what string, f format, s site, had int, err error) (asBefore bool) {
	t.Helper()
	_, leftover := errors.AsType[*chunk.LeftoverError](err)
	b, inBucket := s.(*bucket)
	switch {
	case err == nil, leftover:
		want(t, what, f, s, newer, true)
	case !inBucket || !f.copy && !strings.Contains(err.Error(), "broken off half way"):
		want(t, what+": "+err.Error(), f, s, had, false)
		return true
	default:
		got, lerr := f.look(t.Context(), s.place(t))
		if lerr != nil || got != 0 && (got != had || !f.copy) && (got != newer || !b.late) {
			t.Fatalf("%s: after %v the bundle of seed %d is there (%v)", what, err, got, lerr)
		}
	}
	return false
}

// TestSquaresKilled kills the run before each change of a place in turn.
func TestSquaresKilled(t *testing.T) {
	squares(t, []s3test.Kind{s3test.InternalError}, func(t *testing.T, f format, s site, had int) {
		_, inBucket := s.(*bucket)
		seen, asBefore := map[int]bool{}, false
		for at := 1; ; at++ {
			what := fmt.Sprintf("killed before change %d", at)
			prepare(t, f, s, had, asBefore)
			_, happened := broken(t, f, s, at, true)
			if !happened {
				break
			}
			got, lerr := f.look(t.Context(), s.place(t))
			if lerr != nil || got != had && got != newer && got != 0 {
				t.Fatalf("%s: seed %d, %v", what, got, lerr)
			}
			seen[got] = true
			if inBucket {
				if err := makeLater(t, f, s); err != nil {
					t.Fatalf("%s: the next run: %v", what, err)
				}
				want(t, what+", then a run", f, s, newer, false)
				continue
			}
			settleOther(t, s) // a run that makes something else puts things right
			if got != newer {
				got = had
			}
			want(t, what+", then a run of another bundle", f, s, got, false)
			asBefore = got == had
		}
		// In a bucket a change comes after the manifest only if temporary names go.
		after := !inBucket || had != 0 && !f.copy
		if !seen[had] || !seen[0] || after && !seen[newer] {
			t.Errorf("not every state was seen: %v", seen)
		}
	})
}

// makeLater makes the newer bundle once the server is through with what it had from a
// run that was killed: copies within a bucket are several at once.
func makeLater(t *testing.T, f format, s site) (err error) {
	for range 600 {
		if err = f.make(t.Context(), s, newer, true); !errors.Is(err, chunk.ErrBusy) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// settleOther begins another bundle and gives it up.
func settleOther(t *testing.T, s site) {
	t.Helper()
	stage, err := s.Begin(t.Context(), chunk.Set{Prefix: "other", Last: "other"})
	if err == nil {
		err = stage.Abort()
	}
	if err != nil {
		t.Fatal(err)
	}
}
