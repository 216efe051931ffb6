package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	c := &shipConfig{keep: 1}
	if err := c.drop(t.Context(), &app{stderr: &errs}, nil, new(shipJSON), &incompleteError{"lost"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(errs.String(), "no older bundle was deleted") {
		t.Errorf("said %q", errs.String())
	}
}

// stuck is an output that cannot clean up.
type stuck struct{ output }

func (stuck) Abort() error { return errors.New("cannot remove it") }

// Where a bundle was being replaced, nobody is told to delete that one.
func TestAbortHint(t *testing.T) {
	for _, force := range []bool{false, true} {
		r := &bundleRun{app: &app{quiet: true}, cfg: &bundleConfig{dest: "s3://my-bucket/x", prefix: "web", force: force}}
		hint := hintFor(r.abort(stuck{}, errors.New("failed")))
		if told := strings.Contains(hint, "purebundle delete"); told == force || hint == "" {
			t.Errorf("force %v: hint %q", force, hint)
		}
	}
}
