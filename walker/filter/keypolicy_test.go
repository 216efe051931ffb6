package filter

import (
	"path"
	"strings"
	"testing"
)

// TestKey asks about files by name, place and permissions.
func TestKey(t *testing.T) {
	set, err := New(Choice{})
	if err != nil {
		t.Fatal(err)
	}
	root := set.Root(Scope{}, NewHomes([]byte("ann:x:1000:1000::/home/ann:/bin/sh\n"), path.Clean))
	below := func(dirs string) *Scope {
		scope := root
		for dir := range strings.SplitSeq(dirs, "/") {
			scope = set.Descend(&scope, dir)
		}
		return &scope
	}
	hash := strings.Repeat("0123456789abcdef", 3)[:38]
	for _, c := range []struct {
		dir, name string
		perm      uint32
		want      Finding
	}{
		{"home/ann", "text", 0o644, Goes},
		{"home/ann", "main.c", 0o600, Unasked}, // source text
		{"home/ann", "site.css", 0o600, Unasked},
		{"home/ann", "archive.gz", 0o600, Unasked},
		{"home/ann", hash, 0o600, Unasked}, // git's
		{"home/ann", hash[1:], 0o600, Goes},
		{"home/ann", "x" + hash[1:], 0o600, Goes},
		{"home/ann", "main.cert", 0o600, Goes},
		{"etc/app", "text", 0o600, Stays},
		{"etc/app", "main.c", 0o600, Unasked},
		{"usr/lib", "text", 0o600, Unasked},
	} {
		if got := set.Key(below(c.dir), nil, c.name, c.perm, 2000); got != c.want {
			t.Errorf("%s/%s: %d, want %d", c.dir, c.name, got, c.want)
		}
	}
	for size, want := range map[int64]Finding{int64(minKey) - 1: Unasked, int64(minKey): Goes, MaxKey: Goes, MaxKey + 1: Unasked} {
		if got := set.Key(below("home/ann"), nil, "text", 0o600, size); got != want {
			t.Errorf("%d bytes: %d, want %d", size, got, want)
		}
	}
}
