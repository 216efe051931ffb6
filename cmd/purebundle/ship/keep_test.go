package ship

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/cmd/purebundle/cli"
)

// Only directories of the names that newWorkDir makes up are swept away.
func TestSweepSparesOthers(t *testing.T) {
	parent := t.TempDir()
	for _, name := range []string{"purebundle-ship-123", "purebundle-ship-logs", "purebundle-ship-", "purebundle-ship-12a"} {
		if err := os.MkdirAll(filepath.Join(parent, name, "bundle"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w, err := newWorkDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer w.remove()
	if !ourWork(w.path) {
		t.Errorf("%s would not be swept away", w.path)
	}
	for name, stays := range map[string]bool{"purebundle-ship-123": false, "purebundle-ship-logs": true, "purebundle-ship-": true, "purebundle-ship-12a": true} {
		if _, err := os.Stat(filepath.Join(parent, name, "bundle")); (err == nil) != stays {
			t.Errorf("%s: is there: %v, want %v", name, err == nil, stays)
		}
	}
}

// Where the new bundle lacks something, older ones are not even looked for.
func TestKeepAfterIncomplete(t *testing.T) {
	var errs bytes.Buffer
	c := &options{keep: 1}
	if err := c.drop(t.Context(), &cli.App{Stderr: &errs}, nil, new(Summary), &cli.IncompleteError{Text: "lost"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(errs.String(), "no older bundle was deleted") {
		t.Errorf("said %q", errs.String())
	}
}
