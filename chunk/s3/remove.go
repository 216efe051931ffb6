package s3

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"purebundle/chunk/awsapi"
	"purebundle/chunk/work"
)

// maxDelete is how many objects one DeleteObjects may name.
const maxDelete = 1000

// Remove removes objects of the directory. Ones that are not there are no error.
func (s *Store) Remove(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := s.check("remove", name); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(names, maxDelete) {
		left, err := s.removeBatch(ctx, batch)
		if err != nil {
			return err
		}
		// One by one: each has its own retries, and some servers know nothing else.
		err = work.Each(ctx, crew(smallWorkers), left, func(ctx context.Context, name string) error {
			_, err := s.client.DeleteObject(awsapi.WithSubject(ctx, name), &s3.DeleteObjectInput{
				Bucket: &s.loc.Bucket, Key: aws.String(s.loc.key(name))})
			if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "NoSuchKey" {
				return nil
			}
			return s.explain(ctx, "remove", name, err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// removeBatch removes objects with one request and returns those it did not.
func (s *Store) removeBatch(ctx context.Context, names []string) (left []string, err error) {
	if len(names) == 1 {
		return names, nil
	}
	ids := make([]types.ObjectIdentifier, len(names))
	byKey := make(map[string]string, len(names))
	for i, name := range names {
		key := s.loc.key(name)
		ids[i].Key, byKey[key] = &key, name
	}
	out, err := s.client.DeleteObjects(awsapi.WithSubject(ctx, s.loc.Path("")), &s3.DeleteObjectsInput{
		Bucket: &s.loc.Bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)}})
	if err != nil {
		// Servers that do not know it say so in many ways.
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok || ctx.Err() != nil || slices.Contains([]string{"AccessDenied", "NoSuchBucket"}, api.ErrorCode()) {
			return nil, s.explain(ctx, "remove", "", err)
		}
		return names, nil
	}
	for _, e := range out.Errors {
		name, ok := byKey[aws.ToString(e.Key)]
		switch {
		case !ok:
			return names, nil // it does not say of which: ask for each
		case aws.ToString(e.Code) != "NoSuchKey":
			left = append(left, name)
		}
	}
	return left, nil
}
