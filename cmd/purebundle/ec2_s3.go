package main

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
)

// ec2S3Config is what the commands about bundles of Amazon's format in S3 have
// in common.
type ec2S3Config struct {
	bucket                string
	access, secret, token string
	sigv                  string
	s3                    s3Config
	place                 s3.Location
	force                 bool
	progress              progressMode
}

// flags adds the options of the old tools, and those about S3.
func (c *ec2S3Config) flags(a *app, cmd *cobra.Command, add func(cmd *cobra.Command)) {
	group(cmd, "The bucket", func(f *pflag.FlagSet) {
		f.StringVarP(&c.bucket, "bucket", "b", "", "`BUCKET[/DIR]`")
		f.StringVar(&c.s3.endpoint, "url", "", "the same `URL` as --endpoint-url")
		f.StringVarP(&c.access, "access-key", "a", "", "access key `ID`; anybody on the machine can read it in the process list (default: as for --profile)")
		f.StringVarP(&c.secret, "secret-key", "s", "", "secret access `KEY`; the same holds")
		f.StringVarP(&c.token, "delegation-token", "t", "", "session `TOKEN` that goes with them; the same holds")
		f.StringVar(&c.sigv, "sigv", "4", "`VERSION` of signatures: only 4 is made")
	})
	add(cmd)
	group(cmd, "The output", func(f *pflag.FlagSet) {
		progressFlag(f, &c.progress)
		f.Bool("retry", false, "no effect: what fails for a moment is always tried again")
		f.BoolVar(&a.verbose, "debug", false, "say more; explain errors")
		oldSwitches(f)
	})
	completeProgress(cmd)
}

// open checks the options and connects to the bucket.
func (c *ec2S3Config) open(ctx context.Context, a *app, name string) (*s3.Store, error) {
	if c.bucket == "" {
		return nil, withHint(usagef("--bucket (-b) is needed"), "give the bucket, and a directory in it, as in -b my-bucket/images")
	}
	if c.sigv != "4" {
		return nil, withHint(usagef("--sigv %s: only version 4 is made", c.sigv), "leave it away")
	}
	if err := c.s3.valid(name); err != nil {
		return nil, err
	}
	var err error
	if c.place, err = s3.ParseLocation("s3://" + strings.Trim(strings.TrimPrefix(c.bucket, "s3://"), "/")); err != nil {
		return nil, &usageError{err}
	}
	if err := c.credentials(a); err != nil {
		return nil, err
	}
	return c.s3.open(ctx, a, c.place)
}

// credentials puts keys that were given as options where the SDK's chain looks
// first.
func (c *ec2S3Config) credentials(a *app) error {
	if (c.access == "") != (c.secret == "") {
		return withHint(usagef("--access-key (-a) and --secret-key (-s) go together"), "better than both: a role, a profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
	}
	if c.access == "" {
		if c.token != "" {
			return usagef("--delegation-token (-t) goes with --access-key (-a) and --secret-key (-s)")
		}
		return nil
	}
	if c.s3.profile != "" {
		return usagef("--profile and --access-key (-a): only one of them")
	}
	if !a.quiet {
		a.say("warning: --secret-key: anybody on this machine can read it in the process list; use a role, a profile or the environment")
	}
	return errors.Join(os.Setenv("AWS_ACCESS_KEY_ID", c.access), os.Setenv("AWS_SECRET_ACCESS_KEY", c.secret), os.Setenv("AWS_SESSION_TOKEN", c.token))
}

// maxXML bounds a manifest that is fetched, in bytes; as in package ec2.
const maxXML = 32 << 20

// remoteManifest fetches and reads the manifest of a bundle. All names of parts in
// it are PREFIX.part.N, so that they are nowhere else than where the bundle is.
func remoteManifest(ctx context.Context, store *s3.Store, prefix string) (*ec2.Manifest, []byte, error) {
	name := ec2.ManifestName(prefix)
	path := objectURL(store.Location(), name)
	text, err := store.Get(ctx, name, maxXML)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, withHint(fmt.Errorf("open %s: %w", path, chunk.ErrNoBundle), "-b names the bucket and the directory in it, -p the bundle there")
	}
	if err != nil {
		return nil, nil, err
	}
	m, err := ec2.ReadManifest(strings.NewReader(string(text)))
	if err == nil {
		err = partNames(m)
	}
	if err != nil {
		return nil, nil, withHint(fmt.Errorf("manifest %s: %w", path, err), "upload the bundle again from where it was made")
	}
	return m, text, nil
}

// partNames refuses names that no tool has ever made: they are joined to
// directories, and what they name is deleted.
func partNames(m *ec2.Manifest) error {
	for i, p := range m.Parts {
		at := strings.LastIndex(p.Name, ".part.")
		if at <= 0 || p.Name[0] == '.' || p.Name[0] == '-' || p.Name[at+6:] == "" || strings.Trim(p.Name[at+6:], "0123456789") != "" {
			return fmt.Errorf("names part %d %q, which is not PREFIX.part.N", i, p.Name)
		}
	}
	return nil
}

// objectURL is the place of an object, for messages and for people.
func objectURL(loc s3.Location, name string) string {
	return strings.TrimSuffix(loc.String(), "/") + "/" + name
}

// partSize is how long part i of a bundle must be, in bytes.
func partSize(m *ec2.Manifest, i int) int64 {
	return min(chunk.Size, m.BundledSize-int64(i)*chunk.Size)
}

// checkPart compares a part with what the manifest says.
func checkPart(m *ec2.Manifest, i int, path string, body []byte) error {
	sum := sha1.Sum(body)
	var err error
	switch got := hex.EncodeToString(sum[:]); {
	case int64(len(body)) != partSize(m, i):
		err = fmt.Errorf("has %d bytes instead of %d", len(body), partSize(m, i))
	case !strings.EqualFold(got, m.Parts[i].Digest):
		err = fmt.Errorf("SHA-1 is %s instead of %s", got, m.Parts[i].Digest)
	default:
		return nil
	}
	return withHint(fmt.Errorf("%s: %w: %w", path, chunk.ErrDamaged, err), "get the part again from where the bundle was made")
}

// startParts starts showing the parts of a bundle on their way.
func (c *ec2S3Config) startParts(a *app, m *ec2.Manifest, p phase) (show *ui, made func(bytes int)) {
	if a.quiet {
		c.progress = progressNone
	}
	a.jsonErrors = c.progress == progressJSON
	show = a.newUI(c.progress)
	show.inParts()
	show.allBytes.Store(m.BundledSize)
	show.allParts.Store(int64(len(m.Parts)))
	show.begin(p)
	return show, func(bytes int) {
		show.parts.Add(1)
		show.bytes.Add(int64(bytes))
	}
}
