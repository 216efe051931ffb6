package s3_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

// keepOn makes the bundle p of im, of which these parts are those of the base, and
// returns those that were lost, which are made.
func keepOn(t *testing.T, s chunk.Maker, base *chunk.Bundle, im image, parts []int, opt chunk.Options) (lost []int, st chunk.Stats) {
	t.Helper()
	opt.Prefix, opt.Base = "p", base
	w, err := chunk.Make(t.Context(), s, opt)
	must(t, err)
	defer w.Abort()
	data, zero := im.split()
	must(t, w.Preflight(len(im), im.size()))
	lost, err = w.Keep(t.Context(), parts, nil)
	must(t, err)
	must(t, w.Write(t.Context(), im, slices.DeleteFunc(data, func(i int) bool { return slices.Contains(parts, i) && !slices.Contains(lost, i) }), nil))
	must(t, w.WriteZero(t.Context(), zero, nil))
	must(t, w.Commit(t.Context(), testManifest()))
	return lost, w.Stats()
}

// load opens bundle p of a Store.
func load(t *testing.T, s *s3.Store) *chunk.Bundle {
	t.Helper()
	b, err := s.Load(t.Context(), "p")
	must(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

// TestTake keeps parts of a base in S3 that is whole, or of which a part is not what it
// was, or becomes another while it is copied: those are made, and all parts are right.
func TestTake(t *testing.T) {
	srv := s3test.Start(t)
	const had, now = image("ab"), image("abx")
	plain := func(s *s3.Store, name string, body []byte) { // with no checksum
		l := s.Location()
		key := l.Dir + "/" + name
		_, err := srv.Client().PutObject(t.Context(), &sdk.PutObjectInput{Bucket: &l.Bucket, Key: &key, Body: strings.NewReader(string(body))})
		must(t, err)
	}
	for _, c := range []struct {
		name   string
		before func(s *s3.Store)                               // what becomes of the base before
		during func(s *s3.Store, r *http.Request) (status int) // and when a copy is asked for
		lost   []int
		warned string
	}{
		{name: "whole"},
		{name: "one is missing", before: func(s *s3.Store) { must(t, s.Remove(t.Context(), []string{"p.part.001"})) }, lost: []int{1}},
		{name: "one is another", before: func(s *s3.Store) { must(t, s.Put(t.Context(), "p.part.000", image("c").part(0))) }, lost: []int{0}},
		{name: "one is short", before: func(s *s3.Store) { must(t, s.Put(t.Context(), "p.part.000", had.part(0)[1:])) }, lost: []int{0}},
		{name: "one has no SHA-256", before: func(s *s3.Store) { plain(s, "p.part.001", had.part(1)) }, lost: []int{1}, warned: "cannot be compared"},
		{name: "one becomes another", lost: []int{1}, during: func(s *s3.Store, r *http.Request) int {
			if strings.HasSuffix(r.URL.Path, "001") {
				must(t, s.Put(t.Context(), "p.part.001", image("c").part(0)))
			}
			return 0
		}},
		{name: "one goes", lost: []int{0}, during: func(s *s3.Store, r *http.Request) int {
			if strings.HasSuffix(r.URL.Path, "000") {
				must(t, s.Remove(t.Context(), []string{"p.part.000"}))
			}
			return 0
		}},
		{name: "copies are forbidden", lost: []int{0, 1}, warned: "those of the base are made", during: func(*s3.Store, *http.Request) int { return 403 }},
		{name: "copies are unknown", lost: []int{0, 1}, warned: "those of the base are made", during: func(*s3.Store, *http.Request) int { return 501 }},
	} {
		for _, bucket := range []string{"the same", "another"} {
			if bucket == "another" && c.before != nil {
				continue
			}
			t.Run(c.name+", "+bucket+" bucket", func(t *testing.T) {
				s := open(t, srv, s3.Options{})
				old := s.In("base")
				build(t, old, had, chunk.Options{})
				if c.before != nil {
					c.before(old)
				}
				l := s.Location()
				if bucket == "another" {
					l.Bucket = srv.Bucket(t)
				}
				w := watch(t, srv)
				if c.during != nil {
					w.refuse = func(r *http.Request) int {
						if !strings.Contains(r.Header.Get("X-Amz-Copy-Source"), "/base/") {
							return 0
						}
						return c.during(old, r)
					}
				}
				var mu sync.Mutex
				var warned []string
				at := func(l s3.Location) *s3.Store {
					s, err := s3.Open(t.Context(), l, s3.Options{Options: awsapi.Options{Endpoint: w.URL}, PathStyle: true, Warn: func(text string) {
						mu.Lock()
						defer mu.Unlock()
						warned = append(warned, text)
					}})
					must(t, err)
					return s
				}
				s = at(l)
				lost, st := keepOn(t, s, load(t, at(old.Location())), now, []int{0, 1}, chunk.Options{Workers: 1})
				sent := int64(1+len(lost)) * chunk.Size
				if !slices.Equal(lost, c.lost) || st.Taken != 2-len(lost) || st.Bytes != sent {
					t.Errorf("lost %v, %+v; want %v", lost, st, c.lost)
				}
				if (c.warned == "") != (len(warned) == 0) || c.warned != "" && !strings.Contains(warned[0], c.warned) {
					t.Errorf("warned %q", warned)
				}
				wantBundle(t, srv, s, now)
				checkSums(t, srv, s) // of copies, too: the next bundle may take them
			})
		}
	}
}

// TestTakeAgain keeps parts of the bundle that is replaced, and those that a run which
// was cut has left.
func TestTakeAgain(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	build(t, s, "abc0", chunk.Options{})
	lost, st := keepOn(t, s, load(t, s), "abx0", []int{0, 1}, chunk.Options{Force: true})
	if len(lost) > 0 || st.Taken != 2 || st.Bytes != chunk.Size {
		t.Errorf("replaced: lost %v, %+v", lost, st)
	}
	wantBundle(t, srv, s, "abx0")
	cut := s.In("cut")
	must(t, cut.Put(t.Context(), "p.part.000", image("a").part(0)))
	lost, st = keepOn(t, cut, load(t, s), "aby0", []int{0, 1}, chunk.Options{GoOn: true})
	if len(lost) > 0 || st.Taken != 2 || st.Kept != 1 {
		t.Errorf("gone on: lost %v, %+v", lost, st)
	}
	wantBundle(t, srv, cut, "aby0")
}

// TestTakeSame copies a part that was made although the base has it.
func TestTakeSame(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	build(t, s, "abc0", chunk.Options{})
	_, st := keepOn(t, s.In("new"), load(t, s), "abc0", nil, chunk.Options{})
	if st.Taken != 3 || st.Bytes != chunk.Size {
		t.Errorf("%+v", st)
	}
	wantBundle(t, srv, s.In("new"), "abc0")
}

// TestUploadOnBase uploads a bundle of which a part is the base's: one is sent.
func TestUploadOnBase(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	build(t, s, "ab", chunk.Options{})
	st, err := s.In("new").Upload(t.Context(), onDisk(t, "ax"), s3.UploadOptions{Base: load(t, s)})
	must(t, err)
	if st.Taken != 1 || st.Bytes != chunk.Size {
		t.Errorf("%+v", st)
	}
	wantBundle(t, srv, s.In("new"), "ax")
}

// TestTakeAcross keeps parts of a base in a place of another kind: they are read there,
// and a damaged one is made.
func TestTakeAcross(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	lost, st := keepOn(t, s, onDisk(t, "abc0"), "abx0", []int{0, 1}, chunk.Options{})
	if len(lost) > 0 || st.Taken != 2 {
		t.Errorf("to S3: lost %v, %+v", lost, st)
	}
	wantBundle(t, srv, s, "abx0")
	checkSums(t, srv, s)

	must(t, s.Put(t.Context(), "p.part.001", image("a").part(0)))
	dir := t.TempDir()
	lost, st = keepOn(t, chunk.Directory{Path: dir}, load(t, s), "aby0", []int{0, 1}, chunk.Options{})
	if !slices.Equal(lost, []int{1}) || st.Taken != 1 {
		t.Errorf("from S3: lost %v, %+v", lost, st)
	}
	b, err := chunk.Load(dir, "p")
	must(t, err)
	defer b.Close()
	must(t, b.Verify(t.Context(), 0, nil))
	for i, p := range b.Manifest().Parts {
		have := make([]byte, chunk.Size)
		must(t, b.ReadPart(t.Context(), i, have))
		if string(have) != string(image("aby0").part(i)) {
			t.Errorf("%s is another", p.Name)
		}
	}
}

// TestHome opens a bucket of another region: the server says of which.
func TestHome(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	build(t, s, "a", chunk.Options{})
	proxy := srv.Proxy(t, s3test.Faults{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amz-Bucket-Region", srv.Region)
		if !strings.Contains(r.Header.Get("Authorization"), "/"+srv.Region+"/s3/") {
			w.WriteHeader(http.StatusMovedPermanently)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	away, err := s3.Open(t.Context(), s.Location(), s3.Options{Options: awsapi.Options{Endpoint: front.URL, Region: "eu-south-2"}, PathStyle: true})
	must(t, err)
	if _, err := away.Load(t.Context(), "p"); err == nil {
		t.Error("signed for another region, it is read")
	}
	home, err := away.Home(t.Context())
	must(t, err)
	readBack(t, home, "a")
	if again, err := home.Home(t.Context()); err != nil || again != home {
		t.Errorf("at home, it is another: %v", err)
	}
}
