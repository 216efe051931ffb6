package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"purebundle/chunk/ec2/ami/amitest"
	"purebundle/chunk/s3/s3test"
	"purebundle/cmd/purebundle/ship"
)

// serverKey is where a story finds the S3 server that all stories share.
type serverKey struct{}

// s3 : an S3 server, and in it a bucket of the story's own: $BUCKET, whose objects
// are files in $OBJECTS. All AWS_ variables lead there. $HOST is what {hostname} is.
func cmdS3(ts *testscript.TestScript, _ bool, _ []string) {
	server := serverOf(ts)
	setAll(ts, server.Env())
	bucket := server.Bucket(testOf(ts))
	ts.Setenv("BUCKET", bucket)
	ts.Setenv("OBJECTS", filepath.Join(server.Dir, bucket))
	ts.Setenv("HOST", ship.FieldValues(time.Now())["hostname"])
}

// serverOf starts the server when the first story needs it.
func serverOf(ts *testscript.TestScript) *s3test.Server {
	s3test.Program(testOf(ts)) // skips the story if versitygw is not built
	return ts.Value(serverKey{}).(func() *s3test.Server)()
}

func setAll(ts *testscript.TestScript, env []string) {
	for _, line := range env {
		name, value, _ := strings.Cut(line, "=")
		ts.Setenv(name, value)
	}
}

// broken AFTER KIND : from now on the server is reached through something that
// breaks each request in that way (see s3test.Kind), after so many have passed.
// "gone" takes connections and ends them.
func cmdBroken(ts *testscript.TestScript, _ bool, args []string) {
	after, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	name := strings.Join(args[1:], " ")
	if name == "gone" {
		name = s3test.ResetRequest.String()
	}
	for _, kind := range s3test.Kinds() {
		if kind.String() != name {
			continue
		}
		var passed atomic.Int64
		proxy := serverOf(ts).Proxy(testOf(ts), s3test.Faults{Rate: 1, Kinds: []s3test.Kind{kind},
			Only: func(*http.Request) bool { return passed.Add(1) > after }})
		setAll(ts, proxy.Env())
		return
	}
	ts.Fatalf("unknown kind %q", name)
}

// ec2api : a server that answers as EC2 does; AWS_ENDPOINT_URL_EC2 leads there.
func cmdEC2API(ts *testscript.TestScript, _ bool, _ []string) {
	s := serverOf(ts)
	api := amitest.Start(testOf(ts), amitest.Account{Region: s.Region, Access: s.Access, Secret: s.Secret})
	api.Looks = 0 // nobody here needs to see it wait
	ts.Setenv("AWS_ENDPOINT_URL_EC2", api.Endpoint)
}

// objects [PATTERN...] : the story's bucket holds objects for each of the patterns, and no others.
func cmdObjects(ts *testscript.TestScript, _ bool, args []string) {
	wantOnly(ts, "the bucket", serverOf(ts).Keys(testOf(ts), ts.Getenv("BUCKET")), args)
}

// flip KEY OFFSET : inverts a byte of an object behind the server's back.
func cmdFlip(ts *testscript.TestScript, _ bool, args []string) {
	offset, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	serverOf(ts).Flip(testOf(ts), ts.Getenv("BUCKET"), args[0], offset)
}

// age FILE DAYS : makes a file older.
func cmdAge(ts *testscript.TestScript, _ bool, args []string) {
	days, err := strconv.Atoi(args[1])
	ts.Check(err)
	when := time.Now().AddDate(0, 0, -days)
	ts.Check(os.Chtimes(ts.MkAbs(args[0]), when, when))
}

// awsEnv returns the AWS_ variables of a story, for programs that it does not start
// itself.
func awsEnv(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_EC2_METADATA_DISABLED", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_MAX_ATTEMPTS"} {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}
