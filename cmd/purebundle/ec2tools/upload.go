package ec2tools

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// UploadOptions holds what the options of "ec2 upload-bundle" say.
type UploadOptions struct {
	S3Options
	manifest, dir string
	part          int
	skipManifest  bool
	location      string
}

// decimal is the value of a flag: a number that may begin with zeros, as those in names
// of parts do.
type decimal int

func (d *decimal) Type() string   { return "N" }
func (d *decimal) String() string { return strconv.Itoa(int(*d)) }

func (d *decimal) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return errors.New("not a number")
	}
	*d = decimal(n)
	return nil
}

func newUpload(a *cli.App) *cobra.Command {
	c := &UploadOptions{S3Options: S3Options{progress: progress.Auto}}
	cmd := &cobra.Command{
		Use:   "upload-bundle [flags]",
		Short: "Copy a bundle to S3 (ec2-upload-bundle)",
		Long: `Copy a bundle of Amazon's format to S3: the parts, each checked against the
manifest, then the manifest. The bucket is made if it is missing. The ACL is
aws-exec-read unless --acl says another, so that EC2 can read the bundle.`,
		Example: `  purebundle ec2 upload-bundle -b my-bucket/images -m /mnt/bundle/image.manifest.xml
  purebundle ec2 upload-bundle -b my-bucket/images -m image.manifest.xml -d parts --part 17`,
		Args: noArguments,
		RunE: unlessSwitch(a, func(cmd *cobra.Command) error {
			return uploadBundle(cmd.Context(), a, c)
		}),
	}
	cli.Group(cmd, "The bundle", func(f *pflag.FlagSet) {
		f.StringVarP(&c.manifest, "manifest", "m", "", "manifest `FILE`, NAME.manifest.xml")
		cli.DirVarP(f, &c.dir, "directory", "d", "", "`DIR` with the parts (default: that of the manifest)")
		f.Var((*decimal)(&c.part), "part", "begin with part `N`: those before are there already")
		f.BoolVar(&c.skipManifest, "skipmanifest", false, "do not upload the manifest")
		f.BoolVar(&c.Force, "force", false, "replace a bundle of that name")
	})
	c.flags(a, cmd, func(cmd *cobra.Command) {
		cli.Group(cmd, "The bucket", func(f *pflag.FlagSet) {
			f.StringVar(&c.location, "location", "", "`REGION` of a bucket that is made: EU, US or a region's name (default: --region)")
		})
		c.s3.WriteFlags(cmd)
	})
	return cmd
}

func uploadBundle(ctx context.Context, a *cli.App, c *UploadOptions) error {
	if c.manifest == "" {
		return cli.WithHint(cli.Usagef("--manifest (-m) is needed"), "give the manifest of the bundle, NAME.manifest.xml")
	}
	if c.s3.ACL == "" {
		c.s3.ACL = "aws-exec-read"
	}
	if err := c.setLocation(); err != nil {
		return err
	}
	began := time.Now()
	local, err := openLocal(c.manifest, c.dir)
	if err != nil {
		return err
	}
	defer local.Close()
	m, prefix := local.Manifest(), local.Prefix()
	if c.part < 0 || c.part >= len(m.Parts) {
		return cli.WithHint(cli.Usagef("--part %d: the parts are 0 to %d", c.part, len(m.Parts)-1), "without --part all of them are sent")
	}
	store, err := c.open(ctx, a, "upload-bundle", confine.Rest{})
	if err != nil {
		return err
	}
	if err := c.bucketFor(ctx, store, local); err != nil {
		return err
	}
	show, made := c.startParts(a, m, progress.Uploading)
	defer show.Close()
	var skipped int64
	for i := range c.part {
		skipped += m.PartSize(i)
		made(int(m.PartSize(i)))
	}
	upTo, err := local.Copy(ctx, store, ec2.CopyOptions{Force: c.Force, Workers: c.s3.Concurrency, Resume: true, First: c.part, NoText: c.skipManifest, Done: made})
	err = damagedPart(err)
	show.Close()
	if err != nil && upTo > 0 {
		return &cli.LeftError{Err: err, Left: fmt.Sprintf("the parts before %d are in S3: --part %d goes on from there", upTo, min(upTo, len(m.Parts)-1))}
	}
	if err != nil || a.Quiet {
		return err
	}
	seconds, bytes := time.Since(began).Seconds(), m.BundledSize-skipped
	url := store.Location().Path(ec2.ManifestName(prefix))
	rows := [][2]string{
		{"uploaded", fmt.Sprintf("%s, %s", words.Plural(int64(len(m.Parts)-c.part), "part"), words.Size(bytes))},
		{"manifest", words.Printable(url)},
		{"time", fmt.Sprintf("%s, %s", words.Seconds(seconds), words.Rate(float64(bytes)/max(seconds, 0.001)))},
	}
	if c.skipManifest {
		rows[1][1] = "not uploaded (--skipmanifest)"
	} else {
		rows = append(rows, [2]string{"next", "purebundle register" + c.s3.Again() + " -p " + words.Quote(prefix) + " --name NAME " + words.Quote(store.Location().String())})
	}
	return cli.PrintRows(a.Stdout, rows)
}

// setLocation makes of the old names of places the region that is asked. Where
// --region says another, the bucket's is what counts.
func (c *UploadOptions) setLocation() error {
	region := map[string]string{"": "", "EU": "eu-west-1", "US": "us-east-1"}
	r, old := region[c.location]
	if !old {
		r = c.location
	}
	switch {
	case r == "":
	case c.s3.Region == "":
		c.s3.Region = r
	case c.s3.Region != r:
		return cli.WithHint(cli.Usagef("--location %s and --region %s: not the same", c.location, c.s3.Region), "give the region of the bucket as --region")
	}
	return nil
}

// bucketFor makes the bucket if it is missing, and refuses to touch a bundle that
// may not be replaced, or parts of another one.
func (c *UploadOptions) bucketFor(ctx context.Context, store *s3.Store, local *ec2.Bundle) error {
	have, err := store.List(ctx)
	if awsapi.HasCode(err, "NoSuchBucket") {
		return store.MakeBucket(ctx)
	}
	if err == nil {
		err = ownParts(store, local, have)
	}
	if err == nil {
		err = NotThere(store, local.Prefix(), have, c.Force)
	}
	return err
}

// NotThere refuses to touch a bundle that may not be replaced.
func NotThere(store *s3.Store, prefix string, have []s3.Object, force bool) error {
	for _, o := range have {
		switch {
		case o.Name == chunk.ManifestName(prefix):
			return cli.WithHint(fmt.Errorf("upload %s: is a raw bundle of that name, whose parts would be mixed up with the new ones", cli.BundleURL(store.Location(), prefix)),
				"choose another directory of the bucket")
		case o.Name == ec2.ManifestName(prefix) && !force:
			return cli.WithHint(&chunk.Error{Op: "upload", Path: store.Location().Path(o.Name), Err: chunk.ErrExists}, "--force replaces it; its manifest goes first")
		}
	}
	return nil
}

// openLocal opens a bundle on disk.
func openLocal(path, dir string) (*ec2.Bundle, error) {
	if prefix, ok := strings.CutSuffix(filepath.Base(path), ec2.ManifestName("")); !ok || prefix == "" {
		return nil, cli.WithHint(cli.Usagef("%s: is no manifest of Amazon's format", path), "its name is NAME.manifest.xml; \"purebundle upload\" is for raw bundles")
	}
	return ec2.Load(path, dir)
}

// ownParts refuses parts whose names are those of another bundle in S3, as if the
// file of the manifest was renamed: they would take the place of that one's.
func ownParts(store *s3.Store, b *ec2.Bundle, have []s3.Object) error {
	others := map[string]bool{} // names of manifests
	for _, p := range b.Manifest().Parts {
		if prefix, _, ok := cli.CutLast(p.Name, ".part."); ok && prefix != b.Prefix() {
			others[ec2.ManifestName(prefix)], others[chunk.ManifestName(prefix)] = true, true
		}
	}
	for _, o := range have {
		if others[o.Name] {
			return cli.WithHint(&chunk.Error{Op: "upload", Path: store.Location().Path(o.Name), Err: chunk.ErrExists},
				"%s.manifest.xml names parts of that bundle: choose another directory of the bucket", b.Prefix())
		}
	}
	return nil
}
