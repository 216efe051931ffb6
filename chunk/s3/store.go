package s3

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

// Options of Open; the zero value is what most want.
type Options struct {
	awsapi.Options
	// PathStyle: the bucket in the path, not in the host name; on by itself if the host
	// can have no names below it, or the profile has it (addressing_style).
	PathStyle    bool
	ACL          string            // canned ACL of what is put, such as aws-exec-read; "": the bucket's default
	StorageClass string            // of what is put, such as STANDARD_IA; "": STANDARD
	SSE          string            // server-side encryption of what is put: AES256, aws:kms, aws:kms:dsse; "": the bucket's default
	KMSKey       string            // key of SSE aws:kms; "": the account's
	Tags         map[string]string // of what is put
	Limit        int64             // bytes a second, up and down together; 0: none
	Warn         func(text string) // if not nil, told once of each thing that the server cannot do, and what that costs
	Workers      int               // parts in flight; 0: 4. Each upload holds one buffer of chunk.Size
}

const (
	defaultWorkers = 4
	// smallWorkers is how many requests without a body of note are in flight.
	smallWorkers = 16
	// defaultRegion is signed with if an endpoint is given and no region: what
	// is not AWS does not care, mostly.
	defaultRegion = "us-east-1"
)

// Store is a directory of a bucket. It is safe for concurrent use.
type Store struct {
	loc    Location
	opt    Options
	client *s3.Client
	retry  *awsapi.Retryer // of all requests
	limit  *awsapi.Limit   // nil: none
	server *server
}

// Open connects to S3 as far as finding credentials. It does not look at the bucket.
func Open(ctx context.Context, loc Location, opt Options) (*Store, error) {
	opt.Workers = cmp.Or(opt.Workers, defaultWorkers)
	cfg, err := awsapi.Load(ctx, opt.Options)
	if err != nil {
		return nil, err
	}
	style, err := awsapi.AddressingStyle(opt.Profile)
	if err != nil {
		return nil, err
	}
	s := &Store{loc: loc, opt: opt, retry: cfg.Retryer().(*awsapi.Retryer), limit: awsapi.NewLimit(opt.Limit), server: &server{warn: opt.Warn}}
	s.client = s3.NewFromConfig(cfg, func(o *s3.Options) {
		s.server.unsummed.Store(o.RequestChecksumCalculation == aws.RequestChecksumCalculationWhenRequired)
		s.server.unsumming.Store(o.ResponseChecksumValidation == aws.ResponseChecksumValidationWhenRequired)
		// Ours is SHA-256 and nothing else: the SDK would add a CRC as a trailer, and
		// compare digests that are compared here anyway.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
		o.APIOptions = append(o.APIOptions, unsignedEncoding)
		endpoint := aws.ToString(o.BaseEndpoint)
		o.UsePathStyle = o.UsePathStyle || opt.PathStyle || style == "path" || plainHost(endpoint) ||
			style != "virtual" && noNameBelow(ctx, endpoint, loc.Bucket, net.DefaultResolver.LookupHost)
		if endpoint != "" {
			o.Region = cmp.Or(o.Region, defaultRegion)
		}
	})
	// It may also come from AWS_ENDPOINT_URL_S3 or a profile.
	if err := awsapi.CheckEndpoint(aws.ToString(s.client.Options().BaseEndpoint)); err != nil {
		return nil, err
	}
	return s, nil
}

// plainHost says whether the host of an endpoint can have no names below it for
// buckets: an IP address, localhost, a name without a dot.
func plainHost(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" {
		return false
	}
	host := u.Hostname()
	return net.ParseIP(host) != nil || !strings.Contains(strings.TrimSuffix(host, "."), ".")
}

// lookupTimeout is how long the name of a bucket may take to be looked up.
const lookupTimeout = 3 * time.Second

// noNameBelow returns true if the host of an endpoint has no name below it for the
// bucket, as lookup says. Amazon's have one for each.
func noNameBelow(ctx context.Context, endpoint, bucket string, lookup func(context.Context, string) ([]string, error)) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) != nil {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn") {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	_, err = lookup(ctx, bucket+"."+host+".")
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

// Location returns what the Store was opened with.
func (s *Store) Location() Location { return s.loc }

// In returns the Store of another directory of the same bucket, with the same options.
func (s *Store) In(dir string) *Store {
	other := *s
	other.loc.Dir = dir
	return &other
}

// explain makes an error of a request one with a hint. The end of ctx is its own error.
func (s *Store) explain(ctx context.Context, op, name string, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return awsapi.Explain(op, s.loc.Path(name), err)
}

// check refuses a name that would leave the directory.
func (s *Store) check(op, name string) error {
	why := checkName(name)
	if why == "" && len(s.loc.key(name)) > maxKey {
		why = "is too long"
	}
	if why == "" {
		return nil
	}
	return &chunk.Error{Op: op, Path: s.loc.Path(name), Err: plain("the name " + why)}
}

// plain is an error without a path; as a string it can be a constant.
type plain string

func (p plain) Error() string { return string(p) }

// kept are the properties that every object gets, put or copied.
type kept struct {
	acl     types.ObjectCannedACL
	class   types.StorageClass
	sse     types.ServerSideEncryption
	kmsKey  *string
	tagging *string
}

func (s *Store) kept() kept {
	k := kept{acl: types.ObjectCannedACL(s.opt.ACL), class: types.StorageClass(s.opt.StorageClass), sse: types.ServerSideEncryption(s.opt.SSE)}
	if s.opt.KMSKey != "" {
		k.kmsKey = aws.String(s.opt.KMSKey)
		if k.sse == "" {
			k.sse = types.ServerSideEncryptionAwsKms
		}
	}
	if len(s.opt.Tags) > 0 {
		tags := make(url.Values, len(s.opt.Tags))
		for key, value := range s.opt.Tags {
			tags.Set(key, value)
		}
		k.tagging = aws.String(tags.Encode()) // sorted by key
	}
	return k
}
