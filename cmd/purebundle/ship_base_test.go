package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/s3/s3test"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/ship"
	"purebundle/ext2img/imgtest"
)

// elsewhere is the program, with an environment of its own: tests that change theirs
// are not run beside others.
type elsewhere struct {
	program string
	env     []string
}

// call runs the program, and fails if that ends with another status than 0.
func (e *elsewhere) call(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(e.program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), e.env...), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, &out, &errs)
	}
	return out.String(), errs.String()
}

// made makes a bundle, of which it returns the summary.
func (e *elsewhere) made(t *testing.T, args ...string) (s ship.Summary, said string) {
	t.Helper()
	stdout, said := e.call(t, append([]string{args[0], "--json", "--no-filter", "--no-default-excludes", "--free", "100%"}, args[1:]...)...)
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatal(err)
	}
	return s, said
}

// judge verifies a bundle of src and compares src with what the kernel mounts.
func (e *elsewhere) judge(t *testing.T, src, out string) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	e.call(t, "verify", "-q", "--deep", out)
	e.call(t, "unbundle", "-q", out, image)
	judgeImage(t, src, image)
}

// TestShipsInARow ships trees that change ten times, through a network that breaks
// requests, each time on the bundle before; then one is bundled to and from a directory.
func TestShipsInARow(t *testing.T) {
	imgtest.RequireRoot(t)
	t.Parallel()
	server := s3test.Start(t)
	for _, seed := range imgtest.Seeds(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bucket := server.Bucket(t)
			proxy := server.Proxy(t, s3test.Faults{Seed: seed, Rate: 0.05, Streak: 2, Kinds: []s3test.Kind{s3test.InternalError, s3test.LateError,
				s3test.CopyError, s3test.DeleteError, s3test.ResetRequest, s3test.ResetResponse, s3test.Truncate, s3test.CorruptRequest, s3test.CorruptObject}})
			direct := &elsewhere{program(t), server.Env()}
			broken := &elsewhere{direct.program, proxy.Env()}
			tree := newChanging(t, seed)
			last, kept := "", 0
			for n := range 10 {
				if n > 0 {
					tree.change(t)
				}
				s, said := broken.made(t, "ship", "--keep", "3", tree.dir, "s3://"+bucket+"/{hostname}/{date}-{uuid}")
				if string(s.Base) != last {
					t.Errorf("ship %d is on %q, not on %q: %s", n, s.Base, last, said)
				}
				if most := int64(s.Parts-s.ZeroParts-s.KeptParts+1) * chunk.Size; s.SentBytes > most {
					t.Errorf("ship %d sent %d bytes, of %d at most", n, s.SentBytes, most)
				}
				kept += s.KeptParts
				last = s.Manifest
				direct.judge(t, tree.dir, s.Manifest)
			}
			if kept < 2*9 {
				t.Errorf("%d parts were kept in all", kept)
			}
			direct.wantThree(t, server, bucket)
			if seed == 0 {
				direct.toAndFrom(t, tree.dir, last, bucket)
			}
		})
	}
}

// wantThree verifies the bundles in a bucket, of which there must be three.
func (e *elsewhere) wantThree(t *testing.T, server *s3test.Server, bucket string) {
	t.Helper()
	var left []string
	for _, key := range server.Keys(t, bucket) {
		if strings.HasSuffix(key, ".manifest.json") {
			left = append(left, key)
			e.call(t, "verify", "-q", "--deep", "s3://"+bucket+"/"+path.Dir(key))
		}
	}
	if len(left) != 3 {
		t.Errorf("left are %q", left)
	}
}

// toAndFrom bundles a tree to a directory on a base in S3, and back: parts are read in one
// place and written in the other.
func (e *elsewhere) toAndFrom(t *testing.T, src, last, bucket string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	s, said := e.made(t, "bundle", "--base", last, src, out)
	if string(s.Base) != last || s.KeptParts == 0 {
		t.Errorf("from S3: base %q, %d parts kept, %d files read: %s", s.Base, s.KeptParts, s.FilesRead, said)
	}
	e.judge(t, src, out)
	s, said = e.made(t, "bundle", "--base", out, src, "s3://"+bucket+"/from-disk")
	if s.KeptParts == 0 {
		t.Errorf("to S3: base %q, %d parts kept: %s", s.Base, s.KeptParts, said)
	}
	e.judge(t, src, "s3://"+bucket+"/from-disk")
	if said, _ := e.call(t, "upload", "--base", "s3://"+bucket+"/from-disk", out, "s3://"+bucket+"/upload"); !strings.Contains(said, " copied of s3://") {
		t.Errorf("upload --base: %s", said)
	}
	e.judge(t, src, "s3://"+bucket+"/upload")

	if s, _ := e.made(t, "ship", "--dry-run", src, "s3://"+bucket+"/{hostname}/{date}-{uuid}"); string(s.Base) != last || s.KeptParts == 0 {
		t.Errorf("a dry run has base %q and keeps %d parts", s.Base, s.KeptParts)
	}
	if s, _ := e.made(t, "ship", "--no-base", "--dry-run", src, "s3://"+bucket+"/{hostname}/{date}-{uuid}"); s.Base != "" || s.NoBase != "" {
		t.Errorf("--no-base: base %q, %q", s.Base, s.NoBase)
	}
}

// TestShipsInASecond has bundles whose dates in S3, which are in seconds, are the same.
func TestShipsInASecond(t *testing.T) {
	imgtest.RequireRoot(t)
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.Bucket(t)
	e := &elsewhere{program(t), server.Env()}
	src := t.TempDir()
	second := time.Now().Truncate(time.Second)
	last := ""
	for n := range 6 {
		s, said := e.made(t, "ship", src, "s3://"+bucket+"/{date}-{uuid}")
		if string(s.Base) != last {
			t.Errorf("ship %d is on %q, not on %q: %s", n, s.Base, last, said)
		}
		last = s.Manifest
		file := server.Path(bucket, strings.TrimPrefix(last, "s3://"+bucket+"/"))
		if err := os.Chtimes(file, second, second); err != nil {
			t.Fatal(err)
		}
	}
}

// TestShipBaseUsage has what does not go together.
func TestShipBaseUsage(t *testing.T) {
	for _, c := range [][]string{
		{"--no-base", "--base", "s3://b/old"},
		{"--no-base", "--reread"},
		{"--register", "--base", "s3://b/old"},
		{"--base", "ftp://b/old"},
	} {
		if code, _, stderr := call(append(append([]string{"ship"}, c...), t.TempDir(), "s3://b/{date}")...); code != cli.StatusUsage {
			t.Errorf("%v: status %d: %s", c, code, stderr)
		}
	}
}
