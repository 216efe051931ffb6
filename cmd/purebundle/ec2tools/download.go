package ec2tools

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// downloadOptions holds what the options of "ec2 download-bundle" say.
type downloadOptions struct {
	S3Options
	manifest, prefix, dir string
	trusted               bool
}

func newDownload(a *cli.App) *cobra.Command {
	c := &downloadOptions{S3Options: S3Options{progress: progress.Auto}}
	cmd := &cobra.Command{
		Use:   "download-bundle [flags]",
		Short: "Fetch a bundle from S3 (ec2-download-bundle)",
		Long: `Fetch a bundle of Amazon's format from S3 into the directory --directory. Size and
digest of each part are checked; the bundle appears only when all of them are right.`,
		Example: `  purebundle ec2 download-bundle -b my-bucket/images -p image -d /mnt/bundle
  purebundle ec2 download-bundle -b my-bucket/images -m web.manifest.xml -d .`,
		Args: noArguments,
		RunE: unlessSwitch(a, func(cmd *cobra.Command) error {
			return downloadBundle(cmd.Context(), a, c)
		}),
	}
	cli.Group(cmd, "The bundle", func(f *pflag.FlagSet) {
		f.StringVarP(&c.manifest, "manifest", "m", "", "`NAME.manifest.xml` in the bucket")
		f.StringVarP(&c.prefix, "prefix", "p", "", "`NAME` of the bundle, in the place of --manifest (default image)")
		cli.DirVarP(f, &c.dir, "directory", "d", ".", "`DIR` for the bundle (made if missing)")
		cli.TrustFlag(f, &c.trusted)
		f.BoolVar(&c.Force, "force", false, "replace a bundle of that name, once the new one is complete")
		f.StringP("privatekey", "k", "", "no effect: `FILE` of a key, which manifests needed before version 3")
	})
	c.flags(a, cmd, c.s3.ReadFlags)
	return cmd
}

// prefixOf returns the name of a bundle, cut from that of its manifest or given itself.
func prefixOf(manifest, prefix string) (string, error) {
	if manifest != "" {
		name, ok := strings.CutSuffix(filepath.Base(manifest), ec2.ManifestName(""))
		if !ok {
			return "", cli.WithHint(cli.Usagef("--manifest %s: is no manifest of Amazon's format", manifest), "its name is NAME.manifest.xml")
		}
		if prefix != "" && prefix != name {
			return "", cli.Usagef("--manifest %s and --prefix %s: not the same bundle", manifest, prefix)
		}
		prefix = name
	}
	if err := ec2.CheckPrefix(prefix); err != nil {
		return "", &cli.UsageError{Err: err}
	}
	return prefix, nil
}

func downloadBundle(ctx context.Context, a *cli.App, c *downloadOptions) error {
	if c.manifest == "" && c.prefix == "" {
		c.prefix = "image"
	}
	prefix, err := prefixOf(c.manifest, c.prefix)
	if err != nil {
		return err
	}
	store, err := c.open(ctx, a, "download-bundle", confine.Under(c.dir))
	if err != nil {
		return err
	}
	began := time.Now()
	b, err := OpenRemote(ctx, store, prefix)
	if err != nil {
		return err
	}
	m := b.Manifest()
	show, made := c.startParts(a, m, progress.Downloading)
	defer show.Close()
	_, err = b.Copy(ctx, chunk.Directory{Path: c.dir, Trusted: c.trusted}, ec2.CopyOptions{Force: c.Force, Workers: c.s3.Concurrency, Done: made})
	err = damagedPart(err)
	show.Close()
	if err != nil || a.Quiet {
		return err
	}
	seconds := time.Since(began).Seconds()
	manifest := filepath.Join(c.dir, ec2.ManifestName(prefix))
	return cli.PrintRows(a.Stdout, [][2]string{
		{"downloaded", fmt.Sprintf("%s, %s", words.Plural(int64(len(m.Parts)), "part"), words.Size(m.BundledSize))},
		{"manifest", words.Printable(manifest)},
		{"time", fmt.Sprintf("%s, %s", words.Seconds(seconds), words.Rate(float64(m.BundledSize)/max(seconds, 0.001)))},
		{"next", "purebundle ec2 unbundle -m " + words.Quote(manifest) + " -k KEY -c CERT -d ."},
	})
}
