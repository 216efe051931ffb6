package create_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/cmd/purebundle/cli"
	"purebundle/walker/bootcheck"
)

// TestStartable judges a disk before it is made: one that would not start is not made, and
// what is edited for it counts as edited.
func TestStartable(t *testing.T) {
	const rootID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
	m := newMachine(t, 640*mib, ubuntu(t, 320),
		fs{1, "/", []string{"mkfs.ext4", "-q", "-b", "4096", "-U", rootID}}, fs{16, "/boot", []string{"mkfs.ext4", "-q", "-b", "4096"}}, fs{15, "", []string{"mkfs.vfat", "-i", "1234abcd"}})
	put(t, m.root, map[string]string{
		"etc/fstab":          "UUID=" + rootID + " / ext4 defaults 0 1\nUUID=5 /data xfs defaults 0 2\n",
		"boot/vmlinuz-6.1":   "kernel",
		"boot/grub/grub.cfg": "linux /vmlinuz-6.1 root=/dev/vda1 ro console=ttyS0\n",
	})
	m.check = bootcheck.Any
	dest := filepath.Join(t.TempDir(), "out")
	said, err := m.run(t, dest)
	if err == nil || !strings.Contains(err.Error(), "no machine would start from it: ") || !strings.Contains(err.Error(), "kernel 6.1 has no initrd") {
		t.Errorf("%v\n%s", err, said)
	}
	if !strings.Contains(cli.HintFor(err), "--no-check") {
		t.Errorf("hint %q", cli.HintFor(err))
	}
	if _, err := os.Lstat(dest); err == nil {
		t.Error("something is made")
	}
	// The line of /data gets nofail, and root= a UUID.
	if strings.Contains(err.Error(), "fstab has") || strings.Contains(err.Error(), "root=/dev/vda1") {
		t.Errorf("what is edited is found: %v", err)
	}
	_, err = m.run(t, dest, "--keep-files")
	if err == nil || !strings.Contains(err.Error(), "fstab has a line of a device") || !strings.Contains(err.Error(), "root=/dev/vda1") {
		t.Errorf("without edits: %v", err)
	}
	if said, err := m.run(t, "", "--dry-run"); err != nil {
		t.Errorf("dry run: %v\n%s", err, said)
	}
	m.check = ""
	if said, err := m.run(t, dest); err != nil {
		t.Errorf("without a check: %v\n%s", err, said)
	}
}
