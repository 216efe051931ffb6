package create

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/chunk"
)

// The digest is that of "openssl dgst -sha256 -hmac", and never holds the identity.
func TestMachineDigest(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const id = "0123456789abcdef0123456789abcdef"
	good, fresh := file("good", id+"\n"), file("fresh", "uninitialized\n")
	// printf 0123456789abcdef0123456789abcdef | openssl dgst -sha256 -hmac 'purebundle machine'
	const want = "81dfdeaa9acd23b47d4887b145ea42310c18166607b4281ae82c8a08178b2dca"
	for _, files := range [][]string{{good}, {fresh, good}, {filepath.Join(dir, "none"), good}} {
		if have := machineDigest(files...); have != want || strings.Contains(have, id[:8]) {
			t.Errorf("%q: %q", files, have)
		}
	}
	if have := machineDigest(fresh, filepath.Join(dir, "none")); have != "" {
		t.Errorf("of no identity: %q", have)
	}
}

func TestStranger(t *testing.T) {
	me := Maker{Host: "web", Machine: "1", Source: "/"}
	for _, tt := range []struct {
		b    chunk.Manifest
		want string
	}{
		{chunk.Manifest{Host: "web", Machine: "1", Source: "/"}, ""},
		{chunk.Manifest{Host: "web", Source: "/"}, ""},
		{chunk.Manifest{Host: "web", Machine: "2", Source: "/"}, "is of another machine"},
		{chunk.Manifest{Host: "db", Machine: "1", Source: "/"}, "is of another machine"},
		{chunk.Manifest{Host: "web", Machine: "1", Source: "/srv"}, "is of SOURCE /srv"},
	} {
		if have := me.Stranger(&tt.b); have != tt.want {
			t.Errorf("%+v: %q, want %q", tt.b, have, tt.want)
		}
	}
	me.Machine = ""
	if have := me.Stranger(&chunk.Manifest{Host: "web", Machine: "2", Source: "/"}); have != "" {
		t.Errorf("without an identity: %q", have)
	}
}
