package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"purebundle/chunk/ebs/ebstest"
	"purebundle/chunk/ec2/ami/amitest"
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
	snapshots := ebstest.New(t.TempDir(), amitest.Account{Region: server.Region, Access: server.Access, Secret: server.Secret})
	front := httptest.NewServer(snapshots)
	t.Cleanup(front.Close)
	t.Setenv("AWS_ENDPOINT_URL_EBS", front.URL)
	t.Setenv("AWS_ENDPOINT_URL_EC2", front.URL)
	for _, c := range []struct {
		place, want string
		fault       ebstest.Fault
	}{
		{place: ""},
		{place: "s3://" + bucket + "/web", want: "/web answers, after "},
		{place: "s3://" + bucket + "-not/web", want: "does not exist"},
		{place: "ebs:", want: "EBS          answers in " + server.Region + ", after "},
		{place: "s3://" + bucket + "/web ebs:", want: "it finds the clock right\nEBS          answers in "},
		{place: "ebs:snap-0123456789abcdef0", want: "EBS          open ebs:snap-0123456789abcdef0: "},
		{"ebs:", "lets these credentials read no snapshots", ebstest.Fault{Status: 403, Code: "AccessDeniedException", Message: "no", Reason: "UNAUTHORIZED_ACCOUNT"}},
		{"ebs:", "EBS          list ebs:snap-00000000000000000: ", ebstest.Fault{Status: 400, Code: "ValidationException", Message: "no", Reason: "INVALID_SNAPSHOT_ID"}},
	} {
		if c.fault.Status != 0 {
			snapshots.Fail("ListSnapshotBlocks", c.fault)
		}
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
	for _, wrong := range []string{"/etc", "ebs:vol-1"} {
		if code, _, stderr := call("doctor", wrong); code != cli.StatusUsage || !strings.Contains(stderr, wrong) {
			t.Errorf("%s: status %d, %s", wrong, code, stderr)
		}
	}
}
