package s3test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

func TestServer(t *testing.T) {
	s := Start(t)
	s.Setenv(t)
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	bucket := s.Bucket(t)
	body := bytes.Repeat([]byte("0123456789abcdef"), 1000)
	put := func(key string, body []byte, sum [32]byte) error {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body),
			ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:]))})
		return err
	}
	if err := put("dir/one", body, sha256.Sum256(body)); err != nil {
		t.Fatal(err)
	}
	var api smithy.APIError
	if err := put("dir/wrong", body, sha256.Sum256(nil)); !errors.As(err, &api) || api.ErrorCode() != "BadDigest" {
		t.Errorf("a wrong checksum: %v", err)
	}
	if keys := s.Keys(t, bucket); !slices.Equal(keys, []string{"dir/one"}) {
		t.Errorf("keys %q", keys)
	}
	if !bytes.Equal(s.Read(t, bucket, "dir/one"), body) {
		t.Error("the file is not what was put")
	}
	s.Flip(t, bucket, "dir/one", 5)
	got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("dir/one"), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if _, err := io.ReadAll(got.Body); (err == nil) != s.Make.Unwatched {
		t.Errorf("a flipped byte, for the SDK's own checksum: %v", err)
	}
	s.Truncate(t, bucket, "dir/one", 7)
	if n := len(s.Read(t, bucket, "dir/one")); n != 7 {
		t.Errorf("%d bytes after Truncate", n)
	}
	s.Remove(t, bucket, "dir/one")
	_, err = client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String("dir/one")})
	var missing *types.NotFound
	if !errors.As(err, &missing) {
		t.Errorf("an object that was removed: %v", err)
	}
}

// A server ends with its test, failed or not, and leaves no directory.
func TestServerEnds(t *testing.T) {
	var s *Server
	t.Run("inner", func(t *testing.T) { s = Start(t) })
	if _, err := http.Get(s.Endpoint); err == nil {
		t.Error("still answers")
	}
	if _, err := os.Stat(s.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory: %v", err)
	}
}
