package ec2tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
	"purebundle/chunk/work"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// UploadOptions is what the options of "ec2 upload-bundle" say.
type UploadOptions struct {
	S3Options
	manifest, dir string
	part          int
	skipManifest  bool
	location      string
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
		RunE: func(cmd *cobra.Command, _ []string) error {
			if done, err := oldSwitch(a, cmd); done {
				return err
			}
			return uploadBundle(cmd.Context(), a, c)
		},
	}
	cli.Group(cmd, "The bundle", func(f *pflag.FlagSet) {
		f.StringVarP(&c.manifest, "manifest", "m", "", "manifest `FILE`, NAME.manifest.xml")
		f.StringVarP(&c.dir, "directory", "d", "", "`DIR` with the parts (default: that of the manifest)")
		f.IntVar(&c.part, "part", 0, "begin with part `N`: those before are there already")
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
	local, err := OpenLocal(c.manifest, c.dir)
	if err != nil {
		return err
	}
	if c.part < 0 || c.part >= len(local.Manifest.Parts) {
		return cli.Usagef("--part %d: the parts are 0 to %d", c.part, len(local.Manifest.Parts)-1)
	}
	store, err := c.open(ctx, a, "upload-bundle")
	if err != nil {
		return err
	}
	if err := local.ownParts(ctx, store); err != nil {
		return err
	}
	if err := c.bucketFor(ctx, store, local.Prefix); err != nil {
		return err
	}
	show, made := c.startParts(a, local.Manifest, progress.Uploading)
	defer show.Close()
	var skipped int64
	for i := range c.part {
		skipped += PartSize(local.Manifest, i)
		made(int(PartSize(local.Manifest, i)))
	}
	upTo, err := local.PutParts(ctx, store, c.part, c.s3.Concurrency, made)
	if err == nil && !c.skipManifest {
		err = store.Put(ctx, ec2.ManifestName(local.Prefix), local.Text)
	}
	if err == nil && !c.skipManifest && c.Force {
		if serr := local.RemoveSurplus(ctx, store); serr != nil {
			show.Close()
			return fmt.Errorf("the bundle is complete, but parts of the older one are left: %w", serr)
		}
	}
	show.Close()
	if err != nil && upTo > 0 {
		return &cli.LeftError{Err: err, Left: fmt.Sprintf("the parts before %d are in S3: --part %d goes on from there", upTo, min(upTo, len(local.Manifest.Parts)-1))}
	}
	if err != nil || a.Quiet {
		return err
	}
	seconds, bytes := time.Since(began).Seconds(), local.Manifest.BundledSize-skipped
	url := ObjectURL(store.Location(), ec2.ManifestName(local.Prefix))
	rows := [][2]string{
		{"uploaded", fmt.Sprintf("%s, %s", words.Plural(int64(len(local.Manifest.Parts)-c.part), "part"), words.Size(bytes))},
		{"manifest", words.Printable(url)},
		{"time", fmt.Sprintf("%s, %s", words.Seconds(seconds), words.Rate(float64(bytes)/max(seconds, 0.001)))},
	}
	if c.skipManifest {
		rows[1][1] = "not uploaded (--skipmanifest)"
	} else {
		rows = append(rows, [2]string{"next", "purebundle register" + c.s3.Again() + " -p " + words.Quote(local.Prefix) + " --name NAME " + words.Quote(store.Location().String())})
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

// bucketFor makes the bucket if it is missing, and sees to it that no manifest
// stands beside parts that it does not describe.
func (c *UploadOptions) bucketFor(ctx context.Context, store *s3.Store, prefix string) error {
	err := c.MakeRoom(ctx, store, prefix)
	if awsapi.HasCode(err, "NoSuchBucket") {
		return store.MakeBucket(ctx)
	}
	return err
}

// MakeRoom removes the manifest of a bundle that is to be replaced.
func (c *UploadOptions) MakeRoom(ctx context.Context, store *s3.Store, prefix string) error {
	if err := c.NotThere(ctx, store, prefix); err != nil || !c.Force {
		return err
	}
	return store.Remove(ctx, []string{ec2.ManifestName(prefix)})
}

// NotThere refuses to touch a bundle that may not be replaced.
func (c *UploadOptions) NotThere(ctx context.Context, store *s3.Store, prefix string) error {
	have, err := store.List(ctx)
	if err != nil {
		return err
	}
	for _, o := range have {
		switch {
		case o.Name == chunk.ManifestName(prefix):
			return cli.WithHint(fmt.Errorf("upload %s: is a raw bundle of that name, whose parts would be mixed up with the new ones", cli.BundleURL(store.Location(), prefix)),
				"choose another directory of the bucket")
		case o.Name == ec2.ManifestName(prefix) && !c.Force:
			return cli.WithHint(&chunk.Error{Op: "upload", Path: ObjectURL(store.Location(), o.Name), Err: chunk.ErrExists}, "--force replaces it; its manifest goes first")
		}
	}
	return nil
}

// Local is a bundle of Amazon's format on disk, to be uploaded.
type Local struct {
	Prefix   string // of the manifest's file, and of the parts
	dir      string
	Manifest *ec2.Manifest
	Text     []byte // of the manifest, as it is
}

// OpenLocal reads the manifest once: what is uploaded last is what the parts
// were checked against.
func OpenLocal(path, dir string) (*Local, error) {
	prefix, ok := strings.CutSuffix(filepath.Base(path), ec2.ManifestName(""))
	if !ok || prefix == "" {
		return nil, cli.WithHint(cli.Usagef("%s: is no manifest of Amazon's format", path), "its name is NAME.manifest.xml; \"purebundle upload\" is for raw bundles")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Unwrap(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxXML+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, errors.Unwrap(err))
	}
	m, err := ec2.ReadManifest(strings.NewReader(string(text)))
	if err == nil {
		err = partNames(m)
	}
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("manifest %s: %w", path, err), "get the manifest again from where the bundle was made")
	}
	if dir == "" {
		dir = filepath.Dir(path)
	}
	return &Local{Prefix: prefix, dir: dir, Manifest: m, Text: text}, nil
}

// ownParts refuses parts whose names are those of another bundle in S3, as where the
// file of the manifest was renamed: they would take the place of that one's.
func (l *Local) ownParts(ctx context.Context, store *s3.Store) error {
	others := map[string]bool{} // names of manifests
	for _, p := range l.Manifest.Parts {
		if prefix := p.Name[:strings.LastIndex(p.Name, ".part.")]; prefix != l.Prefix {
			others[ec2.ManifestName(prefix)], others[chunk.ManifestName(prefix)] = true, true
		}
	}
	if len(others) == 0 {
		return nil
	}
	have, err := store.List(ctx)
	if awsapi.HasCode(err, "NoSuchBucket") {
		return nil
	}
	if err != nil {
		return err
	}
	for _, o := range have {
		if others[o.Name] {
			return cli.WithHint(&chunk.Error{Op: "upload", Path: ObjectURL(store.Location(), o.Name), Err: chunk.ErrExists},
				"%s.manifest.xml names parts of that bundle: choose another directory of the bucket", l.Prefix)
		}
	}
	return nil
}

// PutParts uploads the parts from first on, each checked when it is read. upTo is
// the first that is not in S3, from which on another run must go on.
func (l *Local) PutParts(ctx context.Context, store *s3.Store, first, workers int, made func(bytes int)) (upTo int, err error) {
	var mu sync.Mutex
	there := make([]bool, len(l.Manifest.Parts))
	err = work.Each(ctx, transfers(workers), numbersFrom(first, len(there)), func(ctx context.Context, i int) error {
		body, err := l.readPart(i)
		if err != nil {
			return err
		}
		if err := store.Put(ctx, l.Manifest.Parts[i].Name, body); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		there[i] = true
		made(len(body))
		return nil
	})
	for i := range first {
		there[i] = true
	}
	if upTo = slices.Index(there, false); upTo < 0 {
		upTo = len(there)
	}
	return upTo, err
}

// RemoveSurplus removes parts of the bundle that was replaced which the new one does
// not have: it had more, or more digits in their names.
func (l *Local) RemoveSurplus(ctx context.Context, store *s3.Store) error {
	own := make(map[string]bool, len(l.Manifest.Parts))
	for _, p := range l.Manifest.Parts {
		own[p.Name] = true
	}
	have, err := store.List(ctx)
	if err != nil {
		return err
	}
	var surplus []string
	for _, o := range have {
		number, ok := strings.CutPrefix(o.Name, l.Prefix+".part.")
		if ok && number != "" && strings.Trim(number, "0123456789") == "" && !own[o.Name] {
			surplus = append(surplus, o.Name)
		}
	}
	return store.Remove(ctx, surplus)
}

func (l *Local) readPart(i int) ([]byte, error) {
	path := filepath.Join(l.dir, l.Manifest.Parts[i].Name)
	f, err := os.Open(path)
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("open %s: %w", path, errors.Unwrap(err)), "-d names the directory with the parts")
	}
	defer f.Close()
	body := make([]byte, PartSize(l.Manifest, i)+1) // one more would be too many
	n, err := io.ReadFull(f, body)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("read %s: %w", path, errors.Unwrap(err))
	}
	return body[:n], checkPart(l.Manifest, i, path, body[:n])
}
