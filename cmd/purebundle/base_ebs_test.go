package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purebundle/chunk/ebs/ebstest"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// judgeSnapshot verifies a snapshot of src, and compares src with a volume made of it, in
// which all is random that no generation has put.
func judgeSnapshot(t *testing.T, s *ebstest.Server, call caller, src, place string, size int64) {
	t.Helper()
	if code, stdout, stderr := call("verify", "--deep", place); code != cli.StatusDone || !strings.Contains(stdout, "manifest, digests and file system") {
		t.Fatalf("verify: status %d\n%s%s", code, stdout, stderr)
	}
	image := s.File(t, strings.TrimPrefix(place, "ebs:"), size)
	imgtest.Fsck(t, image)
	mnt := imgtest.Mount(t, image)
	imgtest.Compare(t, src, mnt, imgtest.CompareOptions{})
	imgtest.Unmount(t, mnt)
	if err := os.Remove(image); err != nil {
		t.Fatal(err)
	}
}

// TestBaseGenerationsEBS puts a tree that changes into encrypted snapshots, each made of the
// one before it, which is then deleted: what did not change is neither read nor sent.
func TestBaseGenerationsEBS(t *testing.T) {
	imgtest.RequireRoot(t)
	if testing.Short() {
		t.Skip("waits, and TestBaseGenerations has the same goroutines")
	}
	s := ebstest.Start(t)
	s.Encrypt = true
	t.Parallel()
	call := callIn(t, s.Env())
	top := t.TempDir()
	src := subdir(t, top, "src")
	imgtest.RandomTree(t, 17, src, imgtest.RandomOptions{Entries: 150, Plain: imgtest.NoFlags})
	for i := range 6 {
		noisy(t, filepath.Join(src, fmt.Sprint("large", i)), 6<<20)
	}
	time.Sleep(11 * time.Second) // until the files are such as a base may vouch for
	base, first, kept := "", 0, 0
	bundle := func(gen int) {
		t.Helper()
		sum, said := bundleBy(t, call, src, "ebs:", base, "--free", "100%")
		if (sum.Base == "") != (base == "") {
			t.Errorf("generation %d: base %q: %s", gen, sum.Base, said)
		}
		list := s.Snapshots()
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
		judgeSnapshot(t, s, call, src, string(sum.Dest), sum.ImageSize)
		if base != "" {
			s.Delete(strings.TrimPrefix(base, "ebs:"))
		}
		base = string(sum.Dest)
	}
	for gen := range 4 {
		if gen > 1 {
			imgtest.Churn(t, uint64(gen), src, 5)
		}
		bundle(gen)
	}
	if kept == 0 {
		t.Error("no part was kept")
	}

	// Into a directory the parts come from the snapshot, and a download is the same bundle.
	out := filepath.Join(top, "out")
	if sum, said := bundleBy(t, call, src, out, base, "--free", "100%"); sum.KeptParts == 0 {
		t.Errorf("nothing is taken from the snapshot: %s", said)
	}
	judgeBundle(t, src, out)
	stranger := "ebs:" + s.Copy(t, strings.TrimPrefix(base, "ebs:"))
	if _, stdout, _ := call("verify", stranger); !strings.Contains(stdout, "GiB: digests\n") {
		t.Errorf("verify of a copy: %s", stdout)
	}
	for from, kind := range map[string]string{base: "ours", stranger: "a stranger's"} {
		copied := filepath.Join(top, kind)
		if code, _, stderr := call("download", from, copied); code != cli.StatusDone {
			t.Fatalf("download of %s: status %d: %s", kind, code, stderr)
		}
		judgeBundle(t, src, copied)
	}

	// A base that cannot be one is not used, and the snapshot is right all the same.
	s.Encrypt = false
	refused := func(want string, args ...string) {
		t.Helper()
		sum, said := bundleBy(t, call, src, "ebs:", base, args...)
		if sum.Base != "" || strings.Count(said, "is not used as the base") != 1 || !strings.Contains(said, want) {
			t.Errorf("%s: base %q: %s", want, sum.Base, said)
		}
		judgeSnapshot(t, s, call, src, string(sum.Dest), sum.ImageSize)
	}
	refused("another key", "--kms-key-id", "arn:aws:kms:eu-west-1:123456789012:key/other")
	s.Put(t, strings.TrimPrefix(base, "ebs:"), 0, make([]byte, ebstest.BlockSize))
	refused("SHA-256 is", "--patience", "1s")
}
