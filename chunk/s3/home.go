package s3

import (
	"context"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"purebundle/chunk/awsapi"
)

// regionHeader names the region of a bucket, in every answer about it.
const regionHeader = "X-Amz-Bucket-Region"

// Home returns the Store of the same directory that signs for the region of the bucket:
// s, unless the server says that it is another. Whatever else is wrong with the bucket is
// left for who asks something of it.
func (s *Store) Home(ctx context.Context) (*Store, error) {
	_, err := s.client.HeadBucket(awsapi.WithSubject(ctx, s.loc.Bucket), &s3.HeadBucketInput{Bucket: &s.loc.Bucket})
	r, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || ctx.Err() != nil {
		return s, context.Cause(ctx)
	}
	region := r.Response.Header.Get(regionHeader)
	if code := httpStatus(err); code != http.StatusMovedPermanently && code != http.StatusBadRequest || region == "" || region == s.client.Options().Region {
		return s, nil
	}
	opt := s.opt
	opt.Region = region
	return Open(ctx, s.loc, opt)
}
