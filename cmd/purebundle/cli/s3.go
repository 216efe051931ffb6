package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/ebs"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/words"
)

// BundleURL returns what people type as BUNDLE for a bundle in S3, its manifest included.
func BundleURL(loc s3.Location, prefix string) string {
	return strings.TrimSuffix(loc.String(), "/") + "/" + chunk.ManifestName(prefix)
}

// CutLast cuts s at the last sep.
func CutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// s3Group is the heading of the flags below.
const s3Group = "S3"

// S3 holds what the flags about S3 say. What they leave open, the SDK's standard
// chain decides: environment, shared files, roles.
type S3 struct {
	Keys                      awsapi.Keys // which only the commands of ec2 have flags for
	Region, Profile, Endpoint string
	pathStyle                 bool
	limit                     Rate
	patience                  time.Duration
	Concurrency               int
	Resume                    bool

	ACL, storageClass, sse, kmsKey string
	measured                       bool // the requests to EBS at a time are not given
	Tags                           Tags
}

// defaultConcurrency is how many requests are in flight unless told otherwise.
const defaultConcurrency = 4

// maxConcurrency bounds --concurrency: each upload holds 10 MiB.
const maxConcurrency = 64

// ReadFlags adds the flags of what reads from S3.
func (c *S3) ReadFlags(cmd *cobra.Command) { Group(cmd, s3Group, c.access) }

// WriteFlags adds the flags of what writes there as well.
func (c *S3) WriteFlags(cmd *cobra.Command) {
	Group(cmd, s3Group, func(f *pflag.FlagSet) {
		c.access(f)
		f.StringVar(&c.ACL, "acl", "", "canned `ACL` of the objects, such as private or aws-exec-read (default: the bucket's)")
		f.StringVar(&c.storageClass, "storage-class", "", "storage `CLASS` of the objects, such as STANDARD_IA (default: the bucket's)")
		f.StringVar(&c.sse, "sse", "", "server-side encryption `HOW`: AES256, aws:kms or aws:kms:dsse (default: the bucket's)")
		f.StringVar(&c.kmsKey, "sse-kms-key-id", "", "KMS key `ID` for --sse aws:kms, which it stands for as well")
		f.Var(&c.Tags, "tag", "tag the objects with `K=V`; repeatable")
	})
	for name, values := range map[string][]string{
		"acl": cannedACLs, "sse": {"AES256", "aws:kms", "aws:kms:dsse"},
		"storage-class": {"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"},
	} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

// ResumeFlag adds the flag of what can go on with a run that was cut.
func (c *S3) ResumeFlag(cmd *cobra.Command) {
	Group(cmd, s3Group, func(f *pflag.FlagSet) {
		f.BoolVar(&c.Resume, "resume", false, "go on with a bundle that was cut: parts that are there are not sent again, and stay if this run fails, too")
	})
}

// cannedACLs lists the ACLs that S3 knows for objects.
var cannedACLs = []string{"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"}

// access adds the flags that it takes to reach S3 at all.
func (c *S3) access(f *pflag.FlagSet) {
	f.StringVar(&c.Region, "region", "", "AWS `REGION` (default: $AWS_REGION, the profile's, or the instance's)")
	f.StringVar(&c.Profile, "profile", "", "profile `NAME` of the shared configuration files (default: $AWS_PROFILE)")
	f.StringVar(&c.Endpoint, "endpoint-url", "", "`URL` of a server that speaks S3 (default: $AWS_ENDPOINT_URL, else Amazon's)")
	f.BoolVar(&c.pathStyle, "path-style", false, "name the bucket in the path, not in the host name (default: the profile's addressing_style)")
	f.Var(&c.limit, "limit-rate", "move at most `SIZE` a second, as in 5M (default: no limit)")
	f.DurationVar(&c.patience, "patience", 10*time.Minute, "once 100 MiB have been moved, try what fails again for `TIME`")
	f.IntVar(&c.Concurrency, "concurrency", defaultConcurrency, "`N` requests at a time; each upload holds 10 MiB of memory")
}

// Check refuses what makes no sense, such as flags about S3 if none of the places is there.
func (c *S3) Check(cmd *cobra.Command, places ...string) error {
	for _, place := range places {
		if err := CheckPlace(cmd.Name(), place); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(places, ebs.IsPlace) {
		if err := c.checkEBS(cmd, slices.ContainsFunc(places, s3.IsURL)); err != nil {
			return err
		}
		return c.Valid(cmd.Name())
	}
	if err := onlyEBS(cmd); err != nil {
		return err
	}
	if !slices.ContainsFunc(places, s3.IsURL) {
		var err error
		cmd.Flags().Visit(func(f *pflag.Flag) {
			if err == nil && GroupOf(f) == s3Group {
				err = WithHint(Usagef("%s: --%s is about S3, and there is no place in S3 here", cmd.Name(), f.Name), "a place in S3 is written s3://BUCKET/DIR")
			}
		})
		return err
	}
	return c.Valid(cmd.Name())
}

// Valid checks the values.
func (c *S3) Valid(name string) error {
	switch {
	case c.Concurrency < 1 || c.Concurrency > maxConcurrency:
		return WithHint(Usagef("%s: --concurrency %d: not between 1 and %d", name, c.Concurrency, maxConcurrency), "each request in flight holds 10 MiB of memory; %d is the default", defaultConcurrency)
	case c.patience < 0:
		return WithHint(Usagef("%s: --patience %v: is below 0", name, c.patience), "write it as in 10m; 0 gives up at once")
	case c.Endpoint != "" && !strings.HasPrefix(c.Endpoint, "http://") && !strings.HasPrefix(c.Endpoint, "https://"):
		return WithHint(Usagef("%s: --endpoint-url %s: is no URL", name, c.Endpoint), "write it as in https://s3.example.org:9000")
	case c.sse != "" && c.sse != "AES256" && c.sse != "aws:kms" && c.sse != "aws:kms:dsse":
		return WithHint(Usagef("%s: --sse %s: unknown", name, c.sse), "choose AES256, aws:kms or aws:kms:dsse")
	case c.kmsKey != "" && c.sse == "AES256":
		return WithHint(Usagef("%s: --sse-kms-key-id does not go with --sse AES256", name), "--sse aws:kms encrypts with that key")
	case c.ACL != "" && !slices.Contains(cannedACLs, c.ACL):
		return WithHint(Usagef("%s: --acl %s: unknown", name, c.ACL), "choose one of %s", strings.Join(cannedACLs, ", "))
	}
	if c.kmsKey != "" && c.sse == "" {
		c.sse = "aws:kms"
	}
	return nil
}

// Shared returns the options with which S3 and EC2 are both reached.
func (c *S3) Shared(a *App) awsapi.Options {
	opt := awsapi.Options{Keys: c.Keys, Profile: c.Profile, Region: c.Region, Endpoint: c.Endpoint, Patience: c.patience}
	if a.Verbose {
		opt.Notify = a.Say
	}
	return opt
}

// Open connects to S3. It asks nothing of the bucket yet.
func (c *S3) Open(ctx context.Context, a *App, loc s3.Location) (*s3.Store, error) {
	a.WarnExposed(awsapi.CredentialFiles()...)
	return s3.Open(ctx, loc, s3.Options{
		Options: c.Shared(a), PathStyle: c.pathStyle,
		ACL: c.ACL, StorageClass: c.storageClass, SSE: c.sse, KMSKey: c.kmsKey, Tags: c.Tags.Values,
		Limit: int64(c.limit), Workers: c.Concurrency, Warn: c.warn(a),
	})
}

// warn returns what tells people what the server cannot do.
func (c *S3) warn(a *App) func(text string) {
	if a.Quiet {
		return nil
	}
	return func(text string) { a.Say("warning: " + text) }
}

// Again returns the flags that the next command needs as well, each with a space
// before it, to be typed.
func (c *S3) Again() string {
	var b strings.Builder
	for _, f := range []struct{ name, value string }{{"region", c.Region}, {"profile", c.Profile}, {"endpoint-url", c.Endpoint}} {
		if f.value != "" {
			b.WriteString(" --" + f.name + " " + words.Quote(f.value))
		}
	}
	if c.pathStyle {
		b.WriteString(" --path-style")
	}
	return b.String()
}

// CliFlags returns those flags of Again that Amazon's own command line has for EC2, too.
func (c *S3) CliFlags() string {
	return (&S3{Region: c.Region, Profile: c.Profile}).Again()
}

// minRate is the least that --limit-rate takes, in bytes a second: a part would take
// three hours, and what is below lacks its unit.
const minRate = 1 << 10

// Rate is the value of --limit-rate: bytes a second, 0 for no limit.
type Rate int64

func (f *Rate) Type() string { return "SIZE" }

func (f *Rate) String() string {
	if *f == 0 {
		return ""
	}
	return words.Size(int64(*f)) + "/s"
}

func (f *Rate) Set(s string) error {
	rate, err := ParseSize(strings.TrimSuffix(strings.TrimSpace(s), "/s"))
	if err == nil && rate > 0 && rate < minRate {
		err = fmt.Errorf("less than %s a second; write a unit, as in 5M", words.Size(minRate))
	}
	*f = Rate(rate)
	return err
}

// Tags is the value of --tag, which may be given many times.
type Tags struct{ Values map[string]string }

func (f *Tags) Type() string { return "K=V" }

func (f *Tags) String() string {
	var list []string
	for k, v := range f.Values {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func (f *Tags) Set(s string) error {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" {
		return errors.New("write it as in team=web")
	}
	if _, twice := f.Values[key]; twice {
		return fmt.Errorf("%s is given twice", key)
	}
	if f.Values == nil {
		f.Values = map[string]string{}
	}
	f.Values[key] = value
	return nil
}
