package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// A file of an ordinary user that ext4 cannot hold, under two names, is left out and listed; the run
// goes on, with status 3.
func TestUnfitFile(t *testing.T) {
	imgtest.RequireRoot(t)
	tree := imgtest.Tmpfs(t, 64<<20)
	imgtest.OpenWay(t, tree)
	if err := os.Chown(tree, imgtest.User, imgtest.User); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(tree, name) }
	imgtest.AsUser(t, func() {
		if err := errors.Join(os.WriteFile(at("huge"), nil, 0o644), os.Truncate(at("huge"), 17<<40), os.Link(at("huge"), at("too")), os.WriteFile(at("zero"), nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	})
	dest := filepath.Join(t.TempDir(), "dest")
	if code, _, stderr := call("bundle", "-q", "--progress", "none", tree, dest); code != cli.StatusIncomplete {
		t.Fatalf("status %d, want %d: %s", code, cli.StatusIncomplete, stderr)
	}
	b, err := chunk.Load(dest, "")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	kinds := map[string]string{}
	for _, c := range b.Manifest().Changes {
		kinds[string(c.Path)] = c.Kind
	}
	if len(kinds) != 2 || kinds["/huge"] != "unfit" || kinds["/too"] != "unfit" {
		t.Errorf("changes %v, want /huge and /too unfit", kinds)
	}
	if code, _, stderr := call("verify", "-q", "--deep", dest); code != cli.StatusDone {
		t.Errorf("verify: status %d: %s", code, stderr)
	}
}
