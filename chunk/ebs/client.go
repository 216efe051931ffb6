package ebs

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

const (
	// BlockSize is the length of a block, in bytes.
	BlockSize = 512 << 10
	// perPart is how many blocks a part has.
	perPart = chunk.Size / BlockSize
	// gib is how volumes are measured, in bytes.
	gib = 1 << 30
	// maxWorkers is how many requests for blocks are in flight at most.
	maxWorkers = 64
)

// Options of Connect; the zero value is what most want.
type Options struct {
	awsapi.Options
	Workers int           // requests for blocks in flight; 0: what bandwidth and latency are found to ask for, at most 64
	Limit   int64         // bytes a second; 0: none
	Poll    time.Duration // between two looks at a snapshot that is not complete yet; 0: 2 s
}

// Client reaches EBS. It is safe for concurrent use.
type Client struct {
	opt   Options
	ebs   *ebs.Client
	ec2   *ec2.Client
	retry *awsapi.Retryer // of all requests
	pace  *pace
	limit *awsapi.Limit
	cfg   aws.Config
}

// Connect finds configuration and credentials. It makes no request of EBS.
func Connect(ctx context.Context, opt Options) (*Client, error) {
	cfg, err := awsapi.Load(ctx, opt.Options)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		return nil, &chunk.Error{Op: "connect", Path: "EBS", Err: plain("no region is set"), Hint: "name the region, such as eu-west-1, or set AWS_REGION"}
	}
	opt.Poll = cmp.Or(opt.Poll, 2*time.Second)
	c := &Client{opt: opt, ec2: ec2.NewFromConfig(cfg), retry: cfg.Retryer().(*awsapi.Retryer), pace: newPace(opt.Workers), limit: awsapi.NewLimit(opt.Limit), cfg: cfg}
	c.ebs = ebs.NewFromConfig(cfg)
	for _, endpoint := range []*string{c.ebs.Options().BaseEndpoint, c.ec2.Options().BaseEndpoint} {
		if err := awsapi.CheckEndpoint(aws.ToString(endpoint)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Config returns what other services are reached with in the same way.
func (c *Client) Config() aws.Config { return c.cfg }

// Region returns the region of the snapshots.
func (c *Client) Region() string { return c.cfg.Region }

// Delete returns the command that deletes a snapshot, to be typed.
func (c *Client) Delete(id string) string {
	return "aws ec2 delete-snapshot --region " + c.Region() + " --snapshot-id " + id
}

// plain is an error without a path; as a string it can be a constant.
type plain string

func (p plain) Error() string { return string(p) }

// Scheme begins the name of a place in EBS.
const Scheme = "ebs:"

// IsPlace says whether s is meant to be a place in EBS: it begins with "ebs:".
func IsPlace(s string) bool { return strings.HasPrefix(s, Scheme) }

// ParsePlace reads "ebs:", a new snapshot, for which id is "", or "ebs:snap-…".
func ParsePlace(s string) (id string, err error) {
	id, ok := strings.CutPrefix(s, Scheme)
	digits, isSnapshot := strings.CutPrefix(id, "snap-")
	if ok && (id == "" || isSnapshot && len(digits) >= 8 && len(digits) <= 17 && strings.Trim(digits, "0123456789abcdef") == "") {
		return id, nil
	}
	return "", &chunk.Error{Op: "open", Path: s, Err: plain("is no snapshot"), Hint: "such as ebs:snap-0123456789abcdef0; ebs: alone is a new one"}
}

// explain makes an error of a request one with a hint. The end of ctx is its own error.
func (c *Client) explain(ctx context.Context, op, id string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	path := Scheme + id
	text := awsapi.Explain(op, path, err)
	e, ok := errors.AsType[*chunk.Error](text)
	if hint := c.hint(err); ok && hint != "" {
		return &chunk.Error{Op: e.Op, Path: e.Path, Err: e.Err, Hint: hint}
	}
	return text
}
