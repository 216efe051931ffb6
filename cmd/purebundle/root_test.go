package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/ext2img/imgtest"
)

// TestBundleRoot bundles the root file system of the machine that it runs on,
// live as it is, without the places where people keep what is large. What is
// quiet in it comes back as it was.
func TestBundleRoot(t *testing.T) {
	imgtest.RequireRoot(t)
	if testing.Short() {
		t.Skip("reads the whole machine")
	}
	dir := t.TempDir()
	out, image := filepath.Join(dir, "out"), filepath.Join(dir, "image")
	args := []string{"bundle", "--progress", "none", "--json"}
	for _, large := range []string{"/root", "/home", "/opt", "/srv", "/work", "/var/cache", "/var/lib/docker", "/usr/local", "/usr/share/doc", os.TempDir()} {
		args = append(args, "-e", large+"/*")
	}
	code, stdout, stderr := call(append(args, "/", out)...)
	if code != cli.StatusDone {
		t.Fatalf("status %d: %s", code, stderr)
	}
	var summary create.Summary
	if err := json.Unmarshal([]byte(stdout), &summary); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d entries, %d bytes, %d parts in %.1f s", summary.Counts.Entries, summary.Counts.DataBytes, summary.Parts, summary.Seconds)
	if code, _, stderr := call("unbundle", "-q", out, image); code != cli.StatusDone {
		t.Fatalf("unbundle: status %d: %s", code, stderr)
	}
	os.RemoveAll(out) // the image is as large again
	imgtest.Fsck(t, image)
	mounted := imgtest.Mount(t, image)
	for _, quiet := range []string{"/usr/bin", "/usr/lib", "/usr/share/man", "/etc/ssl"} {
		if _, err := os.Stat(quiet); err == nil {
			imgtest.Rsync(t, quiet, mounted+quiet)
		}
	}
	for _, empty := range []string{"/proc", "/sys", "/run", "/tmp"} {
		if names, err := os.ReadDir(mounted + empty); err != nil || len(names) != 0 {
			t.Errorf("%s holds %d names, %v", empty, len(names), err)
		}
	}
	if id, err := os.ReadFile(mounted + "/etc/machine-id"); err == nil && len(id) != 0 {
		t.Error("/etc/machine-id is not empty")
	}
}

// TestMountsOfRoot checks that mounts are named with reasons on this machine.
func TestMountsOfRoot(t *testing.T) {
	code, stdout, stderr := call("mounts", "--json", "/")
	if code != cli.StatusDone {
		t.Fatalf("status %d: %s", code, stderr)
	}
	var mounts []chunk.Mount
	if err := json.Unmarshal([]byte(stdout), &mounts); err != nil {
		t.Fatal(err)
	}
	for i, m := range mounts {
		if m.Action == "" || m.Reason == "" {
			t.Errorf("%s has no reason", m.Path)
		}
		if i == 0 && (m.Path != "/" || m.Action != "crossed") {
			t.Errorf("the first mount is %s, %s", m.Path, m.Action)
		}
		if (m.FSType == "proc" || m.FSType == "sysfs") && m.Action != "refused" {
			t.Errorf("%s is %s and %s", m.Path, m.FSType, m.Action)
		}
	}
	if !strings.Contains(stdout, "/proc") {
		t.Error("/proc is not in the table")
	}
}
