package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

// watched is a server whose requests are counted.
type watched struct {
	*httptest.Server

	mu           sync.Mutex
	copies, most int           // copies in flight, and the most there were
	await        int           // so many copies in flight let them all go on
	full         chan struct{} // closed then; nil: nobody waits
	gets         []string
	refuse       func(r *http.Request) (status int) // 0: not; called under the lock
}

// kms stands for an answer that is passed but says that a key of KMS was used.
const kms = -1

func watch(t *testing.T, srv *s3test.Server) *watched {
	t.Helper()
	w, proxy := &watched{}, srv.Proxy(t, s3test.Faults{})
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if status := w.refuses(r); status == kms {
			rw.Header().Set("X-Amz-Server-Side-Encryption", "aws:kms")
		} else if status != 0 {
			_, _ = io.Copy(io.Discard, r.Body)
			rw.WriteHeader(status)
			fmt.Fprint(rw, "<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented</Message></Error>")
			return
		}
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			w.flies()
			defer func() { w.mu.Lock(); w.copies--; w.mu.Unlock() }()
		}
		if s3test.GetsObject(r) {
			w.mu.Lock()
			w.gets = append(w.gets, r.URL.Path)
			w.mu.Unlock()
		}
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.Close)
	return w
}

// gather has copies wait until n are in flight, and a moment more for one too many.
func (w *watched) gather(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.most, w.await, w.full = 0, n, make(chan struct{})
}

// flies counts a copy, which waits if they are gathered.
func (w *watched) flies() {
	w.mu.Lock()
	w.copies++
	w.most = max(w.most, w.copies)
	full := w.full
	if full != nil && w.copies == w.await {
		w.await = 0 // they are let go once
		time.AfterFunc(100*time.Millisecond, func() { close(full) })
	}
	w.mu.Unlock()
	if full != nil {
		select {
		case <-full:
		case <-time.After(20 * time.Second): // there are never so many
		}
	}
}

// flown returns how many copies there were in flight at most.
func (w *watched) flown() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}

func (w *watched) refuses(r *http.Request) (status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse == nil {
		return 0
	}
	return w.refuse(r)
}

// Bundles made and bundles copied have the same number of copies in flight.
func TestCopiesInFlight(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	im := image("a" + strings.Repeat("0", 40))
	const want = 16 // smallWorkers
	for _, workers := range []int{0, 1, 7} {
		w := watch(t, srv)
		at := func(dir string) *s3.Store {
			return openAt(t, s.Location().Bucket, dir, s3.Options{Options: awsapi.Options{Endpoint: w.URL}, Workers: workers})
		}
		w.gather(want)
		build(t, at("made"), im, chunk.Options{Force: true})
		made := w.flown()
		w.gather(want)
		b := onDisk(t, im)
		if _, err := at("copied").Upload(t.Context(), b, s3.UploadOptions{}); err != nil {
			t.Fatal(err)
		}
		if copied := w.flown(); made != want || copied != want {
			t.Errorf("%d workers: %d copies in flight when made, %d when copied, want %d", workers, made, copied, want)
		}
		must(t, at("made").Delete(t.Context(), "p"))
		must(t, at("copied").Delete(t.Context(), "p"))
	}
}

// Of zero parts nothing is fetched if the server has their digests; what is missing,
// or of another size or content as the server knows it, is found all the same.
func TestVerifyFetchesNoZeros(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	build(t, s, "a000b", chunk.Options{})
	w := watch(t, srv)
	verify := func() error {
		b, err := openAt(t, s.Location().Bucket, s.Location().Dir, s3.Options{Options: awsapi.Options{Endpoint: w.URL}}).Load(t.Context(), "p")
		must(t, err)
		defer b.Close()
		return b.Verify(t.Context(), 0, nil)
	}
	must(t, verify())
	zeros := 0
	for _, path := range w.gets {
		if strings.Contains(path, "part.001") || strings.Contains(path, "part.002") || strings.Contains(path, "part.003") {
			zeros++
		}
	}
	if want := 0; zeros != want && !srv.Make.CopyForgets || len(w.gets) < 4 {
		t.Errorf("fetched: %q", w.gets)
	}
	must(t, s.Put(t.Context(), "p.part.002", image("x").part(0)))
	wantError(t, verify(), "p.part.002", "SHA-256")
	must(t, s.Put(t.Context(), "p.part.002", make([]byte, 5)))
	wantError(t, verify(), "p.part.002", "5 bytes")
	must(t, s.Remove(t.Context(), []string{"p.part.002"}))
	wantError(t, verify(), "p.part.002", "missing")
}
