package look

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
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
		Use:   "download [flags] s3://BUCKET/DIR | ebs:SNAPSHOT DEST",
		Short: "Fetch a bundle from S3 or EBS into a directory",
		Long: `Fetch the bundle at s3://BUCKET/DIR, or at s3://BUCKET/DIR/NAME.manifest.json, into
the directory DEST (made if missing). Each part is checked; the bundle appears only
when all of them are good. Parts that are all zero are not fetched, and take no
disk.

A snapshot, ebs:snap-…, becomes the bundle that purebundle has put in it; of a snapshot
that somebody else made, a bundle called image. Its DEST may be s3://BUCKET/DIR, too:
no disk is in between.`,
		Example: `  purebundle download s3://my-bucket/web-2026-11-22 /mnt/bundle
  purebundle download --profile backup s3://my-bucket/all/web.manifest.json /mnt/web
  purebundle download ebs:snap-0123456789abcdef0 /mnt/web`,
		Args: cli.ArgsBetween(2, 2, "s3://BUCKET/DIR or ebs:snap-…, and DEST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cmp.Or(cli.CheckPlace(cmd.Name(), args[0]), cli.CheckDest(cmd.Name(), args[1])); err != nil {
				return err
			}
			switch {
			case ebs.IsPlace(args[1]):
				return cli.WithHint(cli.Usagef("download %s: DEST is a directory", args[1]), "\"purebundle upload\" makes a snapshot of a bundle")
			case ebs.IsPlace(args[0]):
				if err := cli.CheckSnapshot(args[0]); err != nil {
					return err
				}
				if err := c.s3.Check(cmd, args...); err != nil {
					return err
				}
			case !s3.IsURL(args[0]):
				return cli.WithHint(cli.Usagef("download %s: no place in S3 or EBS", args[0]), "a bundle in S3 is written s3://BUCKET/DIR, or s3://BUCKET/DIR/NAME.manifest.json; a snapshot ebs:snap-…")
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
	rest := confine.Rest{}
	if !s3.IsURL(dest) {
		rest = confine.Under(dest)
	}
	a.Confine(c.s3.Remote(ctx, rest))
	b, err := OpenBundle(ctx, a, url, c.prefix, &c.s3)
	if ebs.IsPlace(url) && errors.Is(err, chunk.ErrNoBundle) {
		return adopt(ctx, a, url, dest, c)
	}
	if err != nil {
		return err
	}
	defer b.Close()
	show := moving(a, c.progress, b, progress.Downloading)
	defer show.Close()
	out, err := c.output(ctx, a, dest, b.Manifest().Prefix)
	if err == nil {
		err = create.Abort(out, chunk.Copy(ctx, b, out, chunk.CopyOptions{Done: show.made, Finish: func() { show.Begin(progress.Finishing) }}))
	}
	show.Close()
	if err != nil {
		return err
	}
	return c.fetched(a, url, dest, b.Manifest(), out.Stats(), began)
}

// output begins a bundle in DEST.
func (c *moveConfig) output(ctx context.Context, a *cli.App, dest, prefix string) (*chunk.Writer, error) {
	if !s3.IsURL(dest) {
		return chunk.Create(dest, chunk.Options{Prefix: prefix, Force: c.force, Trusted: c.trusted, Workers: c.s3.Concurrency})
	}
	loc, err := s3.ParseLocation(dest)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	store, err := c.s3.Open(ctx, a, loc)
	if err != nil {
		return nil, err
	}
	return store.Create(ctx, chunk.Options{Prefix: prefix, Force: c.force})
}

// fetched says what a download has made.
func (c *moveConfig) fetched(a *cli.App, from, dest string, m *chunk.Manifest, stats chunk.Stats, began time.Time) error {
	seconds := cli.Seconds(began)
	moved := Moved{Source: full(from), Dest: full(dest), Prefix: m.Prefix, ImageSize: m.Image.Size, Parts: stats.Parts, ZeroParts: stats.ZeroParts, Seconds: seconds}
	took, again := words.Size(stats.Bytes)+" on disk", ""
	if moved.DiskBytes = stats.Bytes; s3.IsURL(dest) {
		moved.DiskBytes, moved.SentBytes = 0, stats.Bytes
		took, again = words.Size(stats.Bytes)+" sent", c.s3.Again()
	}
	if c.json {
		return cli.PrintJSON(a.Stdout, moved)
	}
	if a.Quiet {
		return nil
	}
	return cli.PrintRows(a.Stdout, [][2]string{
		{"downloaded", fmt.Sprintf("%s of %s into %s, %s", words.Plural(int64(stats.Parts), "part"), m.Prefix, words.Printable(dest), took)},
		{"time", fmt.Sprintf("%s, %s", words.Seconds(seconds), words.Rate(float64(int64(stats.Parts-stats.ZeroParts)*chunk.Size)/max(seconds, 0.001)))},
		{"next", "purebundle verify --deep" + again + " " + words.Quote(dest)},
	})
}
