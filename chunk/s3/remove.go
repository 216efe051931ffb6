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
	objects := make([]Object, len(names))
	for i, name := range names {
		objects[i].Name = name
	}
	return s.removeAs(ctx, objects)
}

// removeAs removes objects as long as they have the ETags given; "" is any. One that
// is another by now stays, if the server heeds that.
func (s *Store) removeAs(ctx context.Context, objects []Object) error {
	for _, o := range objects {
		if err := s.check("remove", o.Name); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(objects, maxDelete) {
		left, err := s.removeBatch(ctx, batch)
		if err != nil {
			return err
		}
		// One by one: each has its own retries, and some servers know nothing else.
		err = work.Each(ctx, crew(smallWorkers), left, s.removeOne)
		if err != nil {
			return err
		}
	}
	return nil
}

// removeOne removes an object with a request of its own.
func (s *Store) removeOne(ctx context.Context, o Object) error {
	cond := condition{etag: o.ETag}
	in := &s3.DeleteObjectInput{Bucket: &s.loc.Bucket, Key: aws.String(s.loc.key(o.Name))}
	send := func() error {
		_, in.IfMatch = s.server.conditions(cond)
		_, err := s.client.DeleteObject(awsapi.WithSubject(ctx, o.Name), in)
		return err
	}
	err := send()
	if cond.refused(err) {
		s.server.unconditional.Store(true)
		err = send()
	}
	if cond.failed(err) || awsapi.HasCode(err, "NoSuchKey") {
		return nil
	}
	return s.explain(ctx, "remove", o.Name, err)
}

// removeBatch removes objects with one request and returns those it did not.
func (s *Store) removeBatch(ctx context.Context, objects []Object) (left []Object, err error) {
	if len(objects) == 1 {
		return objects, nil
	}
	ids := make([]types.ObjectIdentifier, len(objects))
	byKey := make(map[string]Object, len(objects))
	for i, o := range objects {
		key := s.loc.key(o.Name)
		ids[i].Key, byKey[key] = &key, o
		_, ids[i].ETag = s.server.conditions(condition{etag: o.ETag})
	}
	out, err := s.client.DeleteObjects(awsapi.WithSubject(ctx, s.loc.Path("")), &s3.DeleteObjectsInput{
		Bucket: &s.loc.Bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)}})
	if err != nil {
		// Servers that do not know it say so in many ways.
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok || ctx.Err() != nil || slices.Contains([]string{"AccessDenied", "NoSuchBucket"}, api.ErrorCode()) {
			return nil, s.explain(ctx, "remove", "", err)
		}
		return objects, nil
	}
	for _, e := range out.Errors {
		o, ok := byKey[aws.ToString(e.Key)]
		switch {
		case !ok:
			return objects, nil // it does not say of which: ask for each
		case aws.ToString(e.Code) != "NoSuchKey":
			left = append(left, o)
		}
	}
	return left, nil
}
