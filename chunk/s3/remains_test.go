package s3_test

import (
	"slices"
	"strings"
	"testing"

	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

// What is left of bundles is told apart from whole ones and from other objects.
func TestRemains(t *testing.T) {
	s := open(t, s3test.Start(t), s3.Options{})
	for _, name := range strings.Fields("a.part.0 a.part.12 .a.part.3.purebundle-new .a.part.zero.purebundle-new a.sha256 a.part.x a.part. a.part.0.gz" +
		" whole.part.000 whole.manifest.json amazon.part.0 amazon.manifest.xml b.c.part.7 lone.sha256 .part.0 readme") {
		must(t, s.Put(t.Context(), name, []byte("12345")))
	}
	must(t, s.In("sub").Put(t.Context(), "a.part.1", []byte("1")))
	check := func(prefix string, want ...string) {
		t.Helper()
		rest, err := s.Remains(t.Context(), prefix)
		must(t, err)
		var have []string
		for _, r := range rest {
			slices.Sort(r.Names)
			have = append(have, r.Prefix+": "+strings.Join(r.Names, " "))
			if r.Bytes != 5*int64(len(r.Names)) {
				t.Errorf("%s: %d bytes", r.Prefix, r.Bytes)
			}
		}
		slices.Sort(have)
		if !slices.Equal(have, want) {
			t.Errorf("%q: %q, want %q", prefix, have, want)
		}
	}
	a, b := "a: .a.part.3.purebundle-new .a.part.zero.purebundle-new a.part.0 a.part.12 a.sha256", "b.c: b.c.part.7"
	check("", a, b)
	check("a", a)
	check("b.c", b)
	check("whole")
	check("nothing")
}
