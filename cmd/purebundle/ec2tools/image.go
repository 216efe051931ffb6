package ec2tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// imageOptions holds what the options of "ec2 bundle-image" say.
type imageOptions struct {
	Options
	image   string
	consume bool
}

func newBundleImage(a *cli.App) *cobra.Command {
	c := &imageOptions{Options: Options{progress: progress.Auto}}
	cmd := &cobra.Command{
		Use:   "bundle-image [flags]",
		Short: "Bundle an image, or a raw bundle, in Amazon's format (ec2-bundle-image)",
		Long: `Bundle an image file in Amazon's format, in the directory --destination (made if
missing). --image may also be a bundle that "purebundle bundle" made (its
directory or its manifest): its digests are checked, and it need not be joined.

With --consume, the parts of that bundle are removed as they are read, so that
the disk need not hold both. If the run fails then, neither is whole.`,
		Example: `  purebundle ec2 bundle-image -i root.img -k pk.pem -c cert.pem -u 123456789012 -d out
  purebundle ec2 bundle-image -i /mnt/bundle -k pk.pem -c cert.pem -u 123456789012 -d /mnt/ec2`,
		Args: noArguments,
		RunE: unlessSwitch(a, func(cmd *cobra.Command) error {
			return bundleImage(cmd.Context(), a, c)
		}),
	}
	cli.Group(cmd, "What goes in", func(f *pflag.FlagSet) {
		f.StringVarP(&c.image, "image", "i", "", "image `FILE`, or a raw bundle")
		f.BoolVar(&c.consume, "consume", false, "remove the parts of a raw bundle as they are read")
	})
	cli.Group(cmd, "For whom", c.oldIdentityFlags)
	cli.Group(cmd, "The machine", c.machineFlags)
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) {
		f.StringVarP(&c.Prefix, "prefix", "p", "", "`NAME` of the image and its parts (default: that of the image)")
		c.outputFlags(f)
		f.Bool("no-size-checks", false, "no effect: images of any size are taken")
		ownVerbose(a, f)
		oldSwitches(f)
	})
	return cmd
}

// bundleImage bundles an image that is there.
func bundleImage(ctx context.Context, a *cli.App, c *imageOptions) (err error) {
	if c.image == "" {
		return cli.WithHint(cli.Usagef("--image (-i) is needed"), "give the image file, or a bundle of \"purebundle bundle\"")
	}
	keys, err := c.Keys(a)
	if err != nil {
		return err
	}
	m, err := c.Manifest(a.Version)
	if err != nil {
		return err
	}
	img, err := openImage(c.image)
	if err != nil {
		return err
	}
	defer img.close()
	if c.consume && img.raw == nil {
		return cli.WithHint(cli.Usagef("--consume: %s is an image file", c.image), "only the parts of a raw bundle can be removed one by one")
	}
	if c.Prefix == "" {
		c.Prefix = img.name
	}
	if err := c.place(); err != nil {
		return err
	}
	out, err := ec2.Create(c.dest, ec2.Options{Prefix: c.Prefix, Force: c.force, Trusted: c.trusted, Level: c.level, Time: time.Now()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Abort()) }()
	began := time.Now()
	show := a.Show(c.progress)
	defer show.Close()
	src, err := img.source(ctx, c.consume, show)
	if err != nil {
		return err
	}
	if err := out.Write(ctx, src, readBytes(show, src.Bytes())); err != nil {
		return err
	}
	count, bytes := out.Parts()
	if err := out.Commit(ctx, m, keys); err != nil {
		return err
	}
	show.Close()
	if a.Quiet {
		return nil
	}
	manifest := filepath.Join(c.dest, ec2.ManifestName(c.Prefix))
	return cli.PrintRows(a.Stdout, [][2]string{
		{"bundled", fmt.Sprintf("%s, %s, %s of it not zero", words.Printable(c.image), words.Size(src.Size), words.Size(src.Bytes()))},
		{"parts", fmt.Sprintf("%s, %s, in %s", words.Count(int64(count)), words.Size(bytes), words.Printable(c.dest))},
		{"manifest", words.Printable(manifest)},
		{"time", words.Seconds(time.Since(began).Seconds())},
		{"next", "purebundle ec2 verify -m " + words.Quote(manifest) + " -c " + words.Quote(c.cert)},
	})
}

// imageFile reads an image file or a raw bundle.
type imageFile struct {
	name string
	file *os.File
	size int64 // of file, bytes
	raw  *chunk.Bundle
}

func openImage(path string) (*imageFile, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("bundle-image %s: %w", path, errors.Unwrap(err))
	}
	if st.IsDir() || strings.HasSuffix(path, chunk.ManifestName("")) {
		raw, err := chunk.Load(path, "")
		if err != nil {
			return nil, err
		}
		return &imageFile{name: raw.Manifest().Prefix, raw: raw}, nil
	}
	if !st.Mode().IsRegular() {
		return nil, cli.WithHint(fmt.Errorf("bundle-image %s: is no regular file", path), "copy a device to a file first: dd if=%s of=image bs=1M conv=sparse", words.Quote(path))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("bundle-image %s: %w", path, errors.Unwrap(err))
	}
	return &imageFile{name: filepath.Base(path), file: f, size: st.Size()}, nil
}

func (i *imageFile) close() {
	if i.raw != nil {
		_ = i.raw.Close() // only read from
		return
	}
	_ = i.file.Close()
}

// source reads the image once, to know what is zero and whether it is whole.
func (i *imageFile) source(ctx context.Context, consume bool, show *progress.UI) (ec2.Source, error) {
	if i.raw != nil {
		what := ec2.Keep
		if consume {
			what = ec2.Remove
		}
		return ec2.Raw(ctx, i.raw, what, readBytes(show, i.raw.Size()))
	}
	src := ec2.Source{Image: i.file, Size: i.size}
	within, err := ec2.FileData(i.file, i.size)
	if err != nil {
		return src, err
	}
	src.Data = within
	src.Data, err = ec2.Scan(ctx, i.file, i.size, within, readBytes(show, src.Bytes()))
	return src, err
}
