package main

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
)

// ec2UploadConfig is what the options of "ec2 upload-bundle" say.
type ec2UploadConfig struct {
	ec2S3Config
	manifest, dir string
	part          int
	skipManifest  bool
	location      string
}

func newEC2Upload(a *app) *cobra.Command {
	c := &ec2UploadConfig{ec2S3Config: ec2S3Config{progress: progressAuto}}
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
			return ec2Upload(cmd.Context(), a, c)
		},
	}
	group(cmd, "The bundle", func(f *pflag.FlagSet) {
		f.StringVarP(&c.manifest, "manifest", "m", "", "manifest `FILE`, NAME.manifest.xml")
		f.StringVarP(&c.dir, "directory", "d", "", "`DIR` with the parts (default: that of the manifest)")
		f.IntVar(&c.part, "part", 0, "begin with part `N`: those before are there already")
		f.BoolVar(&c.skipManifest, "skipmanifest", false, "do not upload the manifest")
		f.BoolVar(&c.force, "force", false, "replace a bundle of that name")
	})
	c.flags(a, cmd, func(cmd *cobra.Command) {
		group(cmd, "The bucket", func(f *pflag.FlagSet) {
			f.StringVar(&c.location, "location", "", "`REGION` of a bucket that is made: EU, US or a region's name (default: --region)")
		})
		c.s3.writeFlags(cmd)
	})
	return cmd
}

func ec2Upload(ctx context.Context, a *app, c *ec2UploadConfig) error {
	if c.manifest == "" {
		return withHint(usagef("--manifest (-m) is needed"), "give the manifest of the bundle, NAME.manifest.xml")
	}
	if c.s3.acl == "" {
		c.s3.acl = "aws-exec-read"
	}
	if err := c.setLocation(); err != nil {
		return err
	}
	began := time.Now()
	local, err := openEC2Local(c.manifest, c.dir)
	if err != nil {
		return err
	}
	if c.part < 0 || c.part >= len(local.manifest.Parts) {
		return usagef("--part %d: the parts are 0 to %d", c.part, len(local.manifest.Parts)-1)
	}
	store, err := c.open(ctx, a, "upload-bundle")
	if err != nil {
		return err
	}
	if err := local.ownParts(ctx, store); err != nil {
		return err
	}
	if err := c.bucketFor(ctx, store, local.prefix); err != nil {
		return err
	}
	show, made := c.startParts(a, local.manifest, uploading)
	defer show.close()
	var skipped int64
	for i := range c.part {
		skipped += partSize(local.manifest, i)
		made(int(partSize(local.manifest, i)))
	}
	upTo, err := local.putParts(ctx, store, c.part, c.s3.concurrency, made)
	if err == nil && !c.skipManifest {
		err = store.Put(ctx, ec2.ManifestName(local.prefix), local.text)
	}
	if err == nil && !c.skipManifest && c.force {
		if serr := local.removeSurplus(ctx, store); serr != nil {
			show.close()
			return fmt.Errorf("the bundle is complete, but parts of the older one are left: %w", serr)
		}
	}
	show.close()
	if err != nil && upTo > 0 {
		return &leftError{err: err, left: fmt.Sprintf("the parts before %d are in S3: --part %d goes on from there", upTo, min(upTo, len(local.manifest.Parts)-1))}
	}
	if err != nil || a.quiet {
		return err
	}
	seconds, bytes := time.Since(began).Seconds(), local.manifest.BundledSize-skipped
	url := objectURL(store.Location(), ec2.ManifestName(local.prefix))
	rows := [][2]string{
		{"uploaded", fmt.Sprintf("%s, %s", plural(int64(len(local.manifest.Parts)-c.part), "part"), formatSize(bytes))},
		{"manifest", printable(url)},
		{"time", fmt.Sprintf("%s, %s", formatSeconds(seconds), formatRate(float64(bytes)/max(seconds, 0.001)))},
	}
	if c.skipManifest {
		rows[1][1] = "not uploaded (--skipmanifest)"
	} else {
		rows = append(rows, [2]string{"next", "purebundle register" + c.s3.again() + " -p " + shellQuote(local.prefix) + " --name NAME " + shellQuote(store.Location().String())})
	}
	return printRows(a.stdout, rows)
}

// setLocation makes of the old names of places the region that is asked. Where
// --region says another, the bucket's is what counts.
func (c *ec2UploadConfig) setLocation() error {
	region := map[string]string{"": "", "EU": "eu-west-1", "US": "us-east-1"}
	r, old := region[c.location]
	if !old {
		r = c.location
	}
	switch {
	case r == "":
	case c.s3.region == "":
		c.s3.region = r
	case c.s3.region != r:
		return withHint(usagef("--location %s and --region %s: not the same", c.location, c.s3.region), "give the region of the bucket as --region")
	}
	return nil
}

// bucketFor makes the bucket if it is missing, and sees to it that no manifest
// stands beside parts that it does not describe.
func (c *ec2UploadConfig) bucketFor(ctx context.Context, store *s3.Store, prefix string) error {
	err := c.makeRoom(ctx, store, prefix)
	if awsapi.HasCode(err, "NoSuchBucket") {
		return store.MakeBucket(ctx)
	}
	return err
}

// makeRoom removes the manifest of a bundle that is to be replaced.
func (c *ec2UploadConfig) makeRoom(ctx context.Context, store *s3.Store, prefix string) error {
	if err := c.notThere(ctx, store, prefix); err != nil || !c.force {
		return err
	}
	return store.Remove(ctx, []string{ec2.ManifestName(prefix)})
}

// notThere refuses to touch a bundle that may not be replaced.
func (c *ec2UploadConfig) notThere(ctx context.Context, store *s3.Store, prefix string) error {
	have, err := store.List(ctx)
	if err != nil {
		return err
	}
	for _, o := range have {
		switch {
		case o.Name == chunk.ManifestName(prefix):
			return withHint(fmt.Errorf("upload %s: is a raw bundle of that name, whose parts would be mixed up with the new ones", bundleURL(store.Location(), prefix)),
				"choose another directory of the bucket")
		case o.Name == ec2.ManifestName(prefix) && !c.force:
			return withHint(&chunk.Error{Op: "upload", Path: objectURL(store.Location(), o.Name), Err: chunk.ErrExists}, "--force replaces it; its manifest goes first")
		}
	}
	return nil
}

// ec2Local is a bundle of Amazon's format on disk, to be uploaded.
type ec2Local struct {
	prefix   string // of the manifest's file, and of the parts
	dir      string
	manifest *ec2.Manifest
	text     []byte // of the manifest, as it is
}

// openEC2Local reads the manifest once: what is uploaded last is what the parts
// were checked against.
func openEC2Local(path, dir string) (*ec2Local, error) {
	prefix, ok := strings.CutSuffix(filepath.Base(path), ec2.ManifestName(""))
	if !ok || prefix == "" {
		return nil, withHint(usagef("%s: is no manifest of Amazon's format", path), "its name is NAME.manifest.xml; \"purebundle upload\" is for raw bundles")
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
		return nil, withHint(fmt.Errorf("manifest %s: %w", path, err), "get the manifest again from where the bundle was made")
	}
	if dir == "" {
		dir = filepath.Dir(path)
	}
	return &ec2Local{prefix: prefix, dir: dir, manifest: m, text: text}, nil
}

// ownParts refuses parts whose names are those of another bundle in S3, as where the
// file of the manifest was renamed: they would take the place of that one's.
func (l *ec2Local) ownParts(ctx context.Context, store *s3.Store) error {
	others := map[string]bool{} // names of manifests
	for _, p := range l.manifest.Parts {
		if prefix := p.Name[:strings.LastIndex(p.Name, ".part.")]; prefix != l.prefix {
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
			return withHint(&chunk.Error{Op: "upload", Path: objectURL(store.Location(), o.Name), Err: chunk.ErrExists},
				"%s.manifest.xml names parts of that bundle: choose another directory of the bucket", l.prefix)
		}
	}
	return nil
}

// putParts uploads the parts from first on, each checked when it is read. upTo is
// the first that is not in S3, from which on another run must go on.
func (l *ec2Local) putParts(ctx context.Context, store *s3.Store, first, workers int, made func(bytes int)) (upTo int, err error) {
	var mu sync.Mutex
	there := make([]bool, len(l.manifest.Parts))
	err = work.Each(ctx, transfers(workers), numbersFrom(first, len(there)), func(ctx context.Context, i int) error {
		body, err := l.readPart(i)
		if err != nil {
			return err
		}
		if err := store.Put(ctx, l.manifest.Parts[i].Name, body); err != nil {
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

// removeSurplus removes parts of the bundle that was replaced which the new one does
// not have: it had more, or more digits in their names.
func (l *ec2Local) removeSurplus(ctx context.Context, store *s3.Store) error {
	own := make(map[string]bool, len(l.manifest.Parts))
	for _, p := range l.manifest.Parts {
		own[p.Name] = true
	}
	have, err := store.List(ctx)
	if err != nil {
		return err
	}
	var surplus []string
	for _, o := range have {
		number, ok := strings.CutPrefix(o.Name, l.prefix+".part.")
		if ok && number != "" && strings.Trim(number, "0123456789") == "" && !own[o.Name] {
			surplus = append(surplus, o.Name)
		}
	}
	return store.Remove(ctx, surplus)
}

func (l *ec2Local) readPart(i int) ([]byte, error) {
	path := filepath.Join(l.dir, l.manifest.Parts[i].Name)
	f, err := os.Open(path)
	if err != nil {
		return nil, withHint(fmt.Errorf("open %s: %w", path, errors.Unwrap(err)), "-d names the directory with the parts")
	}
	defer f.Close()
	body := make([]byte, partSize(l.manifest, i)+1) // one more would be too many
	n, err := io.ReadFull(f, body)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("read %s: %w", path, errors.Unwrap(err))
	}
	return body[:n], checkPart(l.manifest, i, path, body[:n])
}
