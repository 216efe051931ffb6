package chunk

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// mount mounts with mount(8) until the test ends.
func mount(t testing.TB, dir string, args ...string) {
	t.Helper()
	need(t, os.Geteuid() == 0, "needs root to mount")
	run(t, "mount", append(args, dir)...)
	t.Cleanup(func() { run(t, "umount", dir) })
}

// smallExt4 mounts a new ext4 of so many bytes, and returns the mount point and the file that it is on.
func smallExt4(t testing.TB, size int64, options ...string) (dir, file string) {
	t.Helper()
	needTool(t, "mkfs.ext4", "mount")
	need(t, os.Geteuid() == 0, "needs root to mount")
	file = filepath.Join(t.TempDir(), "disk")
	must(t, os.WriteFile(file, nil, 0o600))
	must(t, os.Truncate(file, size))
	run(t, "mkfs.ext4", append([]string{"-q", "-m", "0", "-E", "lazy_itable_init=0"}, append(options, file)...)...)
	dir = t.TempDir()
	mount(t, dir, "-o", "loop", file)
	must(t, os.Remove(filepath.Join(dir, "lost+found")))
	return dir, file
}
