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
// already and may be used. It takes ACLs if the Store gives its objects one.
func (s *Store) MakeBucket(ctx context.Context) error {
	ctx = awsapi.WithSubject(ctx, s.loc.Bucket)
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.loc.Bucket})
	if err == nil {
		return nil
	}
	if err = s.explainBucket(ctx, "look at", err); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	in := &s3.CreateBucketInput{Bucket: &s.loc.Bucket}
	if s.opt.ACL != "" { // buckets of today take none unless they are made so
		in.ObjectOwnership = types.ObjectOwnershipBucketOwnerPreferred
	}
	// us-east-1 is the one region that may not be named (CreateBucket, LocationConstraint).
	if region := s.client.Options().Region; region != defaultRegion {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	_, err = s.client.CreateBucket(ctx, in)
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "BucketAlreadyOwnedByYou" {
		return nil // another run was faster
	}
	return s.explainBucket(ctx, "make", err)
}

// RemoveBucket removes the bucket, which must be empty: S3 refuses otherwise.
func (s *Store) RemoveBucket(ctx context.Context) error {
	_, err := s.client.DeleteBucket(awsapi.WithSubject(ctx, s.loc.Bucket), &s3.DeleteBucketInput{Bucket: &s.loc.Bucket})
	return s.explainBucket(ctx, "remove", err)
}

// explainBucket does what explain does, for the bucket itself.
func (s *Store) explainBucket(ctx context.Context, op string, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return awsapi.Explain(op, Location{Bucket: s.loc.Bucket}.String(), err)
}
