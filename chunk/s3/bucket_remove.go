package s3

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"purebundle/chunk/awsapi"
)

// RemoveBucket removes the bucket, which must be empty: S3 refuses otherwise.
func (s *Store) RemoveBucket(ctx context.Context) error {
	ctx = awsapi.WithSubject(ctx, s.loc.Bucket)
	_, err := s.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &s.loc.Bucket})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return awsapi.Explain("remove", Location{Bucket: s.loc.Bucket}.String(), err)
}
