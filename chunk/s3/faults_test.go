package s3_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

// faulty is a bucket that is reached through a proxy that breaks requests.
type faulty struct {
	server *s3test.Server
	proxy  *s3test.Proxy
	bucket string
	stall  time.Duration // of round; 0: 10 s, so that only a stall that is made is one

	mu      sync.Mutex
	notices []string
}

// start starts a server for several of them.
func start(t *testing.T) *s3test.Server {
	t.Helper()
	server := s3test.Start(t)
	server.Setenv(t)
	return server
}

func newFaulty(t *testing.T, server *s3test.Server, faults s3test.Faults) *faulty {
	t.Helper()
	return &faulty{server: server, proxy: server.Proxy(t, faults), bucket: server.Bucket(t)}
}

// open opens a directory of the bucket, through the proxy.
func (f *faulty) open(t *testing.T, dir string, opt awsapi.Options) *s3.Store {
	t.Helper()
	opt.Endpoint = f.proxy.Endpoint
	opt.Notify = func(text string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.notices = append(f.notices, text)
	}
	store, err := s3.Open(t.Context(), s3.Location{Bucket: f.bucket, Dir: dir}, s3.Options{Options: opt, PathStyle: true, Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// noticed says whether a notice has all of the words.
func (f *faulty) noticed(words ...string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.notices, func(text string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
	})
}

// zeros is how many parts of an image are zero: the last ones.
const zeros = 2

// content returns an image of so many parts.
func content(seed uint64, parts int) []byte {
	all := make([]byte, parts*chunk.Size)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := 0; i < (parts-zeros)*chunk.Size; i += 4096 {
		binary.LittleEndian.PutUint64(all[i:], r.Uint64())
	}
	return all
}

// told returns the manifest that a caller of Commit gives.
func told() *chunk.Manifest {
	return &chunk.Manifest{
		Tool: "purebundle test", Created: time.Unix(1700000000, 0), Source: "/src",
		Image: chunk.Image{Type: "ext4", BlockSize: 4096, UUID: "01234567-89ab-cdef-0123-456789abcdef"},
	}
}

// writer is what chunk.Writer and s3.Writer have in common.
type writer interface {
	Preflight(parts int, need int64) error
	Write(ctx context.Context, img io.ReaderAt, parts []int, done func(int)) error
	WriteZero(ctx context.Context, parts []int, done func(int)) error
	Commit(ctx context.Context, m *chunk.Manifest) error
	Abort() error
}

// fill makes a bundle of what content gave.
func fill(ctx context.Context, w writer, image []byte) error {
	parts := make([]int, len(image)/chunk.Size)
	for i := range parts {
		parts[i] = i
	}
	data := len(parts) - zeros
	err := w.Preflight(len(parts), int64(len(image)))
	if err == nil {
		err = w.Write(ctx, bytes.NewReader(image), parts[:data], func(int) {})
	}
	if err == nil {
		err = w.WriteZero(ctx, parts[data:], func(int) {})
	}
	if err == nil {
		err = w.Commit(ctx, told())
	}
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	return nil
}

// upload makes a bundle in S3, in place of what is there: straight from an image,
// or from one on disk.
func upload(ctx context.Context, store *s3.Store, prefix string, image []byte, disk string) error {
	if disk == "" {
		w, err := store.Create(ctx, chunk.Options{Prefix: prefix, Force: true})
		if err != nil {
			return err
		}
		return fill(ctx, w, image)
	}
	w, err := chunk.Create(disk, chunk.Options{Prefix: prefix, Force: true})
	if err == nil {
		err = fill(ctx, w, image)
	}
	if err != nil {
		return err
	}
	b, err := chunk.Load(disk, prefix)
	if err != nil {
		return err
	}
	defer b.Close()
	_, err = store.Upload(ctx, b, s3.UploadOptions{Force: true})
	return err
}

// download reads the whole image of a bundle in S3.
func download(ctx context.Context, store *s3.Store, prefix string) ([]byte, error) {
	b, err := store.Load(ctx, prefix)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	image := make([]byte, b.Size())
	_, err = b.ReadAt(image, 0)
	return image, err
}

// stored checks the objects of a bundle on the server's disk: all of them,
// nothing else, and the parts are the image.
func (f *faulty) stored(t *testing.T, dir, prefix string, image []byte) {
	t.Helper()
	var want, have []string
	for i := range len(image) / chunk.Size {
		want = append(want, path.Join(dir, fmt.Sprintf("%s.part.%03d", prefix, i)))
	}
	parts := want
	want = append(slices.Clone(parts), path.Join(dir, prefix+".manifest.json"), path.Join(dir, prefix+".sha256"))
	slices.Sort(want)
	for _, key := range f.server.Keys(t, f.bucket) {
		if path.Dir(key) == dir {
			have = append(have, key)
		}
	}
	if slices.Sort(have); !slices.Equal(have, want) {
		t.Errorf("%s: objects %q", dir, have)
		return
	}
	for i, key := range parts {
		if !bytes.Equal(f.server.Read(t, f.bucket, key), image[i*chunk.Size:(i+1)*chunk.Size]) {
			t.Errorf("%s: is not what was uploaded", key)
		}
	}
}

// A hundred bundles go up and come down again through every kind of fault, in
// streams beside each other, and none loses or changes a byte.
func TestHundred(t *testing.T) {
	rounds, streams := 100, 6
	if testing.Short() {
		rounds = 8
	}
	f := newFaulty(t, start(t), s3test.Faults{Seed: 7, Rate: 0.2, Streak: 2})
	f.stall = 500 * time.Millisecond // a busy server may exceed it, which is one more try
	var wg sync.WaitGroup
	for stream := range streams {
		wg.Go(func() {
			for round := stream; round < rounds && !t.Failed(); round += streams {
				f.round(t, round)
			}
		})
	}
	wg.Wait()
	total := 0
	for _, k := range s3test.Kinds() {
		n := f.proxy.Count(k)
		total += n
		t.Logf("%4d × %s", n, k)
		if n == 0 && !testing.Short() {
			t.Errorf("no %s happened", k)
		}
	}
	t.Logf("%d faults in %d requests, %d notices", total, f.proxy.Requests(), len(f.notices))
}

// round does one upload and one download; a quarter of the times another bundle, with one
// other part, takes the place of the first and is downloaded as well.
func (f *faulty) round(t *testing.T, round int) {
	dir, prefix := fmt.Sprintf("machines/%03d", round), "web"
	opt := awsapi.Options{Stall: cmp.Or(f.stall, 10*time.Second)}
	if f.stall > 0 {
		opt.Attempts = 40 // where only so much time is given, a busy server may exceed it often
	}
	store := f.open(t, dir, opt)
	disk := ""
	if round%2 == 1 {
		disk = t.TempDir()
	}
	image := content(uint64(round), 4)
	ok := f.upAndDown(t, store, prefix, image, disk)
	if ok && round%8 < 2 {
		image[chunk.Size+5]++
		ok = f.upAndDown(t, store, prefix, image, disk)
	}
	if !ok {
		return
	}
	if err := store.Delete(t.Context(), prefix); err != nil {
		t.Errorf("delete %s: %v", dir, err)
	}
	for _, key := range f.server.Keys(t, f.bucket) {
		if path.Dir(key) == dir {
			t.Errorf("left by delete: %s", key)
		}
	}
}

// upAndDown uploads a bundle, looks at the server's disk, and downloads it.
func (f *faulty) upAndDown(t *testing.T, store *s3.Store, prefix string, image []byte, disk string) bool {
	t.Helper()
	if err := upload(t.Context(), store, prefix, image, disk); err != nil {
		t.Errorf("upload to %s: %v", store.Location(), err)
		return false
	}
	f.stored(t, store.Location().Dir, prefix, image)
	got, err := download(t.Context(), store, prefix)
	if err != nil || !bytes.Equal(got, image) {
		t.Errorf("download of %s: error %v, the same: %v", store.Location(), err, bytes.Equal(got, image))
		return false
	}
	return true
}

// Every request fails once, each time in the same way; the notice says how.
func TestEachFault(t *testing.T) {
	server := start(t)
	at := make(chan struct{}, 7) // so many at once: they wait most of the time
	var wg sync.WaitGroup
	for _, c := range []struct {
		kind  s3test.Kind
		words []string // of a notice; nil: there is nothing to say
	}{
		{s3test.InternalError, []string{"InternalError (500): again in "}},
		{s3test.SlowDown, []string{"SlowDown (503): again in "}},
		{s3test.LateError, []string{"PutObject", "InternalError (500): again in "}},
		{s3test.CopyError, []string{"CopyObject", "InternalError", "again in "}},
		{s3test.DeleteError, nil}, // what is left is deleted one by one
		{s3test.ResetRequest, []string{"PutObject", "connection", "again in "}},
		{s3test.ResetResponse, []string{"GetObject", "connection", "again in "}},
		{s3test.StallRequest, []string{"PutObject", "no byte moved for 300ms: again in "}},
		{s3test.StallResponse, []string{"GetObject", "no byte moved for 300ms: again in "}},
		{s3test.Truncate, []string{"GetObject", "connection closed in the middle of an answer: again in "}},
		{s3test.Shorten, []string{"GetObject", "has 5242880 bytes instead of 10485760: again in "}},
		{s3test.CorruptRequest, []string{"PutObject web.part.00", " (400): again in "}},
		{s3test.CorruptObject, []string{"GetObject web.part.00", "SHA-256", "again in "}},
		{s3test.SlowStart, nil},
	} {
		at <- struct{}{}
		wg.Go(func() {
			f := newFaulty(t, server, s3test.Faults{Rate: 1, Kinds: []s3test.Kind{c.kind}, Streak: 1})
			if c.kind == s3test.StallRequest || c.kind == s3test.StallResponse {
				f.stall = 300 * time.Millisecond
			}
			f.round(t, 0)
			if f.proxy.Count(c.kind) == 0 {
				t.Errorf("%v did not happen", c.kind)
			}
			if c.words == nil && len(f.notices) > 0 || c.words != nil && !f.noticed(c.words...) {
				t.Errorf("%v: notices %q", c.kind, f.notices)
			}
			<-at
		})
	}
	wg.Wait()
}

// Faults that do not end: so many tries, an error that says why, and nothing
// is left of the upload.
func TestFaultsThatStay(t *testing.T) {
	server := start(t)
	isPut := func(r *http.Request) bool { return r.Method == http.MethodPut }
	for _, c := range []struct {
		name  string
		kind  s3test.Kind
		words string // of the error
		tries int
	}{
		{"slow down", s3test.SlowDown, "SlowDown", 2},
		{"stall", s3test.StallRequest, "no byte moved for 1s", 2},
		{"reset", s3test.ResetRequest, "connection", 2},
		{"corrupted", s3test.CorruptRequest, "SHA256", 2},
		// A part that is found there is not put again: one try for the first two, two to
		// copy the third, and two to send it.
		{"stored, but said to have failed", s3test.LateError, "InternalError", 6},
		{"stored, but the answer is lost", s3test.ResetResponse, "", 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFaulty(t, server, s3test.Faults{Rate: 1, Kinds: []s3test.Kind{c.kind}, Only: isPut})
			opt := awsapi.Options{Attempts: 2}
			if c.kind == s3test.StallRequest {
				opt.Stall = time.Second // elsewhere a busy server would be one that stalls
			}
			store := f.open(t, "dir", opt)
			err := upload(t.Context(), store, "web", content(1, 3), "")
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("error %v", err)
			}
			if n := f.proxy.Count(c.kind); n != c.tries {
				t.Errorf("%d tries", n)
			}
			if keys := f.server.Keys(t, f.bucket); len(keys) > 0 {
				t.Errorf("left: %q", keys)
			}
		})
	}
}

// A server that can never copy gets the zero parts one by one.
func TestCopyNeverWorks(t *testing.T) {
	f := newFaulty(t, start(t), s3test.Faults{Rate: 1, Kinds: []s3test.Kind{s3test.CopyError}})
	f.upAndDown(t, f.open(t, "dir", awsapi.Options{Attempts: 2}), "web", content(1, 4), "")
	if f.proxy.Count(s3test.CopyError) == 0 {
		t.Error("nothing was copied")
	}
}

// A replacement that fails leaves the bundle that was there.
func TestReplacementFails(t *testing.T) {
	server := start(t)
	for _, kind := range []s3test.Kind{s3test.InternalError, s3test.LateError, s3test.ResetRequest} {
		t.Run(kind.String(), func(t *testing.T) {
			f := newFaulty(t, server, s3test.Faults{})
			store := f.open(t, "dir", awsapi.Options{Attempts: 2})
			image := content(1, 4)
			if err := upload(t.Context(), store, "web", image, ""); err != nil {
				t.Fatal(err)
			}
			puts := 0
			f.proxy.Set(s3test.Faults{Rate: 1, Kinds: []s3test.Kind{kind}, Only: func(r *http.Request) bool {
				if r.Method == http.MethodPut {
					puts++
				}
				return r.Method == http.MethodPut && puts > 1 // one part makes it
			}})
			if err := upload(t.Context(), store, "web", content(2, 4), ""); err == nil {
				t.Error("no error")
			}
			f.proxy.Set(s3test.Faults{})
			f.stored(t, "dir", "web", image)
			if got, err := download(t.Context(), store, "web"); err != nil || !bytes.Equal(got, image) {
				t.Errorf("the older bundle: error %v", err)
			}
		})
	}
}

// An upload that is stopped while a connection stands still ends at once, and
// leaves nothing.
func TestStopDuringStall(t *testing.T) {
	f := newFaulty(t, start(t), s3test.Faults{Rate: 1, Kinds: []s3test.Kind{s3test.StallRequest},
		Only: func(r *http.Request) bool { return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".001") }})
	ctx, cancel := context.WithCancel(t.Context())
	var stopped time.Time
	go func() {
		for f.proxy.Count(s3test.StallRequest) == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // the other part is there
		stopped = time.Now()
		cancel()
	}()
	err := upload(ctx, f.open(t, "dir", awsapi.Options{}), "web", content(1, 4), "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if d := time.Since(stopped); d > 20*time.Second { // a stall lasts 30 s
		t.Errorf("took %v to stop", d)
	}
	if keys := f.server.Keys(t, f.bucket); len(keys) > 0 {
		t.Errorf("left: %q", keys)
	}
}

// A part that is wrong in S3 stays wrong: a few tries, and an error that names it.
func TestDamageThatStays(t *testing.T) {
	f := newFaulty(t, start(t), s3test.Faults{})
	store := f.open(t, "dir", awsapi.Options{})
	if err := upload(t.Context(), store, "web", content(1, 3), ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		damage func(key string)
		words  string
	}{
		{"flipped", func(key string) { f.server.Flip(t, f.bucket, key, 77) }, "SHA-256"},
		{"cut", func(key string) { f.server.Truncate(t, f.bucket, key, 1000) }, "has 1000 bytes"},
		{"gone", func(key string) { f.server.Remove(t, f.bucket, key) }, "is missing"},
	} {
		for _, part := range []string{"web.part.000", "web.part.002"} { // data, and zero
			if c.name == "flipped" && part == "web.part.002" {
				continue // the server still has the digest of what it was given
			}
			c.damage("dir/" + part)
			check := func(what string, err error) {
				t.Helper()
				if !errors.Is(err, chunk.ErrDamaged) || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), c.words) {
					t.Errorf("%s of %s, %s: error %v", what, part, c.name, err)
				}
			}
			b, err := store.Load(t.Context(), "web")
			if err != nil {
				t.Fatal(err)
			}
			check("verify", b.Verify(t.Context(), 2, func(int) {}))
			b.Close()
			if part == "web.part.000" {
				_, err = download(t.Context(), store, "web")
				check("download", err)
			}
		}
	}
}
