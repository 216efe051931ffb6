package s3

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"purebundle/chunk/awsapi"
)

// A bucket is named in the path if the endpoint's host has no name for it.
func TestNoNameBelow(t *testing.T) {
	lookup := func(_ context.Context, name string) ([]string, error) {
		switch name {
		case "bucket.wild.example.test.":
			return []string{"192.0.2.1"}, nil
		case "bucket.plain.example.test.":
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		case "bucket.slow.example.test.":
			return nil, &net.DNSError{Err: "timeout", Name: name, IsTimeout: true}
		}
		t.Errorf("looks up %s", name)
		return nil, errors.New("unexpected")
	}
	for _, tt := range []struct {
		endpoint string
		want     bool
	}{
		{"https://plain.example.test", true},
		{"https://Plain.example.test.:9000/x", true},
		{"https://wild.example.test", false},
		{"https://slow.example.test", false}, // not known: as it was
		{"https://s3.eu-west-1.amazonaws.com", false},
		{"https://s3.cn-north-1.amazonaws.com.cn", false},
		{"http://192.0.2.1:9000", false}, // plainHost knows it
		{"", false},
	} {
		if have := noNameBelow(t.Context(), tt.endpoint, "bucket", lookup); have != tt.want {
			t.Errorf("%q: %v", tt.endpoint, have)
		}
	}
}

// What the profile says of the style is heeded.
func TestStyleOfProfile(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config")
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK", "AWS_PROFILE": "", "AWS_REGION": "eu-west-1",
		"AWS_ENDPOINT_URL": "", "AWS_CONFIG_FILE": config, "AWS_SHARED_CREDENTIALS_FILE": config + "-none"} {
		t.Setenv(name, value)
	}
	for _, tt := range []struct {
		style, endpoint string
		want            bool
	}{
		{"path", "", true},
		{"path", "https://s3.eu-west-1.amazonaws.com", true},
		{"virtual", "", false},
		{"virtual", "https://s3.example.invalid", false}, // RFC 6761: no name below it
		{"auto", "", false},
	} {
		if err := os.WriteFile(config, []byte("[default]\ns3 =\n  addressing_style = "+tt.style+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Location{Bucket: "bucket"}, Options{Options: awsapi.Options{Endpoint: tt.endpoint}})
		if err != nil {
			t.Fatal(err)
		}
		if have := s.client.Options().UsePathStyle; have != tt.want {
			t.Errorf("%+v: %v", tt, have)
		}
	}
}
