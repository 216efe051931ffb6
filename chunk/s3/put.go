package s3

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

// Put makes an object of body. S3 checks its SHA-256 before it exists.
func (s *Store) Put(ctx context.Context, name string, body []byte) error {
	_, _, err := s.put(ctx, name, body, int64(len(body)), digest(body), condition{})
	return err
}

// lateTime is how long an upload that was sent whole may still wait for its
// answer when ctx is done.
const lateTime = 500 * time.Millisecond

// put makes an object of the size bytes p, zeros if p is nil, whose digest is
// sum, in hexadecimal. The digest is not computed again: it is what S3 compares,
// what is signed, and what is kept with the object. It returns the ETag; unsure
// says of an error that the object may come about all the same. If the condition
// does not hold, the error is chunk.ErrBusy, and nothing was put.
//
// When ctx is done what was not sent whole is cut off, and so will never be an
// object. What was sent whole may be one already, or soon: its answer says.
func (s *Store) put(ctx context.Context, name string, p []byte, size int64, sum string, cond condition) (etag string, unsure bool, err error) {
	if err := s.check("put", name); err != nil {
		return "", false, err
	}
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	b := s.limit.Zeros(ctx, size)
	if p != nil {
		b = s.limit.Body(ctx, p)
	}
	stop := context.AfterFunc(ctx, func() {
		if b.Sent() {
			select {
			case <-late.Done():
			case <-time.After(lateTime):
			}
		}
		cancel()
	})
	defer stop()
	k := s.kept()
	in := &s3.PutObjectInput{
		Bucket:        &s.loc.Bucket,
		Key:           aws.String(s.loc.key(name)),
		Body:          b,
		ContentLength: &size,
		ACL:           k.acl, StorageClass: k.class, ServerSideEncryption: k.sse, SSEKMSKeyId: k.kmsKey, Tagging: k.tagging,
	}
	if cond.run != "" {
		in.Metadata = map[string]string{runKey: cond.run}
	}
	var out *s3.PutObjectOutput
	err = s.server.put(cond, func(m manner) (err error) {
		_, _ = b.Seek(0, io.SeekStart) // cannot fail
		in.IfNoneMatch, in.IfMatch = m.conditions(cond)
		if in.ChecksumSHA256, in.ContentMD5 = aws.String(base64Sum(sum)), nil; m.unsummed {
			in.ChecksumSHA256, in.ContentMD5 = nil, aws.String(base64Sum(md5Of(b)))
		}
		out, err = s.client.PutObject(awsapi.WithSubject(late, name), in, signed(sum), s.looking(name, cond))
		return err
	})
	if cond.failed(err) {
		// Unless an earlier try put it, whose answer was lost.
		if b.Tries > 1 || errors.Is(err, errThere) || cond.same {
			if etag, ok := s.holds(late, name, b, sum, cond); ok {
				return etag, false, nil
			}
		}
		return "", false, s.disturbed("put", name)
	}
	if err != nil {
		return "", b.Sent(), s.explain(ctx, "put", name, err)
	}
	if have := hexSum(out.ChecksumSHA256); have != "" && have != sum {
		return "", true, &chunk.Error{Op: "put", Path: s.loc.Path(name), Err: fmt.Errorf("S3 has SHA-256 %s instead of %s", have, sum)}
	}
	return unquote(out.ETag), false, nil
}

// signed gives the signer the digest of the body, which it would compute else.
func signed(sum string) func(*s3.Options) {
	return s3.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("KnownPayloadHash",
			func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
				return next.HandleFinalize(v4.SetPayloadHash(ctx, sum), in)
			}), "ComputePayloadHash", middleware.Before)
	})
}

// copy makes an object of another one, in S3, if that has the ETag was; "" is any. It
// returns the new ETag.
func (s *Store) copy(ctx context.Context, dir *Store, from, was, to string) (etag string, err error) {
	if err := dir.check("copy", from); err != nil {
		return "", err
	}
	if err := s.check("copy", to); err != nil {
		return "", err
	}
	k := s.kept()
	in := &s3.CopyObjectInput{
		Bucket:     &s.loc.Bucket,
		Key:        aws.String(s.loc.key(to)),
		CopySource: aws.String(copySource(dir.loc.Bucket, dir.loc.key(from))),
		// No ChecksumAlgorithm: a copy has that of its source, and some servers (R2, B2,
		// Storj) refuse the header.
		ACL: k.acl, StorageClass: k.class, ServerSideEncryption: k.sse, SSEKMSKeyId: k.kmsKey,
	}
	if was != "" {
		in.CopySourceIfMatch = aws.String(`"` + was + `"`)
	}
	if k.tagging != nil { // without, S3 copies tags, which needs another permission even if it finds none
		in.TaggingDirective, in.Tagging = types.TaggingDirectiveReplace, k.tagging
	}
	out, err := s.client.CopyObject(awsapi.WithSubject(ctx, to), in)
	if err != nil {
		return "", s.explain(ctx, "copy", to, err)
	}
	if out.CopyObjectResult == nil {
		return "", nil
	}
	return unquote(out.CopyObjectResult.ETag), nil
}

// copySource spells an object for the header x-amz-copy-source, which is URL
// encoded but for its slashes.
func copySource(bucket, key string) string {
	names := strings.Split(key, "/")
	for i, name := range names {
		names[i] = url.PathEscape(name)
	}
	return bucket + "/" + strings.ReplaceAll(strings.Join(names, "/"), "+", "%2B")
}

// digest returns the SHA-256 of p in hexadecimal.
func digest(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

// base64Sum spells a digest as S3 does.
func base64Sum(sum string) string {
	raw, _ := hex.DecodeString(sum)
	return base64.StdEncoding.EncodeToString(raw)
}

// hexSum spells a digest of S3 as the manifest does; "" if S3 gave none, or
// one that is not of the whole object.
func hexSum(sum *string) string {
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(sum))
	if err != nil || len(raw) != sha256.Size {
		return ""
	}
	return hex.EncodeToString(raw)
}

func unquote(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }
