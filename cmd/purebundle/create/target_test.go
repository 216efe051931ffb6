package create

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"purebundle/walker"
)

// The walk leaves out the directory that is open, not what has its name by then.
func TestLeaveOutHeld(t *testing.T) {
	source := t.TempDir()
	r := &Run{Opt: Options{Source: source, Dest: filepath.Join(source, "out"), Prefix: "p"}}
	w, err := r.target().open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	r.Hold(w.Held())
	if err := os.Rename(r.Opt.Dest, filepath.Join(source, "moved")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"moved/part", "out/file"} {
		path := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var met []string
	tree, err := walker.Walk(t.Context(), source, walker.Options{LeaveOut: r.target().leaveOut()}, func(e *walker.Entry) error {
		met = append(met, e.Path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tree.Close()
	for name, want := range map[string]bool{"/moved": true, "/moved/part": false, "/out/file": true} {
		if slices.Contains(met, name) != want {
			t.Errorf("%s: %v; met %q", name, !want, met)
		}
	}
}
