package ebs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"purebundle/chunk/awsapi"
)

const (
	// youth is for how long EBS may not know a snapshot that it has started.
	youth = 2 * time.Minute
	// youngPause is how long to wait then before another try, at most.
	youngPause = 3 * time.Second
	// maxChanged is how often a block may arrive changed.
	maxChanged = 8
)

// put puts one block with this digest, and has the journal note it.
func (w *Writer) put(ctx context.Context, index int32, p []byte, sum [sha256.Size]byte) error {
	c := w.client
	name := fmt.Sprintf("%s block %d", w.id, index)
	ctx = awsapi.WithSubject(ctx, name)
	pause, changed := 100*time.Millisecond, 0
	var noted error
	took := func(answer any) { noted = w.took(answer.(*ebs.PutSnapshotBlockOutput), index, sum) }
	for {
		_, err := c.ebs.PutSnapshotBlock(ctx, &ebs.PutSnapshotBlockInput{
			SnapshotId: &w.id, BlockIndex: &index, BlockData: c.limit.Body(ctx, p), DataLength: aws.Int32(BlockSize),
			Checksum: aws.String(base64.StdEncoding.EncodeToString(sum[:])), ChecksumAlgorithm: types.ChecksumAlgorithmChecksumAlgorithmSha256,
		}, c.paced(took))
		switch {
		case err == nil:
			return noted
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case isChanged(err) && changed < maxChanged:
			changed++
		case !w.young(err):
			return c.explain(ctx, "write", name, err)
		}
		c.notify(fmt.Sprintf("PutSnapshotBlock %s: %s: again in %v", name, code(err), pause))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, youngPause)
	}
}

// took notes that EBS has a block, if it says so of the right one.
func (w *Writer) took(out *ebs.PutSnapshotBlockOutput, index int32, sum [sha256.Size]byte) error {
	if err := w.same(out, index, sum); err != nil || w.making.Journal == nil {
		return err
	}
	return w.making.Journal.has(index, sum)
}

// same returns an error if EBS has another digest of a block than what was sent.
func (w *Writer) same(out *ebs.PutSnapshotBlockOutput, index int32, sum [sha256.Size]byte) error {
	have, err := base64.StdEncoding.DecodeString(aws.ToString(out.Checksum))
	if err != nil || len(have) != 0 && [sha256.Size]byte(have) != sum {
		return w.client.explain(context.Background(), "write", w.id, fmt.Errorf("block %d: EBS has SHA-256 %x instead of %x", index, have, sum))
	}
	return nil
}

// young returns true if EBS may not know the snapshot yet.
func (w *Writer) young(err error) bool {
	_, missing := errors.AsType[*types.ResourceNotFoundException](err)
	return missing && time.Since(w.began) < youth
}

// isChanged returns true if EBS says that a block did not arrive as it was sent.
func isChanged(err error) bool {
	invalid, ok := errors.AsType[*types.ValidationException](err)
	return ok && invalid.Reason == types.ValidationExceptionReasonInvalidBlock
}

// code returns the code of EBS's answer.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return err.Error()
}

func (c *Client) notify(text string) {
	if c.opt.Notify != nil {
		c.opt.Notify(text)
	}
}

// throttling lists the codes of answers that ask for fewer requests.
var throttling = map[string]bool{"ThrottlingException": true, "RequestThrottledException": true, "ConcurrentLimitExceededException": true,
	"Throttling": true, "RequestLimitExceeded": true, "SlowDown": true}

// paced has each try of a request wait for its turn, and measured. The turn lasts until
// took, if it is not nil, is through with the answer: what a run that is cut must send again
// is no more than what may be in flight.
func (c *Client) paced(took func(answer any)) func(*ebs.Options) {
	pace := func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if err := c.pace.acquire(ctx); err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, err
		}
		began, how := time.Now(), failed
		out, meta, err := next.HandleFinalize(ctx, in)
		lasted := time.Since(began)
		defer func() { c.pace.release(lasted, how) }()
		switch {
		case err == nil:
			how = succeeded
			if took != nil {
				took(out.Result)
			}
		case throttling[code(err)]:
			how = throttled
		}
		return out, meta, err
	}
	return func(o *ebs.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("Pace", pace), "NameAttempts", middleware.After)
		})
	}
}
