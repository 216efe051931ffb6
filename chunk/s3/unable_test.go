package s3_test

import (
	"net/http"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

// unable is a server that refuses what refuse says, and what was warned of.
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
	for _, status := range []int{400, 405, 501} {
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
