package ship

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
)

// openBase opens the base of r: the one that was asked for, or the newest bundle of the
// template that is complete and of this machine and SOURCE.
func (c *options) openBase(ctx context.Context, r *create.Run, store *s3.Store) error {
	switch {
	case c.register || c.noBase:
		return nil
	case r.Opt.Base != "":
		return r.OpenBase(ctx)
	case r.Opt.Image.Latest != nil:
		r.NoBase("an image of which tree, UUID and time make all bytes has none")
		return nil
	case !c.target.varies():
		r.NoBase("each run has the same name")
		return nil
	}
	dir, found, err := c.newest(ctx, store)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		r.NoBase("older bundles cannot be looked for: " + err.Error())
		return nil
	case !found:
		r.NoBase("there is no older bundle of this template, machine and SOURCE")
		return nil
	}
	r.Opt.Base = cli.BundleURL(store.In(dir).Location(), c.bundle.Prefix)
	return r.OpenBase(ctx)
}

// newest finds the directory of the bundle that was completed last, by the date of its
// manifest in S3, which is in seconds, and among those of one second by when its run
// began. Bundles of others, and such as cannot be read, are passed over.
func (c *options) newest(ctx context.Context, store *s3.Store) (dir string, found bool, err error) {
	dirs, err := c.matching(ctx, store)
	if err != nil {
		return "", false, err
	}
	type bundle struct {
		dir  string
		when time.Time
	}
	var there []bundle
	for _, dir := range dirs {
		if dir == c.bundle.Place.Dir {
			continue
		}
		o, err := store.In(dir).Head(ctx, chunk.ManifestName(c.bundle.Prefix))
		switch {
		case err == nil:
			there = append(there, bundle{dir, o.Modified})
		case !errors.Is(err, fs.ErrNotExist):
			return "", false, err
		}
	}
	slices.SortStableFunc(there, func(a, b bundle) int { return b.when.Compare(a.when) })
	var completed, began time.Time // of dir
	for _, b := range there {
		if found && b.when.Before(completed) {
			break
		}
		made, err := c.look(ctx, store.In(b.dir))
		switch {
		case ctx.Err() != nil:
			return "", false, err
		case err == nil && (!found || made.when.After(began)):
			dir, found, completed, began = b.dir, true, b.when, made.when
		}
	}
	return dir, found, nil
}
