package ship

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/walker"
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

// Where the new bundle lacks something and the format does not say what older ones lack, older ones are not even looked for.
func TestKeepAfterIncomplete(t *testing.T) {
	var errs bytes.Buffer
	c := &options{keep: 1, register: true}
	r := &create.Run{App: &cli.App{Stderr: &errs}, Tree: &walker.Tree{Unreadable: make([]walker.Problem, 1)}}
	if err := c.drop(t.Context(), r, nil, new(Summary)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(errs.String(), "no older bundle was deleted") {
		t.Errorf("said %q", errs.String())
	}
}

// An older bundle stays if it may have what the new one lacks, and only then.
func TestLossesBeyond(t *testing.T) {
	root, ann, bob := new(uint32), new(uint32), new(uint32)
	*ann, *bob = 1000, 1001
	loss := func(list ...chunk.Problem) losses { return lossesOf(&chunk.Manifest{Unreadable: list}) }
	problem := func(path chunk.Path, uid *uint32) chunk.Problem { return chunk.Problem{Path: path, UID: uid} }
	omitted := func(n int) losses { return lossesOf(&chunk.Manifest{Omitted: &chunk.Omitted{Lost: n}}) }
	changed := lossesOf(&chunk.Manifest{Changes: []chunk.Change{{Path: "/a", Kind: "unstable"}, {Path: "/b", Kind: "grown"}}})
	for _, c := range []struct {
		name     string
		new, old losses
		want     string
	}{
		{"nothing", loss(), loss(), ""},
		{"less", loss(), loss(problem("/a", root)), ""},
		{"the same", loss(problem("/a", root)), loss(problem("/a", root)), ""},
		{"of root", loss(problem("/a", root)), loss(), "/a"},
		{"of root, another", loss(problem("/a", root)), loss(problem("/b", root)), "/a"},
		{"of a user", loss(problem("/a", ann)), loss(), "/a"},
		{"of a user, another name", loss(problem("/a", ann)), loss(problem("/b", ann)), ""},
		{"of a user, another user", loss(problem("/a", ann)), loss(problem("/b", bob)), "/a"},
		{"of a user, one more", loss(problem("/a", ann), problem("/c", ann)), loss(problem("/a", ann)), "/c"},
		{"of unknown owner", loss(problem("/a", nil)), loss(problem("/b", nil)), "/a"},
		{"kinds that lose nothing", changed, loss(), "/a"},
		{"kinds that lose the same", changed, loss(problem("/a", nil)), ""},
		{"not listed", omitted(2), omitted(1), "2 entries that are not listed"},
		{"not listed, the same", omitted(2), omitted(2), ""},
	} {
		if got := c.new.beyond(c.old); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
