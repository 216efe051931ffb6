package s3

import (
	"context"
	"errors"
	"net"
	"testing"
)

// A bucket is named in the path where the endpoint's host has no name for it.
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
