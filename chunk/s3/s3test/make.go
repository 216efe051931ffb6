package s3test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"purebundle/ext2img/imgtest"
)

// Make is an S3 server of one make and version, and how it differs from Amazon's
// as far as the tests meet it.
type Make struct {
	Name    string // of the program, and of what "make" builds
	Version string

	xattr bool                                      // keeps metadata in extended attributes
	own   []string                                  // names of its own below a bucket that are no objects
	stale time.Duration                             // how long it believes what it knew of a file
	start func(s *Server, address string) *exec.Cmd // Path is set by the caller

	// Unwatched is true if checksums and other metadata are forgotten when the file
	// of an object changes behind the server's back: it does not notice the damage.
	Unwatched bool
	// CopyForgets is true if the checksum of an object does not go with a copy of it.
	CopyForgets bool
	// Conditions are those that it heeds.
	Conditions Conditions
	// Mismatch is the code of the answer to a body that is not what was signed.
	Mismatch string
}

// Conditions says on which conditions of a request a server refuses it. If one is not
// heeded, the request is done all the same.
type Conditions struct {
	PutAbsent    bool // PutObject, If-None-Match: *
	PutMatch     bool // PutObject, If-Match
	CopyMatch    bool // CopyObject, x-amz-copy-source-if-match
	DeleteMatch  bool // DeleteObject, If-Match
	DeletesMatch bool // DeleteObjects, an ETag for each object
}

// Versitygw keeps each object as a file and its metadata in extended attributes.
var Versitygw = &Make{Name: "versitygw", Version: "v1.8.0", xattr: true, own: []string{".sgwtmp"},
	Conditions: Conditions{PutAbsent: true, PutMatch: true, CopyMatch: true, DeleteMatch: true}, Mismatch: "XAmzContentSHA256Mismatch",
	start: func(s *Server, address string) *exec.Cmd {
		cmd := exec.Command("", "--port", address, "--region", s.Region, "--keep-alive", "posix", s.Dir)
		cmd.Env = []string{"ROOT_ACCESS_KEY_ID=" + s.Access, "ROOT_SECRET_ACCESS_KEY=" + s.Secret}
		return cmd
	}}

// Rclone is "rclone serve s3" over a directory. Its metadata are in its memory, and
// an ETag is the MD5 of the file as it is then.
var Rclone = &Make{Name: "rclone", Version: "v1.76.0", Unwatched: true, CopyForgets: true,
	Conditions: Conditions{PutAbsent: true, PutMatch: true, CopyMatch: true, DeleteMatch: true, DeletesMatch: true},
	Mismatch:   "BadDigest",           // of the checksum: the signed digest is not compared
	stale:      50 * time.Millisecond, // with 0 its timers take all of a processor
	start: func(s *Server, address string) *exec.Cmd {
		cmd := exec.Command("", "serve", "s3", "--addr", address, "--auth-key", s.Access+","+s.Secret,
			"--dir-cache-time", "50ms", "--local-no-check-updated", "--config", "/dev/null", "-v", s.Dir)
		return cmd
	}}

// Makes are all of them. The first is the one that tests use.
var Makes = []*Make{Versitygw, Rclone}

// Variable names, in the environment, the Make that tests use instead of the first.
const Variable = "PUREBUNDLE_TEST_S3"

// chosen returns the Make that tests use.
func chosen(t testing.TB) *Make {
	t.Helper()
	name := os.Getenv(Variable)
	for _, m := range Makes {
		if name == "" || name == m.Name {
			return m
		}
	}
	t.Fatalf("%s=%s: there is no such S3 server", Variable, name)
	return nil
}

// Program returns the path of the program. It skips the test if it is not built;
// if CI=true that is a failure.
func (m *Make) Program(t testing.TB) string {
	t.Helper()
	path, err := m.Find()
	if err != nil {
		imgtest.Missing(t, err.Error())
	}
	return path
}

// Find returns the path of the program, in the user's cache directory.
func (m *Make) Find() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("needs %s: %w", m.Name, err)
	}
	path := filepath.Join(cache, "purebundle-test", m.Name+"-"+m.Version, m.Name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("needs %s: make %s builds it", path, m.Name)
	}
	return path, nil
}
