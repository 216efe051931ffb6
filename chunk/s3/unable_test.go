package s3_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

// unable returns a server that refuses what refuse says, and what was warned of.
func unable(t *testing.T, refuse func(r *http.Request) int) (open func() *s3.Store, srv *s3test.Server, warned *[]string) {
	t.Helper()
	srv, warned = s3test.Start(t), new([]string)
	plain := place(t, srv)
	w := watch(t, srv)
	w.refuse = refuse
	return func() *s3.Store {
		*warned = nil
		return openAt(t, plain.Bucket, plain.Dir, s3.Options{Options: awsapi.Options{Endpoint: w.URL}, Warn: func(text string) { *warned = append(*warned, text) }})
	}, srv, warned
}

func place(t *testing.T, srv *s3test.Server) s3.Location {
	return open(t, srv, s3.Options{}).Location()
}

// A server that refuses copies is sent all parts, which is said once, with how many
// bytes that is; a bundle is replaced there, too.
func TestNoCopies(t *testing.T) {
	refusals := []int{400, 405, 501}
	if testing.Short() {
		refusals = refusals[2:] // what follows is the same, goroutines included
	}
	for _, status := range refusals {
		at, srv, warned := unable(t, func(r *http.Request) int {
			if r.Header.Get("X-Amz-Copy-Source") != "" {
				return status
			}
			return 0
		})
		wantWarning := func(words string) {
			t.Helper()
			if len(*warned) != 1 || !strings.Contains((*warned)[0], words) {
				t.Errorf("%d: warned %q, want %q once", status, *warned, words)
			}
		}
		s := at()
		st := build(t, s, "a00000b", chunk.Options{})
		wantWarning("50 MiB at most")
		wantBundle(t, srv, s, "a00000b")
		if st.Bytes < 6*chunk.Size || st.Bytes > 7*chunk.Size {
			t.Errorf("sent %d bytes", st.Bytes)
		}
		s = at()
		st = build(t, s, "a0xy", chunk.Options{Force: true})
		wantWarning("the older bundle goes before")
		wantBundle(t, srv, s, "a0xy")
		if st.Kept != 2 || st.Bytes != 2*chunk.Size {
			t.Errorf("replaced: %+v", st)
		}

		s = at() // stopped before the first part, the older one stays
		w, err := s.Create(t.Context(), chunk.Options{Prefix: "p", Force: true})
		must(t, err)
		must(t, w.Abort())
		wantBundle(t, srv, s, "a0xy")
		w, err = s.Create(t.Context(), chunk.Options{Prefix: "p", Force: true})
		must(t, err)
		must(t, w.Write(t.Context(), image("cd"), []int{0}, nil))
		must(t, w.Preflight(2, 0))
		must(t, w.Write(t.Context(), image("cd"), []int{1}, nil))
		must(t, w.Abort())
		wantNames(t, s)
	}
}

// Without s3:DeleteObject bundles are made and uploaded, and uploads go on, where
// nothing is in the way.
func TestNothingDeleted(t *testing.T) {
	var deletes, puts atomic.Int64
	at, srv, _ := unable(t, func(r *http.Request) int {
		if r.Method == http.MethodDelete || r.Method == http.MethodPost && r.URL.Query().Has("delete") {
			deletes.Add(1)
			return http.StatusForbidden
		}
		if r.Method == http.MethodPut {
			puts.Add(1)
		}
		return 0
	})
	s := at()
	build(t, s, "a0b", chunk.Options{})
	wantBundle(t, srv, s, "a0b")
	b := onDisk(t, "abc00")
	loc := s.Location()
	s = s.In("uploaded")
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.Upload(ctx, b, s3.UploadOptions{Done: func(int) { cancel() }}); err == nil {
		t.Error("was not broken off")
	}
	for range 2 { // it goes on; and there is nothing to do
		_, err := s.Upload(t.Context(), b, s3.UploadOptions{})
		must(t, err)
	}
	wantBundle(t, srv, s, "abc00")
	if deletes.Load() != 0 || puts.Load() < 10 {
		t.Errorf("%d deletions asked for, %d puts", deletes.Load(), puts.Load())
	}
	if err := s.In(loc.Dir).Delete(t.Context(), "p"); err == nil || deletes.Load() == 0 {
		t.Error("the server does not refuse to delete")
	}
}
