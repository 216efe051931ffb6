package create_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purebundle/ext2img/imgtest"
)

// The second disk of a machine keeps to the first one: parts of root that are the same are
// taken, also beside a /boot of its own, and the end of the disk, where the backup of the
// table is, is made.
func TestDiskBase(t *testing.T) {
	t.Parallel() // it waits
	const rootID, bootID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "2b4e28ba-2fa1-11d2-883f-0016d3cca427"
	m := newMachine(t, 640*mib, ubuntu(t, 320),
		fs{1, "/", []string{"mkfs.ext4", "-q", "-b", "4096", "-L", "rootfs", "-U", rootID}}, fs{16, "/boot", []string{"mkfs.ext4", "-q", "-b", "4096", "-L", "BOOT", "-U", bootID}},
		fs{15, "", []string{"mkfs.vfat", "-n", "UEFI", "-i", "1234abcd"}})
	put(t, m.root, map[string]string{"etc/fstab": "UUID=" + rootID + " / ext4 defaults 0 1\nUUID=" + bootID + " /boot ext4 defaults 0 2\n", "boot/vmlinuz-6.1": strings.Repeat("kernel", 1<<20),
		"srv/a": strings.Repeat("a", 25<<20), "srv/b": strings.Repeat("b", 25<<20), "srv/c": strings.Repeat("c", 5<<20)})
	imgtest.RandomTree(t, 3, filepath.Join(m.root, "srv"), imgtest.RandomOptions{Entries: 50, Plain: imgtest.NoOld})
	time.Sleep(11 * time.Second) // until the files are such as a base may vouch for
	judge := func(b *made) {
		t.Helper()
		if out := imgtest.Run(t, "sgdisk", "-v", b.image); !strings.Contains(out, "No problems found") {
			t.Error(out)
		}
		m.compare(t, b, b.mount(t, 1, 16))
	}
	first := m.bundle(t)
	judge(first)
	same := m.bundle(t, "--base", first.dest)
	judge(same)
	if base := same.m.Base; base == nil || base.Kept < 5 {
		t.Errorf("nothing changed: %+v\n%s", base, same.said)
	}
	put(t, m.root, map[string]string{"srv/c": "another", "srv/new": strings.Repeat("new", 1<<20), "boot/vmlinuz-6.2": strings.Repeat("newer", 1<<20)})
	changed := m.bundle(t, "--base", same.dest)
	judge(changed)
	if base := changed.m.Base; base == nil || base.Kept < 3 {
		t.Errorf("a few files changed: %+v\n%s", base, changed.said)
	}
}
