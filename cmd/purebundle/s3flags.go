package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk/awsapi"
	"purebundle/chunk/s3"
)

// s3Group is the heading of the flags below.
const s3Group = "S3"

// s3Config is what the flags about S3 say. Where they say nothing, the SDK's
// standard chain does: environment, shared files, roles.
type s3Config struct {
	region, profile, endpoint string
	pathStyle                 bool
	limit                     rateFlag
	concurrency               int

	acl, storageClass, sse, kmsKey string
	tags                           tagsFlag
}

// defaultConcurrency is how many requests are in flight unless told otherwise.
const defaultConcurrency = 4

// maxConcurrency bounds --concurrency: each upload holds 10 MiB.
const maxConcurrency = 64

// readFlags adds the flags of what reads from S3.
func (c *s3Config) readFlags(cmd *cobra.Command) { group(cmd, s3Group, c.access) }

// writeFlags adds the flags of what writes there as well.
func (c *s3Config) writeFlags(cmd *cobra.Command) {
	group(cmd, s3Group, func(f *pflag.FlagSet) {
		c.access(f)
		f.StringVar(&c.acl, "acl", "", "canned `ACL` of the objects, such as private or aws-exec-read (default: the bucket's)")
		f.StringVar(&c.storageClass, "storage-class", "", "storage `CLASS` of the objects, such as STANDARD_IA (default: the bucket's)")
		f.StringVar(&c.sse, "sse", "", "server-side encryption `HOW`: AES256, aws:kms or aws:kms:dsse (default: the bucket's)")
		f.StringVar(&c.kmsKey, "sse-kms-key-id", "", "KMS key `ID` for --sse aws:kms, which it stands for as well")
		f.Var(&c.tags, "tag", "tag the objects with `K=V`; repeatable")
	})
	for name, values := range map[string][]string{
		"acl": cannedACLs, "sse": {"AES256", "aws:kms", "aws:kms:dsse"},
		"storage-class": {"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"},
	} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

// cannedACLs are those that S3 knows for objects.
var cannedACLs = []string{"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"}

// access is what is needed to reach S3 at all.
func (c *s3Config) access(f *pflag.FlagSet) {
	f.StringVar(&c.region, "region", "", "AWS `REGION` (default: $AWS_REGION, the profile's, or the instance's)")
	f.StringVar(&c.profile, "profile", "", "profile `NAME` of the shared configuration files (default: $AWS_PROFILE)")
	f.StringVar(&c.endpoint, "endpoint-url", "", "`URL` of a server that speaks S3 (default: $AWS_ENDPOINT_URL, else Amazon's)")
	f.BoolVar(&c.pathStyle, "path-style", false, "name the bucket in the path, not in the host name")
	f.Var(&c.limit, "limit-rate", "move at most `SIZE` a second, as in 5M (default: no limit)")
	f.IntVar(&c.concurrency, "concurrency", defaultConcurrency, "`N` requests at a time; each upload holds 10 MiB of memory")
}

// check finds what makes no sense. Without a place in S3, the flags about it do not.
func (c *s3Config) check(cmd *cobra.Command, places ...string) error {
	if !slices.ContainsFunc(places, s3.IsURL) {
		var err error
		cmd.Flags().Visit(func(f *pflag.Flag) {
			if t := f.Annotations[groupKey]; err == nil && len(t) > 0 && t[0] == s3Group {
				err = withHint(usagef("%s: --%s is about S3, and there is no place in S3 here", cmd.Name(), f.Name), "a place in S3 is written s3://BUCKET/DIR")
			}
		})
		return err
	}
	return c.valid(cmd.Name())
}

// valid checks the values.
func (c *s3Config) valid(name string) error {
	switch {
	case c.concurrency < 1 || c.concurrency > maxConcurrency:
		return usagef("%s: --concurrency %d: not between 1 and %d", name, c.concurrency, maxConcurrency)
	case c.endpoint != "" && !strings.HasPrefix(c.endpoint, "http://") && !strings.HasPrefix(c.endpoint, "https://"):
		return withHint(usagef("%s: --endpoint-url %s: is no URL", name, c.endpoint), "write it as in https://s3.example.org:9000")
	case c.sse != "" && c.sse != "AES256" && c.sse != "aws:kms" && c.sse != "aws:kms:dsse":
		return withHint(usagef("%s: --sse %s: unknown", name, c.sse), "choose AES256, aws:kms or aws:kms:dsse")
	case c.kmsKey != "" && c.sse == "AES256":
		return withHint(usagef("%s: --sse-kms-key-id does not go with --sse AES256", name), "--sse aws:kms encrypts with that key")
	case c.acl != "" && !slices.Contains(cannedACLs, c.acl):
		return withHint(usagef("%s: --acl %s: unknown", name, c.acl), "choose one of %s", strings.Join(cannedACLs, ", "))
	}
	if c.kmsKey != "" && c.sse == "" {
		c.sse = "aws:kms"
	}
	return nil
}

// shared is what S3 and EC2 are both reached with.
func (c *s3Config) shared(a *app) awsapi.Options {
	opt := awsapi.Options{Profile: c.profile, Region: c.region, Endpoint: c.endpoint}
	if a.verbose {
		opt.Notify = a.say
	}
	return opt
}

// open connects to S3. It asks nothing of the bucket yet.
func (c *s3Config) open(ctx context.Context, a *app, loc s3.Location) (*s3.Store, error) {
	return s3.Open(ctx, loc, s3.Options{
		Options: c.shared(a), PathStyle: c.pathStyle,
		ACL: c.acl, StorageClass: c.storageClass, SSE: c.sse, KMSKey: c.kmsKey, Tags: c.tags.values,
		Limit: int64(c.limit), Workers: c.concurrency,
	})
}

// again are the flags that the next command needs as well, each with a space
// before it, to be typed.
func (c *s3Config) again() string {
	var b strings.Builder
	for _, f := range []struct{ name, value string }{{"region", c.region}, {"profile", c.profile}, {"endpoint-url", c.endpoint}} {
		if f.value != "" {
			b.WriteString(" --" + f.name + " " + shellQuote(f.value))
		}
	}
	if c.pathStyle {
		b.WriteString(" --path-style")
	}
	return b.String()
}

// cliFlags are those of again that Amazon's own command line has for EC2 as well.
func (c *s3Config) cliFlags() string {
	return (&s3Config{region: c.region, profile: c.profile}).again()
}

// rateFlag is the value of --limit-rate: bytes a second, 0 for no limit.
type rateFlag int64

func (f *rateFlag) Type() string { return "SIZE" }

func (f *rateFlag) String() string {
	if *f == 0 {
		return ""
	}
	return formatSize(int64(*f)) + "/s"
}

func (f *rateFlag) Set(s string) error {
	rate, err := parseSize(strings.TrimSuffix(strings.TrimSpace(s), "/s"))
	*f = rateFlag(rate)
	return err
}

// tagsFlag is the value of --tag, which may be given many times.
type tagsFlag struct{ values map[string]string }

func (f *tagsFlag) Type() string { return "K=V" }

func (f *tagsFlag) String() string {
	var list []string
	for k, v := range f.values {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func (f *tagsFlag) Set(s string) error {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" {
		return errors.New("write it as in team=web")
	}
	if _, twice := f.values[key]; twice {
		return fmt.Errorf("%s is given twice", key)
	}
	if f.values == nil {
		f.values = map[string]string{}
	}
	f.values[key] = value
	return nil
}
