package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"purebundle/chunk/s3/s3test"
	"purebundle/ext2img/imgtest"
)

// recordedPuts is the headers of what was put, by the last element of the key.
type recordedPuts struct {
	mu   sync.Mutex
	puts map[string]http.Header
}

// recordPuts starts a proxy that breaks nothing.
func recordPuts(t *testing.T) (bucket string, r *recordedPuts) {
	t.Helper()
	server := s3test.Start(t)
	r = &recordedPuts{puts: map[string]http.Header{}}
	server.Proxy(t, s3test.Faults{Rate: 1, Only: func(q *http.Request) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if q.Method == http.MethodPut {
			r.puts[filepath.Base(q.URL.Path)] = q.Header.Clone()
		}
		return false
	}}).Setenv(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	return server.Bucket(t), r
}

func (r *recordedPuts) want(t *testing.T, name string, headers map[string]string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	got, ok := r.puts[name]
	if !ok {
		t.Fatalf("%s was not put", name)
	}
	for key, value := range headers {
		if got.Get(key) != value {
			t.Errorf("%s: %s is %q, not %q", name, key, got.Get(key), value)
		}
	}
}

// What the flags say of the objects is in the requests that make them. The server
// need not know all of it.
func TestFlagsReachS3(t *testing.T) {
	bucket, r := recordPuts(t)
	tree := t.TempDir()
	fillFile(t, filepath.Join(tree, "data"), 1<<20)
	_, _, _ = call("bundle", "--progress", "none", "--acl", "bucket-owner-full-control", "--storage-class", "STANDARD_IA",
		"--sse-kms-key-id", "my-key", "--tag", "team=web", "--tag", "a=b c", tree, "s3://"+bucket+"/x")
	r.want(t, "image.part.000", map[string]string{
		"x-amz-acl": "bucket-owner-full-control", "x-amz-storage-class": "STANDARD_IA", "x-amz-tagging": "a=b+c&team=web",
		"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "my-key",
	})
}

// A bundle in Amazon's format is one that EC2 can read.
func TestUploadForEC2(t *testing.T) {
	bucket, r := recordPuts(t)
	dir := t.TempDir()
	keys := openssl(t, dir)
	fillFile(t, filepath.Join(dir, "image"), 1<<20)
	args := append([]string{"ec2", "bundle-image", "--progress", "none", "-i", filepath.Join(dir, "image"), "-d", filepath.Join(dir, "out"), "-r", "x86_64"}, keys...)
	if code, _, stderr := call(args...); code != 0 {
		t.Fatal(stderr)
	}
	manifest := filepath.Join(dir, "out", "image.manifest.xml")
	code, stdout, stderr := call("ec2", "upload-bundle", "--progress", "none", "-b", bucket, "-m", manifest)
	if code != 0 || !strings.Contains(stdout, "register -p image") {
		t.Fatal(stdout, stderr)
	}
	for _, name := range []string{"image.part.0", "image.manifest.xml"} {
		r.want(t, name, map[string]string{"x-amz-acl": "aws-exec-read"})
	}
	if code, _, stderr := call("ec2", "upload-bundle", "--progress", "none", "-b", bucket, "-m", manifest, "--acl", "public-read", "--force"); code != 0 {
		t.Fatal(stderr)
	}
	r.want(t, "image.part.0", map[string]string{"x-amz-acl": "public-read"})

	// Under another name, its parts would take the place of those.
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	renamed := filepath.Join(dir, "out", "web.manifest.xml")
	if err := os.WriteFile(renamed, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := call("ec2", "upload-bundle", "--progress", "none", "-b", bucket, "-m", renamed, "--force"); code != 1 || !strings.Contains(stderr, "names parts of that bundle") {
		t.Fatal(code, stderr)
	}
	if code, _, stderr := call("ec2", "upload-bundle", "--progress", "none", "-b", bucket+"/other", "-m", renamed); code != 0 {
		t.Fatal(stderr)
	}
}

// openssl makes a user's key and certificate and those of EC2, and gives the
// options that name them.
func openssl(t *testing.T, dir string) []string {
	t.Helper()
	for _, name := range []string{"user", "ec2"} {
		imgtest.Run(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN="+name,
			"-keyout", filepath.Join(dir, name+".key"), "-out", filepath.Join(dir, name+".pem"))
	}
	return []string{"--privatekey", filepath.Join(dir, "user.key"), "--cert", filepath.Join(dir, "user.pem"), "--ec2cert", filepath.Join(dir, "ec2.pem"), "--user", "123456789012"}
}
