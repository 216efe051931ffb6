package create

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"purebundle/cmd/purebundle/confine"
	"purebundle/walker"
)

// confine has the run give up its power in two steps. When SOURCE's mounts and DEST
// are open, what remains is to read every file, to write below DEST, and
// CAP_SYS_ADMIN, without which the kernel does not show trusted.*; when the walk is
// over, that goes as well, unless some regular file has such attributes: of files
// that are replaced later they are read once more.
func (r *Run) confine(ctx context.Context) {
	rest := confine.Rest{Capabilities: []confine.Capability{confine.ReadSearch}}
	if !r.Opt.DryRun {
		rest = r.target().power(ctx, rest)
	}
	r.opened = func(tree *walker.Tree) error {
		if tree.TouchesTimes() {
			rest.Capabilities = append(rest.Capabilities, confine.Owner)
		}
		if !r.Opt.DryRun {
			rest.Capabilities = append(rest.Capabilities, r.target().opened()...)
		}
		walking := rest
		walking.Capabilities = append(slices.Clone(rest.Capabilities), confine.Admin)
		r.App.Confine(walking)
		return nil
	}
	r.walked = func() {
		if !r.trusted {
			r.App.Keep(rest.Capabilities...)
		}
	}
}

// existing returns the directory in which the first missing one of path is to be
// made; "" if path is there.
func existing(path string) string {
	above := ""
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); err == nil || p == filepath.Dir(p) {
			return above
		}
		above = filepath.Dir(p)
	}
}
