package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// Files that change between the walk and their reading are listed in the
// summary, in the manifest and as warnings, with status 0, or 3 with --strict.
func TestChangedFiles(t *testing.T) {
	imgtest.RequireRoot(t)
	kinds := map[string]func(file string) error{
		"vanished": os.Remove,
		"shrunk":   func(file string) error { return os.Truncate(file, 1000) },
		"grown":    func(file string) error { return appendTo(file, "and more") },
		"replaced": func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o755)) },
	}
	for flags, want := range map[string]int{"": cli.StatusDone, "--strict": cli.StatusIncomplete} {
		t.Run("with "+flags, func(t *testing.T) {
			var d *disturbed
			for tries := 0; d == nil || d.changed(t) == 0 && tries < 10; tries++ { // it had read them before
				d = newDisturbed(t)
				d.flags = strings.Fields(flags)
				for kind := range kinds {
					fillFile(t, filepath.Join(d.tree, "late", kind), 8000)
				}
				// The files of "late" lie behind those of the tree's root.
				d.run(t, 5<<20, func(d *disturbed) error {
					var errs []error
					for kind, change := range kinds {
						errs = append(errs, change(filepath.Join(d.tree, "late", kind)))
					}
					return errors.Join(errs...)
				})
			}
			if d.code != want {
				t.Errorf("status %d, want %d", d.code, want)
			}
			if strict := "bundle " + d.tree + ": done, but 4 files changed while it ran (--strict)"; strings.Contains(d.stderr, strict) != (want != cli.StatusDone) {
				t.Errorf("stderr: %s", d.stderr)
			}
			b, err := chunk.Load(d.dest, "")
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			got := map[string]string{}
			for _, c := range b.Manifest().Changes {
				got[string(c.Path)] = c.Kind
			}
			for kind := range kinds {
				if got["/late/"+kind] != kind {
					t.Errorf("/late/%s is listed as %q", kind, got["/late/"+kind])
				}
			}
			if code, _, stderr := call("verify", "-q", "--deep", d.dest); code != cli.StatusDone {
				t.Error(stderr)
			}
		})
	}
}

// changed returns how many changes a run has listed.
func (d *disturbed) changed(t *testing.T) int {
	t.Helper()
	b, err := chunk.Load(d.dest, "")
	if err != nil {
		t.Fatal(err, d.stderr)
	}
	defer b.Close()
	return len(b.Manifest().Changes)
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
