package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"purebundle/chunk/ebs/ebstest"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/ext2img/imgtest"
)

// killedAfter runs the program until EBS has so many blocks more, or a few less, and kills it
// while others are on their way.
func killedAfter(t *testing.T, s *ebstest.Server, blocks int, args ...string) {
	t.Helper()
	held := s.Count("PutSnapshotBlock") + blocks + 1
	s.HoldFrom(held)
	cmd := exec.Command(program(t), args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { _ = cmd.Wait(); close(over) }() // it was killed
	for s.Count("PutSnapshotBlock") < held {
		select {
		case <-over:
			t.Fatalf("it was over before it was killed: %s", errs.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
	_ = cmd.Process.Kill()
	<-over
	s.HoldFrom(0)
}

// A run with --resume that is killed in the middle is gone on with: what is sent twice are
// the blocks that were on their way, and no more.
func TestResumeEBS(t *testing.T) {
	imgtest.RequireRoot(t)
	s := ebstest.Start(t)
	s.Setenv(t)
	dir := t.TempDir()
	tree, state := filepath.Join(dir, "tree"), filepath.Join(dir, "tree/state")
	fillFile(t, filepath.Join(tree, "data"), 60<<20)
	const flying = 4
	args := []string{"bundle", "--resume", "--journal", state, "--progress", "none", "--concurrency", "4", "--time", time.Now().Add(24 * time.Hour).Format(time.RFC3339), "--uuid", "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "--json", tree, "ebs:"}
	killedAfter(t, s, 40, args...)
	killedAfter(t, s, 40, args...)
	var errs strings.Builder
	cmd := exec.Command(program(t), args...) // which gives up its power
	cmd.Stderr = &errs
	stdout, err := cmd.Output()
	stderr, list := errs.String(), s.Snapshots()
	if err != nil || len(list) != 1 || list[0].State != "completed" {
		t.Fatalf("%v: %s; %+v", err, stderr, list)
	}
	var sum create.Summary
	if err := json.Unmarshal(stdout, &sum); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stderr, "going on with ebs:"+list[0].ID) || strings.Contains(stderr, "never completed") || sum.SkippedParts < 1 {
		t.Errorf("%d parts were there: %s", sum.SkippedParts, stderr)
	}
	if twice := s.Count("PutSnapshotBlock") - list[0].Blocks; twice > 2*flying {
		t.Errorf("%d blocks were sent twice, and %d were on their way when it was killed, twice", twice, flying)
	}
	image := s.File(t, list[0].ID, sum.ImageSize)
	imgtest.Fsck(t, image)
	if left, err := os.ReadDir(state); err != nil || len(left) != 0 {
		t.Errorf("%v are left, %v", left, err)
	}
	imgtest.Compare(t, tree, imgtest.Mount(t, image), imgtest.CompareOptions{Scope: func(path string) imgtest.Scope {
		switch path {
		case "/":
			return imgtest.Full
		case "/state": // it was emptied later
			return imgtest.Ignore
		}
		return imgtest.Full
	}})
}

// An upload with --resume that is killed in the middle is gone on with as well.
func TestResumeUploadEBS(t *testing.T) {
	imgtest.RequireRoot(t)
	s := ebstest.Start(t)
	s.Setenv(t)
	dir := t.TempDir()
	tree, bundle, state := filepath.Join(dir, "tree"), filepath.Join(dir, "bundle"), filepath.Join(dir, "state")
	fillFile(t, filepath.Join(tree, "data"), 30<<20)
	if code, _, stderr := call("bundle", "-q", tree, bundle); code != cli.StatusDone {
		t.Fatal(stderr)
	}
	const flying = 4
	args := []string{"upload", "--resume", "--journal", state, "--progress", "none", "--concurrency", "4", bundle, "ebs:"}
	killedAfter(t, s, 30, args...)
	out, err := exec.Command(program(t), args...).CombinedOutput() // which gives up its power
	list := s.Snapshots()
	if err != nil || len(list) != 1 || list[0].State != "completed" || !strings.Contains(string(out), "going on with ebs:"+list[0].ID) {
		t.Fatalf("%v: %s; %+v", err, out, list)
	}
	if twice := s.Count("PutSnapshotBlock") - list[0].Blocks; twice > flying {
		t.Errorf("%d blocks were sent twice, and %d were on their way when it was killed", twice, flying)
	}
	code, stdout, stderr := call("unbundle", "-q", bundle, "-")
	if raw, err := os.ReadFile(s.File(t, list[0].ID, int64(len(stdout)))); code != cli.StatusDone || err != nil || string(raw) != stdout {
		t.Errorf("the snapshot is not the bundle: status %d, %v: %s", code, err, stderr)
	}
	if left, err := os.ReadDir(state); err != nil || len(left) != 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// A run with --resume that fails leaves its snapshot, and says so; without --resume, the
// next one names what is left.
func TestResumeEBSFails(t *testing.T) {
	s := ebstest.Start(t)
	s.Setenv(t)
	tree, state := t.TempDir(), t.TempDir()
	fillFile(t, filepath.Join(tree, "data"), 1<<20)
	s.Fail("CompleteSnapshot", ebstest.Fault{Status: 403, Code: "AccessDeniedException", Message: "no"})
	args := []string{"--journal", state, "--resume", tree, "ebs:"}
	code, _, stderr := call(append([]string{"bundle"}, args...)...)
	list := s.Snapshots()
	if code != cli.StatusFailed || len(list) != 1 {
		t.Fatalf("status %d: %s; %+v", code, stderr, list)
	}
	for _, want := range []string{"allow ebs:CompleteSnapshot", "ebs:" + list[0].ID + " stays: --resume goes on", "aws ec2 delete-snapshot --region eu-west-1 --snapshot-id " + list[0].ID} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not said: %s", want, stderr)
		}
	}
	code, _, stderr = call("bundle", "--progress", "none", tree, "ebs:")
	if code != cli.StatusDone || !strings.Contains(stderr, list[0].ID+": begun") {
		t.Errorf("status %d: %s", code, stderr)
	}
	code, _, stderr = call(append([]string{"bundle"}, args...)...)
	if ids := s.Snapshots(); code != cli.StatusDone || len(ids) != 2 || slices.ContainsFunc(ids, func(sn ebstest.Snapshot) bool { return sn.State != "completed" }) {
		t.Errorf("status %d: %s; %+v", code, stderr, ids)
	}
}
