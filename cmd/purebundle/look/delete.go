package look

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/words"
)

func NewDelete(a *cli.App) *cobra.Command {
	c := &readConfig{}
	var yes, parts bool
	cmd := &cobra.Command{
		Use:   "delete [flags] s3://BUCKET/DIR",
		Short: "Remove a bundle from S3",
		Long: `Remove the bundle at s3://BUCKET/DIR, or at s3://BUCKET/DIR/NAME.manifest.json: its
manifest first, then its digests and parts. Nothing else is removed. It asks before
it does so; where there is no terminal to ask at, --yes is needed.

With -p, what a broken upload of that bundle has left goes as well. --parts removes
what is there of a bundle without a manifest, in Amazon's format as well, and never
one that has a manifest. It may be one that is being made: no one can tell.`,
		Example: `  purebundle delete s3://my-bucket/web-2026-11-22
  purebundle delete --yes -p web s3://my-bucket/all
  purebundle delete --parts s3://my-bucket/images      # an upload that was broken off`,
		Args:              cli.ArgsBetween(1, 1, "s3://BUCKET/DIR"),
		ValidArgsFunction: completeBundles(a, &c.s3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cli.CheckPlace(cmd.Name(), args[0]); err != nil {
				return err
			}
			if !s3.IsURL(args[0]) {
				return cli.WithHint(cli.Usagef("delete %s: no place in S3", args[0]), "a bundle in S3 is written s3://BUCKET/DIR; one in a directory is removed by rm")
			}
			if err := c.s3.Valid(cmd.Name()); err != nil {
				return err
			}
			if !yes && !cli.IsTerminal(a.Stdin) {
				return cli.WithHint(cli.Usagef("delete %s: there is no terminal to ask at", args[0]), "--yes deletes without asking")
			}
			if parts {
				return deleteParts(cmd.Context(), a, args[0], c, yes)
			}
			return deleteBundle(cmd.Context(), a, args[0], c, yes)
		},
	}
	cli.Group(cmd, "What to do", func(f *pflag.FlagSet) {
		f.StringVarP(&c.prefix, "prefix", "p", "", "the bundle `NAME` of those in the directory")
		f.BoolVar(&parts, "parts", false, "remove parts that have no manifest")
		f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	})
	c.s3.ReadFlags(cmd)
	return cmd
}

func deleteBundle(ctx context.Context, a *cli.App, url string, c *readConfig, yes bool) error {
	a.Confine(c.s3.Remote(ctx, confine.Rest{}))
	store, prefix, err := inS3(ctx, a, url, c.prefix, &c.s3)
	if err != nil {
		return err
	}
	b, err := load(ctx, store, prefix)
	what := ""
	switch {
	case err == nil:
		m := b.Manifest()
		prefix = m.Prefix
		what = fmt.Sprintf("%s, %s, made %s on %s", words.Plural(int64(len(m.Parts)), "part"), words.Size(b.Size()), m.Created.Format("2006-01-02 15:04"), m.Host)
		_ = b.Close() // only read from
	case prefix == "" || ctx.Err() != nil || !errors.Is(err, chunk.ErrNoBundle) && !errors.Is(err, chunk.ErrDamaged):
		return err
	default: // what is left of one
		what = "no whole bundle"
	}
	name := cli.BundleURL(store.Location(), prefix)
	if !yes {
		if err := a.Confirm(ctx, name, what); err != nil {
			return err
		}
	}
	switch err := store.Delete(ctx, prefix); {
	case errors.Is(err, chunk.ErrNoBundle):
		return err
	case err != nil:
		return &cli.LeftError{Err: err, Left: "some of it may be left: delete it again with -p " + prefix}
	}
	if a.Quiet {
		return nil
	}
	_, err = fmt.Fprintf(a.Stdout, "deleted: %s (%s)\n", words.Printable(name), words.Printable(what))
	return err
}

// deleteParts removes what is there of one bundle that has no manifest.
func deleteParts(ctx context.Context, a *cli.App, url string, c *readConfig, yes bool) error {
	a.Confine(c.s3.Remote(ctx, confine.Rest{}))
	store, prefix, err := inS3(ctx, a, url, c.prefix, &c.s3)
	if err != nil {
		return err
	}
	rest, err := store.Remains(ctx, prefix)
	where := store.Location().String()
	switch {
	case err != nil:
		return err
	case len(rest) == 0:
		return cli.WithHint(fmt.Errorf("delete %s: no parts that have no manifest", where), "a bundle that has one is deleted without --parts")
	case len(rest) > 1:
		var names []string
		for _, r := range rest {
			names = append(names, r.Prefix)
		}
		return cli.WithHint(fmt.Errorf("delete %s: has parts of %d bundles that have no manifest: %s", where, len(rest), strings.Join(names, ", ")), "-p says which ones go")
	}
	name := store.Location().Path(rest[0].Prefix + ".part.*")
	what := fmt.Sprintf("%s, %s, no manifest", words.Plural(int64(len(rest[0].Names)), "object"), words.Size(rest[0].Bytes))
	if !yes {
		if err := a.Confirm(ctx, name, what); err != nil {
			return err
		}
	}
	if err := store.Remove(ctx, rest[0].Names); err != nil || a.Quiet {
		return err
	}
	_, err = fmt.Fprintf(a.Stdout, "deleted: %s (%s)\n", words.Printable(name), what)
	return err
}
