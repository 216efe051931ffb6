package ec2tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/progress"
)

// S3Options holds what the commands about bundles of Amazon's format in S3 have
// in common.
type S3Options struct {
	bucket                string
	access, secret, token string
	sigv                  string
	s3                    cli.S3
	place                 s3.Location
	Force                 bool
	progress              progress.Mode
}

// flags adds the options of the old tools, and those about S3.
func (c *S3Options) flags(a *cli.App, cmd *cobra.Command, add func(cmd *cobra.Command)) {
	cli.Group(cmd, "The bucket", func(f *pflag.FlagSet) {
		f.StringVarP(&c.bucket, "bucket", "b", "", "`BUCKET[/DIR]`")
		f.StringVar(&c.s3.Endpoint, "url", "", "the same `URL` as --endpoint-url")
		f.StringVarP(&c.access, "access-key", "a", "", "access key `ID`; anybody on the machine can read it in the process list (default: as for --profile)")
		f.StringVarP(&c.secret, "secret-key", "s", "", "secret access `KEY`; the same holds")
		f.StringVarP(&c.token, "delegation-token", "t", "", "session `TOKEN` that goes with them; the same holds")
		f.StringVar(&c.sigv, "sigv", "4", "`VERSION` of signatures: only 4 is made")
	})
	add(cmd)
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) {
		cli.ProgressFlag(f, &c.progress)
		f.Bool("retry", false, "no effect: what fails for a moment is always tried again")
		f.BoolVar(&a.Verbose, "debug", false, "say more; explain errors")
		oldSwitches(f)
	})
	cli.CompleteProgress(cmd)
}

// open checks the options, gives up all power but rest and what S3 takes, and connects
// to the bucket.
func (c *S3Options) open(ctx context.Context, a *cli.App, name string, rest confine.Rest) (*s3.Store, error) {
	if c.bucket == "" {
		return nil, cli.WithHint(cli.Usagef("--bucket (-b) is needed"), "give the bucket, and a directory in it, as in -b my-bucket/images")
	}
	if c.sigv != "4" {
		return nil, cli.WithHint(cli.Usagef("--sigv %s: only version 4 is made", c.sigv), "leave it away")
	}
	if err := c.s3.Valid(name); err != nil {
		return nil, err
	}
	c.s3.Region = cmp.Or(c.s3.Region, oldRegion())
	var err error
	if c.place, err = s3.ParseLocation("s3://" + strings.Trim(strings.TrimPrefix(c.bucket, "s3://"), "/")); err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	if err := c.credentials(a); err != nil {
		return nil, err
	}
	a.Confine(c.s3.Remote(ctx, rest))
	return c.s3.Open(ctx, a, c.place)
}

// oldRegion returns the region that is meant if no --region is given: us-east-1, as
// for Amazon's tools, or "" if the environment names one, which those did not know.
func oldRegion() string {
	if os.Getenv("AWS_REGION") != "" || os.Getenv("AWS_DEFAULT_REGION") != "" {
		return ""
	}
	return "us-east-1"
}

// credentials takes the keys that were given as options.
func (c *S3Options) credentials(a *cli.App) error {
	if (c.access == "") != (c.secret == "") {
		return cli.WithHint(cli.Usagef("--access-key (-a) and --secret-key (-s) go together"), "better than both: a role, a profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
	}
	if c.token == "" && c.access != "" {
		c.token = os.Getenv("AWS_DELEGATION_TOKEN") // as Amazon's tools do
	}
	if c.access == "" {
		if c.token != "" {
			return cli.Usagef("--delegation-token (-t) goes with --access-key (-a) and --secret-key (-s)")
		}
		return nil
	}
	if c.s3.Profile != "" {
		return cli.Usagef("--profile and --access-key (-a): only one of them")
	}
	if !a.Quiet {
		a.Say("warning: --secret-key: anybody on this machine can read it in the process list; use a role, a profile or the environment")
	}
	c.s3.Keys = awsapi.Keys{ID: c.access, Secret: c.secret, SessionToken: c.token}
	return nil
}

// OpenRemote opens a bundle in S3. All names of its parts are PREFIX.part.N, so that
// they are nowhere else than where the bundle is.
func OpenRemote(ctx context.Context, store *s3.Store, prefix string) (*ec2.Bundle, error) {
	b, err := ec2.Open(ctx, store.Place(), prefix)
	if errors.Is(err, chunk.ErrNoBundle) {
		return nil, cli.WithHint(err, "-b names the bucket and the directory in it, -p the bundle there")
	}
	return b, err
}

// startParts starts showing the parts of a bundle on their way.
func (c *S3Options) startParts(a *cli.App, m *ec2.Manifest, p progress.Phase) (show *progress.UI, made func(bytes int)) {
	show = a.Show(c.progress)
	show.InParts()
	show.AllBytes.Store(m.BundledSize)
	show.AllParts.Store(int64(len(m.Parts)))
	show.Begin(p)
	return show, func(bytes int) {
		show.Parts.Add(1)
		show.Bytes.Add(int64(bytes))
	}
}

// damagedPart says of a part that is not what the manifest says which one it is.
func damagedPart(err error) error {
	e, ok := errors.AsType[*chunk.Error](err)
	if !ok || !errors.Is(err, chunk.ErrDamaged) {
		return err
	}
	return cli.WithHint(fmt.Errorf("%s: %w: %w", e.Path, chunk.ErrDamaged, e.Err), "get the part again from where the bundle was made")
}
