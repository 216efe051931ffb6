package main

import (
	"strings"
	"testing"

	"purebundle/chunk/s3/s3test"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// The page of doctor has each of its parts, with S3 also whether that answers; what
// fails is in the page, and the other parts are there all the same.
func TestDoctor(t *testing.T) {
	imgtest.RequireRoot(t)
	server := s3test.Start(t)
	server.Setenv(t)
	bucket := server.Bucket(t)
	for _, c := range []struct{ place, want string }{
		{"", ""},
		{"s3://" + bucket + "/web", "it finds the clock right"},
		{"s3://" + bucket + "-not/web", "does not exist"},
	} {
		args := strings.Fields("doctor " + c.place)
		code, stdout, stderr := call(args...)
		if code != cli.StatusDone || stderr != "" {
			t.Errorf("%s: status %d, %s", c.place, code, stderr)
		}
		for _, want := range []string{"purebundle  ", "machine  ", " (proc) refused: ", "\ndisk  ", c.want} {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: no %q:\n%s", c.place, want, stdout)
			}
		}
	}
	if code, _, stderr := call("doctor", "/etc"); code == cli.StatusDone {
		t.Errorf("a directory: %s", stderr)
	}
}
