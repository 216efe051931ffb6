package create

import (
	"context"
	"slices"

	"purebundle/cmd/purebundle/confine"
	"purebundle/walker"
)

// Confine has the run give up its power in two steps, but for what rest says it takes
// for its output. When SOURCE's mounts and DEST are open, what remains besides is to
// read every file and CAP_SYS_ADMIN, without which the kernel does not show trusted.*;
// when the walk is over, that goes as well, unless some regular file has such
// attributes: of files that are replaced later they are read once more.
func (r *Run) Confine(rest confine.Rest) {
	rest.Capabilities = append(slices.Clone(rest.Capabilities), confine.ReadSearch)
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
		if r.trusted {
			rest.Capabilities = append(rest.Capabilities, confine.Admin)
		}
		r.App.Keep(rest.Capabilities...)
	}
}

// Power returns what the run takes for its output.
func (r *Run) Power(ctx context.Context) confine.Rest {
	if r.Opt.DryRun {
		return r.base.power(ctx, &r.Opt.S3, confine.Rest{})
	}
	return r.target().power(ctx)
}
