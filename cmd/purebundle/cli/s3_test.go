package cli

import (
	"testing"
)

func TestRateFlag(t *testing.T) {
	for in, want := range map[string]int64{"5M": 5 << 20, "5MiB/s": 5 << 20, "1024": 1024, "1K": 1024, "0": 0} {
		var f Rate
		if err := f.Set(in); err != nil || int64(f) != want {
			t.Errorf("%s: %d, %v", in, f, err)
		}
	}
	for _, in := range []string{"1", "5", "1023", "-5", "x"} {
		var f Rate
		if f.Set(in) == nil {
			t.Errorf("%s: taken as %d", in, f)
		}
	}
}

// The next command can be typed as it is.
func TestAgain(t *testing.T) {
	c := S3{Region: "eu-west-1", Profile: "my profile", Endpoint: "http://h:9", pathStyle: true, ACL: "private"}
	if got := c.Again(); got != " --region eu-west-1 --profile 'my profile' --endpoint-url http://h:9 --path-style" {
		t.Error(got)
	}
	if got := c.CliFlags(); got != " --region eu-west-1 --profile 'my profile'" {
		t.Error(got)
	}
}
