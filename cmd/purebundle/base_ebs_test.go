package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/chunk/ebs/ebstest"
	"purebundle/chunk/ec2/ami/amitest"
	"purebundle/chunk/s3/s3test"
	"purebundle/cmd/purebundle/ship"
	"purebundle/ext2img/imgtest"
)

// inEBS is a tree, an EBS, and the program that takes one to the other.
type inEBS struct {
	elsewhere
	server *ebstest.Server
	src    string
}

// bundle makes a snapshot of the tree, on a base unless that is "".
func (e *inEBS) bundle(t *testing.T, base string, more ...string) (s ship.Summary, said string) {
	t.Helper()
	args := append([]string{"bundle"}, more...)
	if base != "" {
		args = append(args, "--base", base)
	}
	return e.made(t, append(args, e.src, "ebs:")...)
}

// judgeVolume verifies a snapshot, and compares the tree with a volume made of it, in which
// all is random that no generation has put.
func (e *inEBS) judgeVolume(t *testing.T, s ship.Summary) {
	t.Helper()
	if out, _ := e.call(t, "verify", "--deep", string(s.Dest)); !strings.Contains(out, "manifest, digests and file system") {
		t.Error(out)
	}
	image := e.server.File(t, strings.TrimPrefix(string(s.Dest), "ebs:"), s.ImageSize)
	imgtest.Fsck(t, image)
	mnt := imgtest.Mount(t, image)
	imgtest.Compare(t, e.src, mnt, imgtest.CompareOptions{})
	imgtest.Unmount(t, mnt)
	if err := os.Remove(image); err != nil {
		t.Fatal(err)
	}
}

// TestBaseGenerationsEBS puts trees that change ten times into encrypted snapshots, each
// made of the one before it, which is then deleted: what did not change is neither read
// nor sent. Then the last one is taken elsewhere.
func TestBaseGenerationsEBS(t *testing.T) {
	imgtest.RequireRoot(t)
	if testing.Short() {
		t.Skip("TestBaseGenerations has the same goroutines")
	}
	t.Parallel()
	store := s3test.Start(t)
	for _, seed := range imgtest.Seeds(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := ebstest.StartFor(t, amitest.Account{Region: store.Region, Access: store.Access, Secret: store.Secret})
			s.Encrypt = true
			tree := newChanging(t, seed)
			e := &inEBS{elsewhere{program(t), append(s.Env(), "AWS_ENDPOINT_URL_S3="+store.Endpoint)}, s, tree.dir}
			base := e.generations(t, tree)
			if seed == 0 {
				e.takeElsewhere(t, base, t.TempDir(), "s3://"+store.Bucket(t)+"/dir")
				e.refuse(t, base)
			}
		})
	}
}

// generations makes ten snapshots of a tree that changes. It returns the last one.
func (e *inEBS) generations(t *testing.T, tree *changing) (base string) {
	t.Helper()
	first, kept := 0, 0
	for gen := range 10 {
		if gen > 1 {
			tree.change(t)
		}
		sum, said := e.bundle(t, base)
		if (sum.Base == "") != (base == "") {
			t.Errorf("generation %d: base %q: %s", gen, sum.Base, said)
		}
		list := e.server.Snapshots()
		made := list[len(list)-1]
		switch {
		case gen == 0:
			first = made.Blocks
		case gen == 1 && (sum.FilesRead != 0 || made.Blocks > 12): // nothing changed
			t.Errorf("nothing changed: %d files read, %d blocks put of %d", sum.FilesRead, made.Blocks, first)
		case made.Blocks >= first:
			t.Errorf("generation %d: %d blocks put, %d at first", gen, made.Blocks, first)
		}
		kept += sum.KeptParts
		e.judgeVolume(t, sum)
		if base != "" {
			e.server.Delete(strings.TrimPrefix(base, "ebs:"))
		}
		base = string(sum.Dest)
	}
	if kept < 2*9 {
		t.Errorf("%d parts were kept in all", kept)
	}
	return base
}

// takeElsewhere makes of a snapshot of the tree bundles in a directory and in S3: as the
// base, of which parts are read, and as what is downloaded, also without its manifest.
func (e *inEBS) takeElsewhere(t *testing.T, place, top, bucket string) {
	t.Helper()
	out := filepath.Join(top, "out")
	if sum, said := e.made(t, "bundle", "--base", place, e.src, out); sum.KeptParts == 0 {
		t.Errorf("nothing is taken from the snapshot: %s", said)
	}
	e.judge(t, e.src, out)
	stranger := "ebs:" + e.server.Copy(t, strings.TrimPrefix(place, "ebs:"))
	if said, _ := e.call(t, "verify", stranger); !strings.Contains(said, "GiB: digests\n") {
		t.Errorf("verify of a copy: %s", said)
	}
	for from, to := range map[string]string{place: bucket, stranger: filepath.Join(top, "stranger")} {
		e.call(t, "download", from, to)
		e.judge(t, e.src, to)
	}
}

// refuse has bases that cannot be one: they are not used, and the snapshot is right all the
// same.
func (e *inEBS) refuse(t *testing.T, base string) {
	t.Helper()
	refused := func(want string, args ...string) {
		t.Helper()
		sum, said := e.bundle(t, base, args...)
		if sum.Base != "" || strings.Count(said, "is not used as the base") != 1 || !strings.Contains(said, want) {
			t.Errorf("%s: base %q: %s", want, sum.Base, said)
		}
		e.judgeVolume(t, sum)
	}
	refused("another key", "--kms-key-id", "arn:aws:kms:eu-west-1:123456789012:key/other")
	e.server.Put(t, strings.TrimPrefix(base, "ebs:"), 0, make([]byte, ebstest.BlockSize))
	refused("SHA-256 is", "--patience", "1s")
}
