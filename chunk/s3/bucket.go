package s3

import (
	"context"
	"errors"
	"io/fs"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"purebundle/chunk/awsapi"
)

// MakeBucket makes the bucket, in the region of the Store, unless it is there
// already and may be used.
func (s *Store) MakeBucket(ctx context.Context) error {
	url := Location{Bucket: s.loc.Bucket}.String()
	ctx = awsapi.WithSubject(ctx, s.loc.Bucket)
	explain := func(op string, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return awsapi.Explain(op, url, err)
	}
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.loc.Bucket})
	if err == nil {
		return nil
	}
	if err = explain("look at", err); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	in := &s3.CreateBucketInput{Bucket: &s.loc.Bucket}
	// us-east-1 is the one region that may not be named (CreateBucket, LocationConstraint).
	if region := s.client.Options().Region; region != defaultRegion {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	_, err = s.client.CreateBucket(ctx, in)
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "BucketAlreadyOwnedByYou" {
		return nil // another run was faster
	}
	return explain("make", err)
}
