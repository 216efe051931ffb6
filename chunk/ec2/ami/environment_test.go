package ami_test

import (
	"path/filepath"
	"testing"

	"purebundle/chunk/awsapi"
	"purebundle/chunk/ec2/ami"
	"purebundle/chunk/ec2/ami/amitest"
)

// All that is needed comes from the environment, as for every program that
// speaks to AWS.
func TestEnvironment(t *testing.T) {
	s := amitest.Start(t, amitest.Account{Region: "ap-south-1", Access: "AKONE", Secret: "one"})
	s.Setenv(t)
	for name, value := range map[string]string{
		"AWS_REGION": s.Region, "AWS_ACCESS_KEY_ID": s.Access, "AWS_SECRET_ACCESS_KEY": s.Secret, "AWS_SESSION_TOKEN": "token",
		"AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
		"AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"),
	} {
		t.Setenv(name, value)
	}
	cfg, err := awsapi.Load(t.Context(), awsapi.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Fail("RegisterImage", amitest.Lost)
	id, err := ami.Register(t.Context(), cfg, ami.Input{Name: "web", Location: location})
	if err != nil {
		t.Fatal(err)
	}
	if err := ami.Wait(t.Context(), cfg, id, quick); err != nil {
		t.Error(err)
	}
}
