package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"purebundle/ext2img/imgtest"
)

// fstabImage makes an image of tree with a new fstab, checks it, and returns what
// debugfs finds at the two names: content, or "" if there is no such file.
func fstabImage(t *testing.T, tree string) (now, old string) {
	t.Helper()
	imgtest.NeedTool(t, "debugfs")
	dir := t.TempDir()
	fstab := filepath.Join(dir, "new")
	if err := os.WriteFile(fstab, []byte("new\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := call("ec2", "bundle-vol", "-q", "--clone-only", "-v", tree, "-d", dir, "-s", "40", "--fstab", fstab); code != 0 {
		t.Fatalf("status %d, %s", code, stderr)
	}
	image := filepath.Join(dir, "image")
	imgtest.Fsck(t, image)
	cat := func(name string) string {
		out, err := exec.Command("debugfs", "-R", "cat "+name, image).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	return cat("/etc/fstab"), cat("/etc/fstab.old")
}

// The old fstab may be missing, a link of either kind, have neighbours on all
// sides, or an fstab.old before it.
func TestFstab(t *testing.T) {
	for _, c := range []struct {
		name, make, old string
	}{
		{"plain", "echo was > etc/fstab", "was\n"},
		{"missing", "true", ""},
		{"last of all", "echo was > etc/fstab; rm -r zzz", "was\n"},
		{"neighbours", "echo was > etc/fstab; mkdir etc/fsta etc/fstab.d etc/fstab.older etc/g; touch etc/fstab.d/x etc/fstab- etc-x", "was\n"},
		{"older", "echo was > etc/fstab; echo older > etc/fstab.old", "was\n"},
		{"older alone", "echo older > etc/fstab.old", "older\n"},
		{"empty", ": > etc/fstab", ""},
		{"hard link to one before", "echo was > aaa; ln aaa etc/fstab", "was\n"},
		{"hard link to one after", "echo was > etc/fstab; ln etc/fstab etc/zz; ln etc/fstab zzz/x", "was\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := t.TempDir()
			cmd := exec.Command("sh", "-ec", "mkdir etc zzz; "+c.make)
			cmd.Dir = tree
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			now, old := fstabImage(t, tree)
			if now != "new\n" || old != c.old {
				t.Errorf("fstab %q, fstab.old %q, want %q", now, old, c.old)
			}
		})
	}
}
