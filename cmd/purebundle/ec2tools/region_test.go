package ec2tools

import "testing"

// No --region means us-east-1, unless the environment says another, which the SDK finds.
func TestOldRegion(t *testing.T) {
	for _, tt := range []struct{ region, older, want string }{
		{"", "", "us-east-1"},
		{"eu-west-1", "", ""},
		{"", "eu-west-2", ""},
	} {
		t.Setenv("AWS_REGION", tt.region)
		t.Setenv("AWS_DEFAULT_REGION", tt.older)
		if have := oldRegion(); have != tt.want {
			t.Errorf("AWS_REGION=%q AWS_DEFAULT_REGION=%q: %s", tt.region, tt.older, have)
		}
	}
}
