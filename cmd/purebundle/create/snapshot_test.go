package create_test

import (
	"encoding/json"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/chunk/ebs/ebstest"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/look"
	"purebundle/cmd/purebundle/ship"
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
	elf := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00\x3e\x00" + strings.Repeat("\x00", 100) // for x86_64
	fstab := "UUID=" + rootID + " / ext4 defaults 0 1\nLABEL=BOOT /boot ext4 defaults 0 2\n"
	put(t, m.root, map[string]string{"etc/fstab": fstab, "etc/os-release": "ID=ubuntu\n", "usr/bin/sh": elf, "boot/vmlinuz-6.1": strings.Repeat("kernel", 1<<20), "boot/efi/hidden": "", "srv/zeros": strings.Repeat("\x00", 3<<20)})
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

	if out := b.call(t, look.NewVerify, "--deep", place); !strings.Contains(out, "manifest, digests and file system") {
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

	// Of the snapshot a machine image is made, with all that EC2 would take wrongly else; of
	// the same disk as a bundle, a snapshot first. What is in use there its bitmaps say.
	registered := func(args ...string) url.Values {
		t.Helper()
		id := strings.TrimSpace(b.call(t, ship.NewRegister, args...))
		for _, image := range s.EC2.Images() {
			if strings.HasSuffix(id, image.ID) {
				return image.Form
			}
		}
		t.Fatalf("no image %s", id)
		return nil
	}
	have := registered("--name", "web 1", "--volume-size", "4G", "--tag", "a=b", place)
	for name, want := range map[string]string{"Architecture": "x86_64", "BootMode": "uefi-preferred", "EnaSupport": "true", "SriovNetSupport": "simple", "ImdsSupport": "v2.0", "VirtualizationType": "hvm",
		"RootDeviceName": "/dev/sda1", "BlockDeviceMapping.1.DeviceName": "/dev/sda1", "BlockDeviceMapping.1.Ebs.SnapshotId": id, "BlockDeviceMapping.1.Ebs.VolumeType": "gp3",
		"BlockDeviceMapping.1.Ebs.VolumeSize": "4", "BlockDeviceMapping.1.Ebs.DeleteOnTermination": "true", "TagSpecification.1.Tag.1.Key": "a", "TpmSupport": "", "ImageLocation": ""} {
		if have.Get(name) != want {
			t.Errorf("%s is %q instead of %q", name, have.Get(name), want)
		}
	}
	bundle := m.bundle(t)
	have = registered("--name", "web 2", "--boot-mode", "uefi", "--tpm", "--imds", "optional", bundle.dest)
	second := have.Get("BlockDeviceMapping.1.Ebs.SnapshotId")
	if have.Get("TpmSupport") != "v2.0" || have.Has("ImdsSupport") || second == id || len(s.Snapshots()) != 2 || s.Snapshots()[1].Blocks*2 > int(sum.ImageSize/(512<<10)) {
		t.Errorf("%v; %+v", have, s.Snapshots())
	}
	bundle.image = s.File(t, second, sum.ImageSize)
	m.compare(t, bundle, bundle.mount(t, 1, 16))

	// The next one is made of the first: what is the same is not put.
	put(t, m.root, map[string]string{"etc/new": "new\n"})
	if said, err = m.run(t, "ebs:", "--json", "--base", place); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	first := sum
	if err := json.NewDecoder(strings.NewReader(said[strings.Index(said, "\n{")+1:])).Decode(&sum); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if sum.Base == "" || sum.SentBytes*2 > first.SentBytes {
		t.Errorf("base %q, %d bytes sent, and %d at first: %s", sum.Base, sum.SentBytes, first.SentBytes, said)
	}
	next := &made{dest: string(sum.Dest), image: s.File(t, strings.TrimPrefix(string(sum.Dest), "ebs:"), sum.ImageSize), m: &chunk.Manifest{Disk: sum.Disk, Edits: sum.Edits}}
	next.call(t, look.NewVerify, "--deep", next.dest)
	if out := imgtest.Run(t, "sgdisk", "-v", next.image); !strings.Contains(out, "No problems found") {
		t.Error(out)
	}
	m.compare(t, next, next.mount(t, 1, 16))
}
