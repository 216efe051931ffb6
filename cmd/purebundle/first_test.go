package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
)

// Told neither SOURCE nor DEST, "bundle" writes nothing, and says what to type; that
// works, and after it the same says what replaces the bundle.
func TestFirstRun(t *testing.T) {
	imgtest.RequireRoot(t)
	if testing.Short() {
		t.Skip("the race detector needs libraries, which the tree lacks")
	}
	root := t.TempDir()
	mountDisk(t, root, 1<<30, "mkfs.ext4", "-q")
	put(t, root, map[string]string{"etc/hostname": "new\n", "var/lib/x": ""})
	copyFile(t, program(t), filepath.Join(root, "purebundle"))
	imgtest.Run(t, "mount", "-t", "proc", "proc", subdir(t, root, "proc"))
	t.Cleanup(func() { imgtest.Unmount(t, root+"/proc") })
	inside := func(command string) string {
		t.Helper()
		args := strings.Fields(command)
		args[0] = "/" + args[0]
		out, err := exec.Command("chroot", append([]string{root}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	typed := regexp.MustCompile(`(?m)^  (purebundle bundle .*)$`)
	for _, want := range []string{"purebundle bundle / /var/lib/purebundle", "purebundle bundle --force / /var/lib/purebundle"} {
		said := inside("purebundle bundle")
		m := typed.FindStringSubmatch(said)
		if m == nil || m[1] != want || !strings.Contains(said, "would bundle   /: ") || !strings.Contains(said, "Nothing was written.") {
			t.Fatalf("want %s:\n%s", want, said)
		}
		if _, err := os.Stat(root + "/var/lib/purebundle"); err == nil != strings.Contains(want, "--force") {
			t.Errorf("DEST: %v", err)
		}
		inside(m[1])
		inside("purebundle verify --deep /var/lib/purebundle")
	}
}

// copyFile copies a program.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
