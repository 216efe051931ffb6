package cli

import (
	"testing"
)

func TestNearest(t *testing.T) {
	names := []string{"exclude", "exclude-from", "include", "one-file-system", "size", "strict", "dry-run", "force", "prefix"}
	for in, want := range map[string]string{
		"exlude": "exclude", "excludes": "exclude", "inlcude": "include", "sise": "size", "dryrun": "dry-run",
		"pre": "prefix", "one-filesystem": "one-file-system", "zzzzzz": "", "q": "", "forec": "force",
	} {
		if got := Nearest(in, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
		}
	}
}
