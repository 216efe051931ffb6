package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

// An error that does not say of which object it is does not pass for none.
func TestRemoveUnnamedError(t *testing.T) {
	var mu sync.Mutex
	single := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodPost {
			fmt.Fprint(w, "<DeleteResult><Error><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>")
			return
		}
		mu.Lock()
		defer mu.Unlock()
		single++
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
	}))
	defer web.Close()
	fake(t)
	err := openAt(t, "bucket", "dir", s3.Options{Options: awsapi.Options{Endpoint: web.URL}}).Remove(t.Context(), []string{"a", "b"})
	wantError(t, err, "AccessDenied", "s3:DeleteObject")
	mu.Lock()
	defer mu.Unlock()
	if single == 0 {
		t.Error("nothing was asked for by its name")
	}
}

// A server that does not know DeleteObjects, however it says so, is asked for one
// object after the other; one that forbids it is not.
func TestRemoveOneByOne(t *testing.T) {
	for _, tt := range []struct {
		status  int
		code    string
		singles int
	}{
		{400, "InvalidArgument", 2},
		{404, "NoSuchKey", 2},
		{405, "MethodNotAllowed", 2},
		{501, "NotImplemented", 2},
		{403, "SignatureDoesNotMatch", 2}, // made over a head that a proxy strips
		{403, "AccessDenied", 0},
		{404, "NoSuchBucket", 0},
	} {
		t.Run(tt.code, func(t *testing.T) {
			var mu sync.Mutex
			singles := 0
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				mu.Lock()
				defer mu.Unlock()
				if r.Method == http.MethodPost {
					w.WriteHeader(tt.status)
					fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", tt.code)
					return
				}
				singles++
				w.WriteHeader(http.StatusNoContent)
			}))
			defer web.Close()
			fake(t)
			err := openAt(t, "bucket", "dir", s3.Options{Options: awsapi.Options{Endpoint: web.URL}}).Remove(t.Context(), []string{"a", "b"})
			if (err == nil) != (tt.singles > 0) || singles != tt.singles {
				t.Errorf("%d objects one by one, %v", singles, err)
			}
		})
	}
}

// What a proxy does to Accept-Encoding does not spoil the signature; it is sent.
func TestAcceptEncodingChanged(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	requests := 0
	proxy := srv.Proxy(t, s3test.Faults{Rate: 1, Only: func(r *http.Request) bool {
		requests++
		if have := r.Header.Get("Accept-Encoding"); have != "identity" {
			t.Errorf("%s %s accepts %q", r.Method, r.URL.Path, have)
		}
		r.Header.Set("Accept-Encoding", "gzip, deflate")
		return false
	}})
	proxy.Setenv(t)
	through := openAt(t, s.Location().Bucket, s.Location().Dir, s3.Options{})
	build(t, through, "a00", chunk.Options{})
	readBack(t, through, "a00")
	must(t, through.Remove(t.Context(), []string{"p.part.000", "p.part.001"}))
	if requests == 0 {
		t.Error("nothing came through the proxy")
	}
}

// A bucket that is made for objects with an ACL takes ACLs.
func TestMakeBucketForACL(t *testing.T) {
	srv := s3test.Start(t)
	for acl, want := range map[string]string{"": "", "aws-exec-read": "BucketOwnerPreferred"} {
		made := 0
		proxy := srv.Proxy(t, s3test.Faults{Rate: 1, Only: func(r *http.Request) bool {
			if r.Method == http.MethodPut {
				made++
				if have := r.Header.Get("X-Amz-Object-Ownership"); have != want {
					t.Errorf("ACL %q: the bucket is made with ownership %q", acl, have)
				}
			}
			return false
		}})
		proxy.Setenv(t)
		s := openAt(t, "for-acl-"+fmt.Sprint(len(acl)), "dir", s3.Options{ACL: acl})
		must(t, s.MakeBucket(t.Context()))
		if made != 1 {
			t.Errorf("ACL %q: %d buckets made", acl, made)
		}
	}
}

// No copy asks for a checksum algorithm, which some servers refuse.
func TestCopyWithoutAlgorithm(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	copies := 0
	proxy := srv.Proxy(t, s3test.Faults{Rate: 1, Only: func(r *http.Request) bool {
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			copies++
			if algorithm := r.Header.Get("X-Amz-Checksum-Algorithm"); algorithm != "" {
				t.Errorf("a copy asks for %s", algorithm)
			}
		}
		return false
	}})
	proxy.Setenv(t)
	build(t, openAt(t, s.Location().Bucket, s.Location().Dir, s3.Options{Workers: 1}), "a00", chunk.Options{})
	if copies == 0 {
		t.Error("nothing was copied")
	}
	checkSums(t, srv, s)
}

// What another run puts in the place of a part while it is replaced does not
// become part of a bundle that looks whole.
func TestReplaceMeddled(t *testing.T) {
	srv := s3test.Start(t)
	plain := open(t, srv, s3.Options{})
	build(t, plain, "ab", chunk.Options{})
	var once sync.Once
	proxy := srv.Proxy(t, s3test.Faults{Rate: 1, Only: func(r *http.Request) bool {
		if strings.Contains(r.Header.Get("X-Amz-Copy-Source"), ".p.part.001") {
			once.Do(func() {
				if err := plain.Put(t.Context(), ".p.part.001.purebundle-new", image("x").part(0)); err != nil {
					t.Error(err)
				}
			})
		}
		return false
	}})
	proxy.Setenv(t)
	s := openAt(t, plain.Location().Bucket, plain.Location().Dir, s3.Options{})
	w, err := s.Create(t.Context(), chunk.Options{Prefix: "p", Force: true})
	must(t, err)
	defer w.Abort()
	must(t, makeParts(t.Context(), w, "ac"))
	wantError(t, w.Commit(t.Context(), testManifest()), "broken off half way", "PreconditionFailed")
	if _, err := plain.Load(t.Context(), "p"); err == nil {
		t.Error("there is a manifest")
	}
}
