package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"purebundle/chunk/ebs/ebstest"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/ext2img/imgtest"
)

// random returns a tree with random entries, and a file that is all zero but no hole.
func randomTree(t *testing.T, seed uint64) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	imgtest.RandomTree(t, seed, tree, imgtest.RandomOptions{})
	if err := os.WriteFile(filepath.Join(tree, "zeros"), make([]byte, 7<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	return tree
}

// A tree goes into an encrypted snapshot. The volume, which has random bytes where no
// block was put, is clean and holds the tree, zeros of files included; what is made in it
// later is whole, too.
func TestBundleEBS(t *testing.T) {
	imgtest.RequireRoot(t)
	s := ebstest.Start(t)
	s.Encrypt, s.Unknown, s.Looks = true, 3, 1
	s.Setenv(t)
	tree := randomTree(t, 15)
	code, stdout, stderr := call("bundle", "--json", "--free", "120M", "--snapshot-name", "web", "--tag", "a=b", "--description", "a tree", tree, "ebs:")
	if code != cli.StatusDone {
		t.Fatalf("status %d: %s", code, stderr)
	}
	var sum create.Summary
	if err := json.Unmarshal([]byte(stdout), &sum); err != nil {
		t.Fatal(err)
	}
	list := s.Snapshots()
	if len(list) != 1 || string(sum.Dest) != "ebs:"+list[0].ID || list[0].State != "completed" || list[0].Description != "a tree" {
		t.Fatalf("dest %s, snapshots %+v", sum.Dest, list)
	}
	for key, want := range map[string]string{"Name": "web", "a": "b", cli.TagSource: tree} {
		if got := list[0].Tags[key]; got != want {
			t.Errorf("tag %s is %q instead of %q", key, got, want)
		}
	}
	if !strings.Contains(stderr, "writing ebs:"+list[0].ID+", encrypted; should it stay unfinished: aws ec2 delete-snapshot --region eu-west-1 --snapshot-id "+list[0].ID) {
		t.Errorf("the id was not told: %q", stderr)
	}
	if all := sum.ImageSize / (512 << 10); int64(list[0].Blocks) >= all || sum.SentBytes != int64(list[0].Blocks)*512<<10 {
		t.Errorf("%d blocks of %d, %d bytes sent", list[0].Blocks, all, sum.SentBytes)
	}
	image := s.File(t, list[0].ID, sum.ImageSize)
	imgtest.Fsck(t, image)
	dir := imgtest.Mount(t, image)
	imgtest.Compare(t, tree, dir, imgtest.CompareOptions{})
	imgtest.Unmount(t, dir)
	fillVolume(t, image)
	imgtest.Fsck(t, image)
}

// fillVolume makes files in a volume until more inodes are in use than its image had.
func fillVolume(t *testing.T, image string) {
	t.Helper()
	dir := imgtest.MountRW(t, image)
	defer imgtest.Unmount(t, dir)
	for i := range 3000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("new-%d", i)), []byte("new"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A signal at any moment: gone soon, and no snapshot is left.
func TestInterruptedInEBS(t *testing.T) {
	s := ebstest.Start(t)
	s.Hold(100 * time.Millisecond)
	s.Setenv(t)
	tree := filepath.Join(t.TempDir(), "tree")
	fillFile(t, filepath.Join(tree, "data"), 60<<20)
	for _, after := range []time.Duration{0, 300 * time.Millisecond, 600 * time.Millisecond} {
		code, stderr, _ := interruptible(t, syscall.SIGTERM, after, program(t), "bundle", "--progress", "none", "--concurrency", "4", tree, "ebs:")
		if code == 0 {
			t.Fatalf("after %v it was over: %s", after, stderr)
		}
		for _, sn := range s.Snapshots() {
			t.Errorf("after %v: status %d, left %s: %s", after, code, sn.ID, stderr)
		}
	}
}

// What a killed run has left is named by the next one, with the command that deletes it.
func TestLeftInEBS(t *testing.T) {
	s := ebstest.Start(t)
	s.Setenv(t)
	tree := filepath.Join(t.TempDir(), "tree")
	fillFile(t, filepath.Join(tree, "data"), 1<<20)
	killedAfter(t, s, 0, "bundle", "--progress", "none", tree, "ebs:")
	left := s.Snapshots()[0].ID
	code, _, stderr := call("bundle", tree, "ebs:")
	if code != cli.StatusDone || !regexp.MustCompile(`warning: ebs:`+left+`: begun .* never completed.*aws ec2 delete-snapshot --region eu-west-1 --snapshot-id `+left).MatchString(stderr) {
		t.Errorf("status %d: %s", code, stderr)
	}
	if code, _, stderr = call("bundle", "--quiet", tree, "ebs:"); code != cli.StatusDone || stderr != "" {
		t.Errorf("--quiet: status %d: %s", code, stderr)
	}
}

// Mistakes are told before anything is asked.
func TestEBSFlags(t *testing.T) {
	tree := t.TempDir()
	for _, c := range []struct{ args, wrong string }{
		{"bundle --acl private " + tree + " ebs:", "--acl is about S3"},
		{"bundle --journal x " + tree + " ebs:", "--journal, but no --resume"},
		{"bundle --resume --journal s3://x/y " + tree + " ebs:", "no path of this machine"},
		{"bundle --encrypt " + tree + " s3://bucket/x", "--encrypt is about EBS"},
		{"bundle --snapshot-name x " + tree + " out", "--snapshot-name is about EBS"},
		{"bundle --kms-key-id alias/x " + tree + " ebs:", "is no ARN"},
		{"bundle --force " + tree + " ebs:", "always a new snapshot"},
		{"bundle " + tree + " ebs:snap-0123456789abcdef0", "cannot be written to"},
		{"bundle " + tree + " ebs:vol-1", "is no snapshot"},
		{"upload out ebs:snap-0123456789abcdef0", "cannot be written to"},
		{"upload --journal x out ebs:", "--journal, but no --resume"},
		{"upload --resume out s3://bucket/x", "always goes on"},
		{"upload ebs:snap-0123456789abcdef0 ebs:", "is a snapshot already"},
		{"upload ebs:snap-0123456789abcdef0 s3://bucket/x", "is a snapshot"},
		{"upload --encrypt out s3://bucket/x", "--encrypt is about EBS"},
		{"verify ebs:", "ebs: alone is no snapshot"},
		{"download ebs: out", "ebs: alone is no snapshot"},
		{"download ebs:snap-0123456789abcdef0 ebs:", "DEST is a directory"},
		{"download --storage-class GLACIER s3://bucket/x out", "unknown flag"},
		{"bundle --base out " + tree + " ebs:", "the new one is to be one"},
		{"bundle --base ebs: " + tree + " ebs:", "ebs: alone is no snapshot"},
		{"register ebs:snap-0123456789abcdef0", "--name is needed"},
		{"register --name web ebs:", "no snapshot"},
		{"register --name web --imds v1 ebs:snap-0123456789abcdef0", "neither v2.0 nor optional"},
		{"register --name web --boot-mode bios ebs:snap-0123456789abcdef0", "--boot-mode bios: unknown"},
		{"register --name web --volume-size 1500M ebs:snap-0123456789abcdef0", "no whole GiB"},
		{"register --name web --tpm s3://bucket/x/image.manifest.xml", "--tpm is about the image of a disk"},
		{"ship " + tree + " ebs:", "no place in S3"},
		{"ship --register --name web " + tree + " ebs:snap-0123456789abcdef0", "in a new EBS snapshot"},
		{"ship --register --name web --imds v1 " + tree, "neither v2.0 nor optional"},
		{"ship --register --name web --tpm --boot-mode legacy-bios " + tree, "a TPM"},
		{"delete ebs:snap-0123456789abcdef0", "looks like a URL"},
	} {
		code, stdout, stderr := call(strings.Fields(c.args)...)
		if code != cli.StatusUsage || stdout != "" || !strings.Contains(stderr, c.wrong) {
			t.Errorf("%s: status %d, %q", c.args, code, stderr)
		}
	}
}
