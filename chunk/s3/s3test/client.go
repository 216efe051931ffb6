package s3test

import (
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Env returns the environment that leads the SDK's standard chain to this server
// and away from the files and the instance of the user: "NAME=value".
func (s *Server) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.Endpoint,
		"AWS_REGION=" + s.Region,
		"AWS_ACCESS_KEY_ID=" + s.Access,
		"AWS_SECRET_ACCESS_KEY=" + s.Secret,
		"AWS_SESSION_TOKEN=",
		"AWS_PROFILE=",
		"AWS_CA_BUNDLE=",
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + filepath.Join(s.Dir, ".no-config"),
		"AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(s.Dir, ".no-credentials"),
	}
}

// Setenv sets Env for the rest of the test.
func (s *Server) Setenv(t testing.TB) {
	t.Helper()
	setenv(t, s.Env())
}

// Client returns a plain client of the SDK: what a test looks at the server with.
func (s *Server) Client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.Endpoint),
		Region:       s.Region,
		Credentials:  credentials.NewStaticCredentialsProvider(s.Access, s.Secret, ""),
		UsePathStyle: true,
	})
}

// Bucket makes a bucket and gives its name.
func (s *Server) Bucket(t testing.TB) string {
	t.Helper()
	name := "bucket-" + random(5)
	_, err := s.Client().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
	if err != nil {
		t.Fatal(err)
	}
	return name
}
