package ebs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

// damagedError says that a block is not what its digest says.
type damagedError struct{ have, want []byte }

func (e *damagedError) Error() string {
	return fmt.Sprintf("SHA-256 is %x instead of %x", e.have, e.want)
}

// maxRelists is how often the token of a block may have expired.
const maxRelists = 3

// fetch fills p with a block that is there, and checks it. It is fetched again if it
// arrives cut short or changed.
func (s *Snapshot) fetch(ctx context.Context, index int32, p []byte) error {
	c := s.client
	name := fmt.Sprintf("%s block %d", s.id, index)
	var err error
	for range maxRelists {
		err = c.retry.Do(ctx, "GetSnapshotBlock", name, func(ctx context.Context) error { return s.try(ctx, index, p) })
		if !expired(err, types.ValidationExceptionReasonInvalidBlockToken) {
			break
		}
		if err := s.list(ctx, index); err != nil {
			return err
		}
	}
	if damaged, ok := errors.AsType[*damagedError](err); ok && ctx.Err() == nil {
		return &chunk.Error{Op: "read", Path: Scheme + name, Err: chunk.Damage(damaged), Hint: "EBS gave it so each time: a snapshot made anew may be whole"}
	}
	return c.explain(ctx, "read", name, err)
}

// try fetches a block once.
func (s *Snapshot) try(ctx context.Context, index int32, p []byte) error {
	c := s.client
	token, _ := s.token(index)
	out, err := c.ebs.GetSnapshotBlock(ctx, &ebs.GetSnapshotBlockInput{SnapshotId: &s.id, BlockIndex: &index, BlockToken: &token},
		func(o *ebs.Options) { o.Retryer = aws.NopRetryer{} }, c.paced(nil))
	if err != nil {
		return err
	}
	defer out.BlockData.Close()
	if n := aws.ToInt32(out.DataLength); n != BlockSize {
		return awsapi.Broken(fmt.Errorf("%d bytes instead of %d", n, BlockSize))
	}
	if _, err := io.ReadFull(c.limit.Reader(ctx, out.BlockData), p[:BlockSize]); err != nil {
		return awsapi.Broken(err)
	}
	want, err := base64.StdEncoding.DecodeString(aws.ToString(out.Checksum))
	if err != nil || len(want) != sha256.Size || out.ChecksumAlgorithm != types.ChecksumAlgorithmChecksumAlgorithmSha256 {
		return awsapi.Broken(fmt.Errorf("EBS has no SHA-256 of it but %s %q", out.ChecksumAlgorithm, aws.ToString(out.Checksum)))
	}
	if have := sha256.Sum256(p[:BlockSize]); !slices.Equal(have[:], want) {
		return awsapi.Broken(&damagedError{have[:], want})
	} else if s.tail != nil {
		if said, ok := s.tail.digest(index); ok && said != have {
			return &damagedError{have[:], said[:]} // EBS has it so
		}
	}
	return nil
}
