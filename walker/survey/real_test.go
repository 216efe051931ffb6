package survey_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/survey"
)

// TestOfHere asks about the machine that the test runs on, whatever it is.
func TestOfHere(t *testing.T) {
	m, err := survey.Of("/")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Fields(imgtest.Run(t, "findmnt", "-n", "-o", "FSTYPE,SOURCE", "--mountpoint", "/"))
	if m.Root.Type != said[0] || (m.Disk == nil) == (m.Why == "") {
		t.Errorf("%+v; findmnt says %q", m, said)
	}
	t.Logf("%s: %s %s", m.Root.Device, m.Root.Type, m.Why)
	if _, err := os.Stat(said[1]); err == nil && said[0] == "ext4" && m.Disk == nil && !strings.Contains(m.Why, m.Root.Device) {
		t.Errorf("why %q", m.Why)
	}
	for dir, want := range map[string]string{"/proc": "without a block device", "/proc/self": "is a directory of the proc"} {
		if m, err := survey.Of(dir); err != nil || !strings.Contains(m.Why, want) {
			t.Errorf("%s: %+v, %v", dir, m, err)
		}
	}
	if _, err := survey.Of("/nowhere"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := survey.Of("/etc/passwd"); err == nil {
		t.Error("/etc/passwd is no directory")
	}
}

// mounted mounts a file system of which mkfs makes an image, and returns its mount
// point and the loop device.
func mounted(t *testing.T, size int64, options string, mkfs ...string) (mnt, loop string) {
	t.Helper()
	imgtest.RequireRoot(t)
	image := blank(t, size)
	imgtest.Run(t, mkfs[0], append(mkfs[1:], image)...)
	loop = attach(t, image)
	mnt = filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(mnt, 0o755); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "mount", "-o", options, loop, mnt)
	t.Cleanup(func() { imgtest.Unmount(t, mnt) })
	return mnt, loop
}

func attach(t *testing.T, image string) string {
	t.Helper()
	loop := strings.TrimSpace(imgtest.Run(t, "losetup", "-f", "--show", image))
	t.Cleanup(func() { imgtest.Run(t, "losetup", "-d", loop) })
	return loop
}

// TestOfLoop has file systems on loop devices, which have no table.
func TestOfLoop(t *testing.T) {
	for name, c := range map[string]struct {
		size    int64 // MiB
		options string
		mkfs    []string
	}{
		"ext4":  {16, "noatime", []string{"mkfs.ext4", "-q", "-L", "of mine"}},
		"ext2":  {16, "ro", []string{"mkfs.ext2", "-q", "-L", "of mine"}},
		"xfs":   {320, "noatime", []string{"mkfs.xfs", "-q", "-L", "of mine"}},
		"btrfs": {128, "noatime,compress=zstd", []string{"mkfs.btrfs", "-q", "-L", "of mine"}},
		"f2fs":  {64, "noatime", []string{"mkfs.f2fs", "-q", "-l", "of mine"}},
	} {
		t.Run(name, func(t *testing.T) {
			if known, err := os.ReadFile("/proc/filesystems"); name == "f2fs" && (err != nil || !strings.Contains(string(known), "\tf2fs\n")) {
				t.Log("this kernel has no f2fs")
				return
			}
			mnt, loop := mounted(t, c.size<<20, c.options, c.mkfs...)
			m, err := survey.Of(mnt)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Split(imgtest.Run(t, "findmnt", "-n", "-r", "-o", "FSTYPE,UUID,SOURCE,OPTIONS", "--mountpoint", mnt), " ")
			r := m.Root
			if r.Type != said[0] || r.UUID != said[1] || r.Device != said[2] || r.Device != loop || r.Options != strings.TrimSpace(said[3]) || r.Label != "of mine" || r.Subvolume != "" {
				t.Errorf("%+v, findmnt says %q", r, said)
			}
			if want := "the root is on " + loop + ": it has no partition table, and nothing that starts from it"; m.Disk != nil || m.Why != want {
				t.Errorf("why %q", m.Why)
			}
			below := filepath.Join(mnt, "below")
			if c.options == "ro" {
				return
			}
			if err := os.Mkdir(below, 0o755); err != nil {
				t.Fatal(err)
			}
			if m, err := survey.Of(below); err != nil || !strings.Contains(m.Why, "is a directory of the") || m.Root.UUID != "" || m.Root.Label != "" {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

// TestOfSubvolume has a btrfs of which a subvolume is mounted, and one on two
// devices.
func TestOfSubvolume(t *testing.T) {
	top, loop := mounted(t, 128<<20, "rw", "mkfs.btrfs", "-q")
	imgtest.Run(t, "btrfs", "subvolume", "create", filepath.Join(top, "@"))
	mnt := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(mnt, 0o755); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "mount", "-o", "subvol=@", loop, mnt)
	t.Cleanup(func() { imgtest.Unmount(t, mnt) })
	whole, err := survey.Of(top)
	if err != nil {
		t.Fatal(err)
	}
	m, err := survey.Of(mnt)
	if err != nil || m.Root.Subvolume != "/@" || m.Root.UUID == "" || m.Root.UUID != whole.Root.UUID || m.Root.Device != loop || !strings.Contains(m.Why, "no partition table") {
		t.Errorf("%+v, %v; the top is %+v", m, err, whole)
	}
	more := attach(t, blank(t, 128<<20))
	imgtest.Run(t, "btrfs", "device", "add", more, mnt)
	names := []string{loop, more}
	if m, err = survey.Of(mnt); err != nil || m.Disk != nil || !strings.Contains(m.Why, "the root is a btrfs spread over ") || !strings.Contains(m.Why, names[0]) || !strings.Contains(m.Why, names[1]) {
		t.Errorf("%+v, %v", m, err)
	}
}
