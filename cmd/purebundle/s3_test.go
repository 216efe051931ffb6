package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"purebundle/chunk/s3/s3test"
	"purebundle/cmd/purebundle/cli"
)

func TestS3Flags(t *testing.T) {
	for _, c := range []struct {
		name, args, wrong string
	}{
		{"a flag without a place", "verify --profile x out", "--profile is about S3"},
		{"another", "bundle --tag a=b tree out", "--tag is about S3"},
		{"no =", "bundle --tag a tree s3://bucket/x", "write it as in team=web"},
		{"no key", "bundle --tag =a tree s3://bucket/x", "write it as in team=web"},
		{"a tag twice", "bundle --tag a=1 --tag a=2 tree s3://bucket/x", "a is given twice"},
		{"no request at a time", "bundle --concurrency 0 tree s3://bucket/x", "--concurrency 0"},
		{"too many", "bundle --concurrency 65 tree s3://bucket/x", "--concurrency 65"},
		{"an unknown ACL", "bundle --acl all tree s3://bucket/x", "--acl all"},
		{"an unknown encryption", "bundle --sse rot13 tree s3://bucket/x", "--sse rot13"},
		{"a key for the other encryption", "bundle --sse AES256 --sse-kms-key-id k tree s3://bucket/x", "--sse-kms-key-id does not go with"},
		{"no URL", "bundle --endpoint-url localhost:9000 tree s3://bucket/x", "is no URL"},
		{"no rate", "bundle --limit-rate fast tree s3://bucket/x", "--limit-rate fast"},
		{"no bucket", "verify s3://", "bucket"},
		{"two names", "verify -p a s3://bucket/x/b.manifest.json", `is the manifest of "b", not of "a"`},
		{"upload to a directory", "upload a b", "no place in S3"},
		{"upload from S3", "upload s3://a/b s3://a/c", "in S3 already"},
		{"download to S3", "download s3://a/b s3://a/c", "DEST is a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := call(strings.Fields(c.args)...)
			if code != cli.StatusUsage || stdout != "" || !strings.Contains(stderr, c.wrong) {
				t.Errorf("status %d, %q", code, stderr)
			}
		})
	}
}

// A signal at random moments of a run to S3, over an older bundle and without
// one: gone within a second; without one nothing is there, else the older one.
func TestInterruptedInS3(t *testing.T) {
	server := s3test.Start(t)
	server.Setenv(t)
	bucket := server.Bucket(t)
	purebundle, tree := program(t), filepath.Join(t.TempDir(), "tree")
	fillFile(t, filepath.Join(tree, "data"), 60<<20)
	fresh := []string{purebundle, "bundle", "--progress", "none", "--limit-rate", "120M", tree, "s3://" + bucket + "/fresh"}
	over := []string{purebundle, "bundle", "--progress", "none", "--limit-rate", "120M", "--force", tree, "s3://" + bucket + "/over"}
	if code, stderr, _ := interruptible(t, 0, -1, over...); code != 0 {
		t.Fatal(stderr)
	}
	fillFile(t, filepath.Join(tree, "more"), 30<<20)
	objects := func(dir string) map[string]string {
		all := map[string]string{}
		for _, key := range server.Keys(t, bucket) {
			if strings.HasPrefix(key, dir+"/") {
				all[key] = string(server.Read(t, bucket, key))
			}
		}
		return all
	}
	older := objects("over")
	if len(older) < 8 {
		t.Fatalf("the older bundle has %d objects", len(older))
	}
	rounds := 24
	if testing.Short() {
		rounds = 6
	}
	random := rand.New(rand.NewPCG(7, 1))
	ended := map[string]int{}
	for i := range rounds {
		sig := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}[i%3]
		delay := time.Duration(random.Int64N(int64(1200 * time.Millisecond)))
		args, want := fresh, map[string]string{}
		if i%2 == 1 {
			args, want = over, older
		}
		what := fmt.Sprintf("%s, %v after %v", args[len(args)-1], sig, delay)
		code, stderr, _ := interruptible(t, sig, delay, args...)
		ended[wantInterrupted(t, what, sig, code, stderr)]++
		switch {
		case code == cli.StatusDone && i%2 == 1:
			older = objects("over")
		case code == cli.StatusDone:
		case i%2 == 1 && !maps.Equal(objects("over"), want), i%2 == 0 && len(objects("fresh")) > 0:
			t.Errorf("%s: S3 holds %q\n%s", what, slices.Sorted(maps.Keys(objects(filepath.Base(args[len(args)-1])))), stderr)
		}
		if code == cli.StatusDone && i%2 == 0 {
			if code, stderr, _ := interruptible(t, 0, -1, purebundle, "delete", "--yes", args[len(args)-1]); code != 0 {
				t.Fatal(stderr)
			}
		}
	}
	t.Log(ended)
	if ended["interrupted"] < rounds/4 {
		t.Error("too few were interrupted")
	}
}
