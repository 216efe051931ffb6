package create_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/chunk/ebs/ebstest"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/look"
	"purebundle/ext2img/imgtest"
	"purebundle/walker/survey"
)

// A disk goes into an encrypted snapshot, where all that was never put is random. What
// becomes of it has the same partitions and holds the same tree; the commands that read
// find it all in the snapshot.
func TestDiskToEBS(t *testing.T) {
	const rootID, bootID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "2b4e28ba-2fa1-11d2-883f-0016d3cca427"
	m := newMachine(t, 640*mib, ubuntu(t, 320),
		fs{1, "/", []string{"mkfs.ext4", "-q", "-b", "4096", "-L", "rootfs", "-U", rootID}}, fs{16, "/boot", []string{"mkfs.ext4", "-q", "-b", "4096", "-L", "BOOT", "-U", bootID}},
		fs{15, "", []string{"mkfs.vfat", "-n", "UEFI", "-i", "1234abcd"}})
	fstab := "UUID=" + rootID + " / ext4 defaults 0 1\nLABEL=BOOT /boot ext4 defaults 0 2\n"
	put(t, m.root, map[string]string{"etc/fstab": fstab, "etc/os-release": "ID=ubuntu\n", "usr/bin/true": "", "boot/vmlinuz-6.1": strings.Repeat("kernel", 1<<20), "boot/efi/hidden": "", "srv/zeros": strings.Repeat("\x00", 3<<20)})
	imgtest.RandomTree(t, 2, filepath.Join(m.root, "srv"), imgtest.RandomOptions{Entries: 100, Plain: imgtest.NoOld})
	m.Disk.Partitions[slices.IndexFunc(m.Disk.Partitions, func(p survey.Partition) bool { return p.Number == 15 })].MountPoint = "/boot/efi"

	s := ebstest.Start(t)
	s.Encrypt = true
	s.Setenv(t)
	said, err := m.run(t, "ebs:", "--json")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	var sum create.Summary
	if err := json.NewDecoder(strings.NewReader(said[strings.Index(said, "\n{")+1:])).Decode(&sum); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	place := string(sum.Dest)
	id := strings.TrimPrefix(place, "ebs:")
	b := &made{dest: place, image: s.File(t, id, sum.ImageSize), m: &chunk.Manifest{Disk: sum.Disk}}
	if out := imgtest.Run(t, "sgdisk", "-v", b.image); !strings.Contains(out, "No problems found") {
		t.Error(out)
	}
	m.compare(t, b, b.mount(t, 1, 16))

	if out := b.call(t, look.NewVerify, "--deep", place); !strings.Contains(out, "digests and file system") {
		t.Error(out)
	}
	if have := b.call(t, look.NewCat, place, "/etc/fstab"); have != fstab {
		t.Errorf("/etc/fstab is %q", have)
	}
	if have := b.call(t, look.NewLs, place, "/boot"); !strings.Contains(have, "vmlinuz-6.1") {
		t.Errorf("ls /boot: %s", have)
	}
	joined := filepath.Join(t.TempDir(), "disk.img")
	b.call(t, look.NewUnbundle, place, joined)
	c := &made{image: joined, m: b.m}
	m.compare(t, c, c.mount(t, 1, 16))
}
