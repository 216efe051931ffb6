package look

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

func NewDownload(a *cli.App) *cobra.Command {
	c := new(moveConfig)
	cmd := &cobra.Command{
		Use:   "download [flags] s3://BUCKET/DIR DEST",
		Short: "Fetch a bundle from S3 into a directory",
		Long: `Fetch the bundle at s3://BUCKET/DIR, or at s3://BUCKET/DIR/NAME.manifest.json, into
the directory DEST (made if missing). Each part is checked; the bundle appears only
when all of them are good. Parts that are all zero are not fetched, and take no
disk.`,
		Example: `  purebundle download s3://my-bucket/web-2026-11-22 /mnt/bundle
  purebundle download --profile backup s3://my-bucket/all/web.manifest.json /mnt/web`,
		Args: cli.ArgsBetween(2, 2, "s3://BUCKET/DIR and DEST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cmp.Or(cli.CheckPlace(cmd.Name(), args[0]), cli.CheckDest(cmd.Name(), args[1])); err != nil {
				return err
			}
			switch {
			case !s3.IsURL(args[0]):
				return cli.WithHint(cli.Usagef("download %s: no place in S3", args[0]), "a bundle in S3 is written s3://BUCKET/DIR, or s3://BUCKET/DIR/NAME.manifest.json")
			case s3.IsURL(args[1]):
				return cli.WithHint(cli.Usagef("download %s: DEST is a directory", args[1]), "\"purebundle upload\" copies a bundle to S3")
			}
			if err := c.s3.Valid(cmd.Name()); err != nil {
				return err
			}
			return download(cmd.Context(), a, args[0], args[1], c)
		},
		ValidArgsFunction: completeBundles(a, &c.s3),
	}
	c.flags(cmd, "replace a bundle of that name in DEST, once the new one is complete")
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) { cli.TrustFlag(f, &c.trusted) })
	c.s3.ReadFlags(cmd)
	return cmd
}

func download(ctx context.Context, a *cli.App, url, dest string, c *moveConfig) error {
	began := time.Now()
	a.Confine(c.s3.Remote(ctx, confine.Under(dest)))
	b, err := OpenBundle(ctx, a, url, c.prefix, &c.s3)
	if err != nil {
		return err
	}
	defer b.Close()
	show := moving(a, c.progress, b, progress.Downloading)
	defer show.Close()
	stats, err := fetch(ctx, b, dest, c, show)
	show.Close()
	if err != nil {
		return err
	}
	m := b.Manifest()
	seconds := cli.Seconds(began)
	if c.json {
		return cli.PrintJSON(a.Stdout, Moved{Source: full(url), Dest: full(dest), Prefix: m.Prefix, ImageSize: b.Size(), Parts: stats.Parts,
			ZeroParts: stats.ZeroParts, DiskBytes: stats.Bytes, Seconds: seconds})
	}
	if a.Quiet {
		return nil
	}
	return cli.PrintRows(a.Stdout, [][2]string{
		{"downloaded", fmt.Sprintf("%s of %s into %s, %s on disk", words.Plural(int64(stats.Parts), "part"), m.Prefix, words.Printable(dest), words.Size(stats.Bytes))},
		{"time", fmt.Sprintf("%s, %s", words.Seconds(seconds), words.Rate(float64(int64(stats.Parts-stats.ZeroParts)*chunk.Size)/max(seconds, 0.001)))},
		{"next", "purebundle verify --deep " + words.Quote(dest)},
	})
}

// fetch makes in dest what b is.
func fetch(ctx context.Context, b *chunk.Bundle, dest string, c *moveConfig, show partsShown) (made chunk.Stats, err error) {
	out, err := chunk.Create(dest, chunk.Options{Prefix: b.Manifest().Prefix, Force: c.force, Trusted: c.trusted, Workers: c.s3.Concurrency})
	if err != nil {
		return made, err
	}
	err = chunk.Copy(ctx, b, out, chunk.CopyOptions{Done: show.made, Finish: func() { show.Begin(progress.Finishing) }})
	return out.Stats(), create.Abort(out, err)
}
