package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

func TestExists(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	build(t, s, "a", chunk.Options{})
	_, err := s.Create(t.Context(), chunk.Options{Prefix: "p"})
	wantError(t, err, "exists already", "/dir/sub/p.")
	if !errors.Is(err, chunk.ErrExists) {
		t.Errorf("%v is not ErrExists", err)
	}
	for _, prefix := range []string{"q", "p2", "pp"} { // others are free
		w, err := s.Create(t.Context(), chunk.Options{Prefix: prefix})
		must(t, err)
		must(t, w.Abort())
	}
	_, err = s.Create(t.Context(), chunk.Options{Prefix: "../p"})
	wantError(t, err, "prefix")
	wantBundle(t, srv, s, "a")
	must(t, s.Remove(t.Context(), []string{"p.manifest.json"}))
	_, err = s.Create(t.Context(), chunk.Options{Prefix: "p"})
	wantError(t, err, "exists already", "there is no manifest", "killed")
}

// What is named like a bundle's files and is none is never replaced.
func TestStrangers(t *testing.T) {
	srv := s3test.Start(t)
	for _, tt := range []struct{ name, want string }{
		{"p.part.abc", "is no part of a bundle"},
		{"p.part.00", "is no part of a bundle"},
		{"p.manifest.xml", "Amazon's format"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, srv, s3.Options{})
			must(t, s.Put(t.Context(), tt.name, []byte("mine")))
			_, err := s.Create(t.Context(), chunk.Options{Prefix: "p", Force: true})
			wantError(t, err, tt.want)
			wantError(t, s.Delete(t.Context(), "p"), tt.want)
			wantNames(t, s, tt.name)
		})
	}
}

func TestReplace(t *testing.T) {
	srv := s3test.Start(t)
	for _, tt := range []struct {
		name     string
		old, new image
		sent     int // parts
	}{
		{"another", "ab", "cd", 2},
		{"the same", "ab0", "ab0", 0},
		{"one part", "abc", "axc", 1},
		{"shorter", "abcd", "ab", 0},
		{"longer", "ab", "abcd", 2},
		{"zeros", "abc0", "0000", 1},
		{"zeros gone", "0000", "a0bc", 3},
		{"only manifest", "a", "b", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, srv, s3.Options{})
			build(t, s, tt.old, chunk.Options{})
			// Left by a run that was killed.
			must(t, s.Put(t.Context(), ".p.part.077.purebundle-new", []byte("old")))
			st := build(t, s, tt.new, chunk.Options{Force: true})
			wantBundle(t, srv, s, tt.new)
			checkSums(t, srv, s)
			if st.Bytes != int64(tt.sent)*chunk.Size || st.Parts != len(tt.new) {
				t.Errorf("stats are %+v", st)
			}
		})
	}
}

// Whenever a replacement ends before Commit, the older bundle is whole.
func TestReplaceAborted(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	build(t, s, "ab0", chunk.Options{})
	for _, tt := range []struct {
		name string
		run  func(ctx context.Context, w *chunk.Writer) error
	}{
		{"at once", func(context.Context, *chunk.Writer) error { return nil }},
		{"all made", func(ctx context.Context, w *chunk.Writer) error { return makeParts(ctx, w, "c0de") }},
		{"part missing", func(ctx context.Context, w *chunk.Writer) error {
			must(t, w.Preflight(3, 0))
			must(t, w.Write(ctx, image("cde"), []int{0, 2}, nil))
			return w.Commit(ctx, testManifest())
		}},
		{"bad manifest", func(ctx context.Context, w *chunk.Writer) error {
			must(t, makeParts(ctx, w, "cde"))
			return w.Commit(ctx, &chunk.Manifest{})
		}},
		{"cancelled", func(ctx context.Context, w *chunk.Writer) error {
			ctx, cancel := context.WithCancel(ctx)
			must(t, w.Preflight(4, 0))
			err := w.Write(ctx, image("cdef"), []int{0, 1, 2, 3}, func(int) { cancel() })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := s.Create(t.Context(), chunk.Options{Prefix: "p", Force: true})
			must(t, err)
			_ = tt.run(t.Context(), w)
			must(t, w.Abort())
			must(t, w.Abort())
			wantBundle(t, srv, s, "ab0")
		})
	}
}

func TestAbort(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	must(t, s.Put(t.Context(), "p.txt", []byte("not of the bundle")))
	for round := range 5 {
		w, err := s.Create(t.Context(), chunk.Options{Prefix: "p"})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		made := 0
		must(t, w.Preflight(9, 0))
		err = w.Write(ctx, image("abcdefghi"), []int{0, 1, 2, 3, 4, 5, 6, 7, 8}, func(int) {
			if made++; made == round {
				cancel()
			}
		})
		cancel()
		if round > 0 && !errors.Is(err, context.Canceled) {
			t.Errorf("round %d: %v", round, err)
		}
		var wg sync.WaitGroup
		for range 4 { // at once, from several goroutines
			wg.Go(func() {
				if err := w.Abort(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		wantNames(t, s, "p.txt")
		wantError(t, w.Write(t.Context(), image("a"), []int{0}, nil), "closed")
		wantError(t, w.Commit(t.Context(), testManifest()), "aborted")
		wantNames(t, s, "p.txt")
	}
}

// Abort stops a run that nobody has stopped.
func TestAbortWhileWriting(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	for range 3 {
		w, err := s.Create(t.Context(), chunk.Options{Prefix: "p"})
		must(t, err)
		must(t, w.Preflight(8, 0))
		ended := make(chan error)
		begun := make(chan struct{})
		go func() {
			var once sync.Once
			ended <- w.Write(t.Context(), image("abcdefgh"), []int{0, 1, 2, 3, 4, 5, 6, 7}, func(int) { once.Do(func() { close(begun) }) })
		}()
		<-begun
		must(t, w.Abort())
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Errorf("write: %v", err)
		}
		wantNames(t, s)
	}
}

// Of two runs that write a bundle of one name at once, the later one fails when it
// meets what the first has put, and leaves that alone.
func TestTwoRuns(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	one, err := s.Create(t.Context(), chunk.Options{Prefix: "p"})
	must(t, err)
	two, err := s.Create(t.Context(), chunk.Options{Prefix: "p"})
	must(t, err)
	must(t, makeParts(t.Context(), one, "abc"))
	if err := makeParts(t.Context(), two, "abx"); !errors.Is(err, chunk.ErrBusy) {
		t.Errorf("the second: %v", err)
	}
	must(t, two.Abort())
	must(t, one.Commit(t.Context(), testManifest()))
	wantBundle(t, srv, s, "abc")
}

// A part may be made again, as what it was or as something else.
func TestRedo(t *testing.T) {
	srv := s3test.Start(t)
	for _, force := range []bool{false, true} {
		t.Run(fmt.Sprint(force), func(t *testing.T) {
			s := open(t, srv, s3.Options{})
			if force {
				build(t, s, "vwxyz", chunk.Options{})
			}
			w, err := s.Create(t.Context(), chunk.Options{Prefix: "p", Force: force})
			must(t, err)
			defer w.Abort()
			must(t, w.Preflight(5, 0))
			all := []int{0, 1, 2, 3, 4}
			must(t, w.Write(t.Context(), image("0b0d0"), all, nil))
			must(t, w.Write(t.Context(), image("a00de"), all, nil))
			must(t, w.Write(t.Context(), image("abc00"), all, nil))
			must(t, w.Commit(t.Context(), testManifest()))
			wantBundle(t, srv, s, "abc00")
		})
	}
}

func TestUpload(t *testing.T) {
	srv := s3test.Start(t)
	disk := onDisk(t, "abc00")
	s := open(t, srv, s3.Options{})

	var told sync.Map
	opt := s3.UploadOptions{Done: func(i int) { told.Store(i, true) }}
	wantUpload(t, s, disk, opt, 0, 4, nil)
	wantBundle(t, srv, s, "abc00")
	for i := range 5 {
		if _, ok := told.Load(i); !ok {
			t.Errorf("part %d was not told", i)
		}
	}
	readBack2(t, s, disk)

	// Again: nothing to do. Nor with a part gone: just that part.
	wantUpload(t, s, disk, s3.UploadOptions{}, 5, 0, nil)
	must(t, s.Remove(t.Context(), []string{"p.part.001", "p.sha256"}))
	wantUpload(t, s, disk, s3.UploadOptions{}, 4, 1, nil)
	wantBundle(t, srv, s, "abc00")

	// Another bundle of that name.
	other := onDisk(t, "axc00d")
	wantUpload(t, s, other, s3.UploadOptions{}, 0, 0, chunk.ErrExists)
	wantBundle(t, srv, s, "abc00")
	wantUpload(t, s, other, s3.UploadOptions{Force: true}, 4, 2, nil)
	wantBundle(t, srv, s, "axc00d")
	wantUpload(t, s, disk, s3.UploadOptions{Force: true}, 4, 1, nil)
	wantBundle(t, srv, s, "abc00")

	// From S3 to S3.
	from, err := s.Load(t.Context(), "p")
	must(t, err)
	defer from.Close()
	s2 := s.In("elsewhere")
	wantUpload(t, s2, from, s3.UploadOptions{}, 0, 4, nil)
	wantBundle(t, srv, s2, "abc00")
}

// A part that is there but has another content or length is sent again; one of which
// S3 has another checksum than SHA-256 is compared by its MD5.
func TestUploadWrongParts(t *testing.T) {
	srv := s3test.Start(t)
	disk := onDisk(t, "abcd")
	s := open(t, srv, s3.Options{})
	must(t, s.Put(t.Context(), "p.part.000", image("x").part(0)))
	must(t, s.Put(t.Context(), "p.part.001", []byte("short")))
	// Right, but put by something that keeps another checksum.
	_, err := srv.Client().PutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String(s.Location().Bucket),
		Key: aws.String("dir/sub/p.part.002"), Body: bytes.NewReader(image("c").part(0))})
	must(t, err)
	must(t, s.Put(t.Context(), "p.part.003", image("d").part(0)))
	must(t, s.Put(t.Context(), "p.part.017", image("y").part(0)))
	wantUpload(t, s, disk, s3.UploadOptions{}, 2, 2, nil)
	wantBundle(t, srv, s, "abcd")
}

// An upload that breaks off keeps what it sent; the next one goes on.
func TestUploadResumes(t *testing.T) {
	srv := s3test.Start(t)
	disk := onDisk(t, "abcdefgh")
	s := open(t, srv, s3.Options{Workers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	sent := 0
	st, err := s.Upload(ctx, disk, s3.UploadOptions{Done: func(int) {
		if sent++; sent == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || st.Bytes != 3*chunk.Size {
		t.Errorf("%+v, %v", st, err)
	}
	if _, err := s.Load(t.Context(), "p"); !errors.Is(err, chunk.ErrNoBundle) {
		t.Errorf("load: %v", err)
	}
	_, err = s.Create(t.Context(), chunk.Options{Prefix: "p"})
	wantError(t, err, "exists already", "there is no manifest")
	st, err = s.Upload(t.Context(), disk, s3.UploadOptions{})
	// The one that was cut off may have arrived.
	if err != nil || st.Kept < 3 || st.Kept > 4 {
		t.Errorf("%+v, %v", st, err)
	}
	wantBundle(t, srv, s, "abcdefgh")
}

func wantUpload(t *testing.T, s *s3.Store, b *chunk.Bundle, opt s3.UploadOptions, skipped, sent int, fails error) {
	t.Helper()
	st, err := s.Upload(t.Context(), b, opt)
	if !errors.Is(err, fails) {
		t.Fatalf("upload: %v", err)
	}
	if fails == nil && st.Parts != len(b.Manifest().Parts) || st.Kept != skipped || st.Bytes != int64(sent)*chunk.Size {
		t.Errorf("upload: %+v, want %d parts kept and %d sent", st, skipped, sent)
	}
}

// onDisk returns a bundle in a directory.
func onDisk(t *testing.T, im image) *chunk.Bundle {
	t.Helper()
	dir := t.TempDir()
	w, err := chunk.Create(dir, chunk.Options{Prefix: "p"})
	must(t, err)
	defer w.Abort()
	must(t, w.Preflight(len(im), im.size()))
	data, zero := im.split()
	must(t, w.Write(t.Context(), im, data, nil))
	must(t, w.WriteZero(t.Context(), zero, nil))
	must(t, w.Commit(t.Context(), testManifest()))
	b, err := chunk.Load(dir, "p")
	must(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

// readBack2 downloads a bundle and compares all its files with those on disk.
func readBack2(t *testing.T, s *s3.Store, disk *chunk.Bundle) {
	t.Helper()
	b, err := s.Load(t.Context(), "p")
	must(t, err)
	defer b.Close()
	for i := range b.Manifest().Parts {
		one, two := make([]byte, chunk.Size), make([]byte, chunk.Size)
		must(t, b.ReadPart(t.Context(), i, one))
		must(t, disk.ReadPart(t.Context(), i, two))
		if !bytes.Equal(one, two) {
			t.Errorf("part %d is another", i)
		}
	}
	one, sums1, err := b.Manifest().Texts()
	must(t, err)
	two, sums2, err := disk.Manifest().Texts()
	must(t, err)
	if !bytes.Equal(one, two) || !bytes.Equal(sums1, sums2) {
		t.Error("manifest or digests are others")
	}
}

func TestDelete(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	build(t, s, "ab0", chunk.Options{})
	w, err := s.Create(t.Context(), chunk.Options{Prefix: "q"})
	must(t, err)
	must(t, makeParts(t.Context(), w, "x")) // never committed: parts without a manifest
	for _, name := range []string{"other", "p2.part.000", ".p.part.000.purebundle-new", ".p.part.zero.purebundle-new", ".p.txt"} {
		must(t, s.Put(t.Context(), name, []byte("x")))
	}
	must(t, s.Delete(t.Context(), "p"))
	wantNames(t, s, ".p.txt", "other", "p2.part.000", "q.part.000")
	must(t, s.Delete(t.Context(), "q"))
	wantNames(t, s, ".p.txt", "other", "p2.part.000")
	if err := s.Delete(t.Context(), "p"); !errors.Is(err, chunk.ErrNoBundle) {
		t.Errorf("again: %v", err)
	}
}

func TestLoad(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	_, err := s.Load(t.Context(), "")
	wantError(t, err, "no bundle", "manifest.json")
	_, err = s.Load(t.Context(), "p")
	wantError(t, err, "no bundle", "/dir/sub/p.manifest.json")
	build(t, s, "a", chunk.Options{})
	must(t, s.Put(t.Context(), "q.manifest.json", []byte("{}")))
	_, err = s.Load(t.Context(), "")
	wantError(t, err, "has 2 bundles: p, q", "name the manifest")
	_, err = s.Load(t.Context(), "q")
	wantError(t, err, "schema")
	must(t, s.Put(t.Context(), "r.manifest.json", srv.Read(t, s.Location().Bucket, "dir/sub/p.manifest.json")))
	_, err = s.Load(t.Context(), "r")
	wantError(t, err, `is the manifest of "p"`)
	_, err = s.In("nowhere").Load(t.Context(), "")
	wantError(t, err, "no bundle")
	_, err = openAt(t, "no-such-bucket", "x", s3.Options{}).Load(t.Context(), "p")
	wantError(t, err, "NoSuchBucket", "make the bucket")
}

// Verify finds what is wrong, and reads never give it.
func TestDamage(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	build(t, s, "abc0de", chunk.Options{})
	b, err := s.Load(t.Context(), "p")
	must(t, err)
	defer b.Close()
	bucket := s.Location().Bucket
	srv.Flip(t, bucket, "dir/sub/p.part.000", 12345)
	srv.Truncate(t, bucket, "dir/sub/p.part.001", chunk.Size-1)
	srv.Remove(t, bucket, "dir/sub/p.part.003")
	must(t, s.Put(t.Context(), "p.part.006", []byte("surplus")))
	must(t, s.Put(t.Context(), "p.sha256", []byte("digests")))
	err = b.Verify(t.Context(), 0, nil)
	wantError(t, err, "p.part.000: SHA-256 is ", "p.part.001: has 10485759 bytes", "p.part.003: is missing",
		"p.part.006: is named like a part", "p.sha256: line 1 is not")
	if n := strings.Count(err.Error(), "\n"); n != 4 || !errors.Is(err, chunk.ErrDamaged) {
		t.Errorf("%d lines: %v", n+1, err)
	}
	p := make([]byte, 10)
	for i, bad := range map[int64]bool{0: true, 1: true, 2: false, 3: false, 4: false} {
		if _, err := b.ReadAt(p, i*chunk.Size+5); (err != nil) != bad || bad && !errors.Is(err, chunk.ErrDamaged) {
			t.Errorf("part %d: %v", i, err)
		}
	}
}

// Reads of a few places move the parts that have them, once.
func TestReadsMoveLittle(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	build(t, s, "abcd0efghijklmnop", chunk.Options{})
	proxy := srv.Proxy(t, s3test.Faults{})
	proxy.Setenv(t)
	s = openAt(t, s.Location().Bucket, "dir/sub", s3.Options{})
	b, err := s.Load(t.Context(), "p")
	must(t, err)
	defer b.Close()
	before := proxy.Requests()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, part := range []int64{1, 4, 7} {
				p := make([]byte, 4096)
				if _, err := io.ReadFull(io.NewSectionReader(b, part*chunk.Size+8192, 4096), p); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := proxy.Requests() - before; n != 2 {
		t.Errorf("%d requests", n)
	}
}

// Whatever hangs, a run that is cancelled ends soon.
func TestCancel(t *testing.T) {
	srv := s3test.Start(t)
	srv.Setenv(t)
	bucket := srv.Bucket(t)
	direct := openAt(t, bucket, "dir/sub", s3.Options{})
	build(t, direct, "abc", chunk.Options{})
	disk := onDisk(t, "xyz")
	for _, kind := range []s3test.Kind{s3test.StallRequest, s3test.StallResponse, s3test.SlowDown} {
		proxy := srv.Proxy(t, s3test.Faults{})
		proxy.Setenv(t)
		s := openAt(t, bucket, "dir/sub", s3.Options{})
		b, err := s.Load(t.Context(), "p")
		must(t, err)
		w, err := s.Create(t.Context(), chunk.Options{Prefix: "q"})
		must(t, err)
		must(t, w.Preflight(3, 0))
		proxy.Set(s3test.Faults{Rate: 1, Kinds: []s3test.Kind{kind}, Only: func(r *http.Request) bool {
			return r.Method == http.MethodPut || s3test.GetsObject(r) || r.Method == http.MethodHead
		}})
		for name, run := range map[string]func(ctx context.Context) error{
			"write":  func(ctx context.Context) error { return w.Write(ctx, image("klm"), []int{0, 1, 2}, nil) },
			"zero":   func(ctx context.Context) error { return w.WriteZero(ctx, []int{0, 1, 2}, nil) },
			"verify": func(ctx context.Context) error { return b.Verify(ctx, 0, nil) },
			"upload": func(ctx context.Context) error {
				_, err := s.Upload(ctx, disk, s3.UploadOptions{Force: true})
				return err
			},
			"load": func(ctx context.Context) error { _, err := s.Load(ctx, "p"); return err },
			"put":  func(ctx context.Context) error { return s.Put(ctx, "x", []byte("x")) },
			"head": func(ctx context.Context) error { _, err := s.Head(ctx, "p.sha256"); return err },
		} {
			ctx, cancel := context.WithCancel(t.Context())
			var stopped time.Time
			time.AfterFunc(300*time.Millisecond, func() { stopped = time.Now(); cancel() })
			err := run(ctx)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v, %s: %v", kind, name, err)
			} else if d := time.Since(stopped); d > 20*time.Second {
				t.Errorf("%v, %s: took %v", kind, name, d)
			}
			cancel()
		}
		proxy.Set(s3test.Faults{})
		must(t, w.Abort())
		b.Close()
	}
	if _, err := direct.Load(t.Context(), "q"); !errors.Is(err, chunk.ErrNoBundle) {
		t.Errorf("load: %v", err)
	}
}
