package ship

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/ec2tools"
	"purebundle/cmd/purebundle/words"
)

// shipped is a bundle of the template that is in S3.
type shipped struct {
	dir     string // of the bucket
	when    time.Time
	archive *ec2.Manifest // of a bundle in Amazon's format
	lost    losses        // of the other format, which alone says so
}

// drop deletes older bundles of the template until c.keep are left, and notes it
// in sum. The new bundle is there by then, and stays in any case. An older one that
// has something that the new one lacks may be the only one that does: it stays, too.
// In Amazon's format nobody knows what older ones lack, and all stay then.
func (c *options) drop(ctx context.Context, r *create.Run, store *s3.Store, sum *Summary) error {
	if c.keep == 0 {
		return nil
	}
	a := r.App
	if c.register && r.Lost() > 0 {
		a.ErrorLine(fmt.Sprintf("keep %d: no older bundle was deleted, since the new one lacks something", c.keep))
		return nil
	}
	lost := lossesOf(r.Manifest())
	wrong := func(err error) error {
		return &cli.LeftError{Err: err, Left: "the new bundle is complete; older ones may be more than --keep " + fmt.Sprint(c.keep)}
	}
	older, err := c.older(ctx, a, store, sum)
	if err != nil {
		return wrong(err)
	}
	sum.Kept = len(older) + 1
	stay, such := 0, ""
	for _, b := range older[min(c.keep-1, len(older)):] {
		if name := lost.beyond(b.lost); name != "" {
			stay, such = stay+1, name
			continue
		}
		if err := c.remove(ctx, store.In(b.dir), b); err != nil {
			return wrong(err)
		}
		sum.Kept--
		sum.Deleted = append(sum.Deleted, store.In(b.dir).Location().String())
	}
	if stay > 0 {
		a.ErrorLine(fmt.Sprintf("keep %d: %s not deleted, since the new one lacks what may be there, such as %s", c.keep,
			words.Plural(int64(stay), "older bundle was", "older bundles were"), such))
	}
	return nil
}

func (c *options) remove(ctx context.Context, store *s3.Store, b shipped) error {
	if b.archive != nil {
		return ec2tools.Remove(ctx, store, c.bundle.Prefix, b.archive)
	}
	return store.Delete(ctx, c.bundle.Prefix)
}

// older lists what other runs of this machine made of the template and SOURCE, the
// newest first, without the bundle of this run. What cannot be read is left alone, and
// said; what is of others is noted in sum.
func (c *options) older(ctx context.Context, a *cli.App, store *s3.Store, sum *Summary) ([]shipped, error) {
	dirs, err := c.matching(ctx, store)
	if err != nil {
		return nil, err
	}
	var found []shipped
	for _, dir := range dirs {
		if dir == c.bundle.Place.Dir {
			continue
		}
		b, err := c.look(ctx, store.In(dir))
		where := store.In(dir).Location().String()
		var other stranger
		switch {
		case errors.Is(err, chunk.ErrNoBundle), errors.Is(err, fs.ErrNotExist):
			if err := c.incomplete(ctx, a, store.In(dir)); err != nil {
				return nil, err
			}
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.As(err, &other):
			sum.LeftAlone = append(sum.LeftAlone, where)
			if a.Verbose {
				a.Say(fmt.Sprintf("keep %s: left alone: it %v", where, other))
			}
		case err != nil:
			sum.LeftAlone = append(sum.LeftAlone, where)
			a.ErrorLine(fmt.Sprintf("keep %s: left alone, since it cannot be read: %v", where, err))
		default:
			if b.when.After(time.Now().Add(maxSkew)) {
				a.ErrorLine(fmt.Sprintf("keep %s: is dated %s, in the future: until then it counts as the newest", where, b.when.Format(time.DateOnly)))
			}
			b.dir = dir
			found = append(found, b)
		}
	}
	slices.SortStableFunc(found, func(x, y shipped) int {
		if by := y.when.Compare(x.when); by != 0 {
			return by
		}
		return strings.Compare(y.dir, x.dir)
	})
	return found, nil
}

// incomplete tells of parts that a killed run has made, which cost as much as others. They are not deleted: another run may be at work there.
func (c *options) incomplete(ctx context.Context, a *cli.App, store *s3.Store) error {
	objects, err := store.List(ctx)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.Name == chunk.ManifestName(c.bundle.Prefix) || o.Name == ec2.ManifestName(c.bundle.Prefix) {
			return nil // a whole one of the other format, or one that is complete by now
		}
	}
	for _, o := range objects {
		if strings.HasPrefix(o.Name, c.bundle.Prefix+".part.") {
			where := store.Location().String()
			remove := "purebundle delete --parts -p " + c.bundle.Prefix + c.bundle.S3.Again()
			a.ErrorLine(fmt.Sprintf("keep %s: an incomplete bundle, left alone; %s %s removes it", where, remove, words.Quote(where)))
			return nil
		}
	}
	return nil
}

// maxSkew is how far the clocks of machines may differ.
const maxSkew = time.Hour

// stranger says why a bundle that the template matches is none of this machine and
// SOURCE.
type stranger string

func (s stranger) Error() string { return string(s) }

// look reads the date of the bundle of a directory: that in its manifest, or of
// Amazon's format, which has none, that of its manifest in S3.
func (c *options) look(ctx context.Context, store *s3.Store) (b shipped, err error) {
	if !c.register {
		raw, err := store.Load(ctx, c.bundle.Prefix)
		if err != nil {
			return b, err
		}
		defer raw.Close()
		if why := create.MakerOf(c.bundle.Source).Stranger(raw.Manifest()); why != "" {
			return b, stranger(why)
		}
		b.when, b.lost = raw.Manifest().Created, lossesOf(raw.Manifest())
		return b, nil
	}
	o, err := store.Head(ctx, ec2.ManifestName(c.bundle.Prefix))
	if err != nil {
		return b, err
	}
	b.when = o.Modified
	archive, err := ec2tools.OpenRemote(ctx, store, c.bundle.Prefix)
	if err == nil {
		b.archive = archive.Manifest()
	}
	return b, err
}

// matching lists the directories that the template matches, walking down only
// where a name of it varies.
func (c *options) matching(ctx context.Context, store *s3.Store) ([]string, error) {
	dirs := []string{""}
	for _, segment := range c.target.segments() {
		if !segment.varies() {
			name := segment.expand(c.values)
			for i := range dirs {
				dirs[i] = path.Join(dirs[i], name)
			}
			continue
		}
		like := segment.like(c.values)
		var next []string
		for _, dir := range dirs {
			names, err := store.In(dir).Dirs(ctx)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				if like.MatchString(name) {
					next = append(next, path.Join(dir, name))
				}
			}
		}
		dirs = next
	}
	return dirs, nil
}
