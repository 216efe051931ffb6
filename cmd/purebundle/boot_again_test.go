//go:build boot

package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/ext2img/imgtest"
)

// bundleAgain has a machine that was made of a bundle bundle its disk again, to the data
// disk that has the first bundle.
func bundleAgain(m *vm, data string) {
	m.t.Helper()
	m.run("mount " + data + " /mnt && rm -r /mnt/out")
	m.t.Logf("%s: %s", m.name, m.run("/mnt/purebundle bundle --disk --progress none / /mnt/out 2>&1"))
	m.run("umount /mnt")
}

// sameAgain checks that the bundle on the data disk, which a machine made of its own disk,
// is the same as the one in work/out, which that disk was made of: the same partitions,
// and the same files in them.
func sameAgain(t *testing.T, work, disk, data string) {
	t.Helper()
	out, again := filepath.Join(work, "out"), filepath.Join(work, "again")
	mounted := imgtest.MountRW(t, data) // not read-only: the journal may have to be replayed
	imgtest.Run(t, "cp", "-a", "--sparse=always", mounted+"/out", again)
	imgtest.Unmount(t, mounted)
	mustCall(t, "verify", "-q", "--deep", again)
	a, b := bootManifest(t, out).Disk, bootManifest(t, again).Disk
	if a.ID != b.ID || a.Table != b.Table || len(a.Partitions) != len(b.Partitions) {
		t.Fatalf("disk %s, then %s", a.ID, b.ID)
	}
	first, second := filepath.Join(work, "disk-first"), filepath.Join(work, "disk-second")
	mustCall(t, "unbundle", "-q", out, first)
	mustCall(t, "unbundle", "-q", again, second)
	for i, p := range a.Partitions {
		q := b.Partitions[i]
		if p.Number != q.Number || p.Start != q.Start || p.Type != q.Type || p.UUID != q.UUID || p.Name != q.Name || p.Mount != q.Mount || !p.Root && p.Size != q.Size {
			t.Errorf("partition %+v, then %+v", p, q)
		}
		switch {
		case p.Root || p.FS != nil && p.FS.Type == "ext4":
			sameFiles(t, partition(t, work, first, p), partition(t, work, second, q))
		case p.FS != nil && p.FS.Type == "vfat":
			sameFAT(t, partition(t, work, first, p), partition(t, work, second, q))
		}
	}
}

// partition copies a partition out of a disk, and returns the copy.
func partition(t *testing.T, work, disk string, p chunk.Partition) string {
	t.Helper()
	name := filepath.Join(work, fmt.Sprint(filepath.Base(disk), "-", p.Number))
	imgtest.Run(t, "dd", "if="+disk, "of="+name, "bs=1M", "iflag=skip_bytes,count_bytes", fmt.Sprint("skip=", p.Start), fmt.Sprint("count=", p.Size), "conv=sparse", "status=none")
	return name
}

// ofLife matches what differs between a machine that has not started yet and one that has,
// as rsync itemizes it: times of directories, and the files that a system writes as it
// runs or that the test brought.
var ofLife = regexp.MustCompile(`^(\.d\.\.t\.{6} .*|\.f\.\.t\.{6} (etc/machine-id|boot/grub/grubenv)|\S+ +(var/(log|lib/systemd|lib/dbus)/.*|(etc|var)/\.updated))$`)

// sameFiles has rsync compare two file systems of ext4, content by content.
func sameFiles(t *testing.T, want, got string) {
	t.Helper()
	imgtest.Fsck(t, got)
	a, b := imgtest.Mount(t, want), imgtest.Mount(t, got)
	defer imgtest.Unmount(t, a)
	defer imgtest.Unmount(t, b)
	for line := range strings.Lines(imgtest.Run(t, "rsync", "-naHAXi", "--checksum", "--delete", a+"/", b+"/")) {
		if line = strings.TrimRight(line, "\n"); !ofLife.MatchString(line) {
			t.Errorf("%s: %s", filepath.Base(got), line)
		}
	}
}

// sameFAT has mtools list and read two file systems of FAT.
func sameFAT(t *testing.T, want, got string) {
	t.Helper()
	imgtest.Run(t, "fsck.vfat", "-n", got)
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for i, image := range []string{want, got} {
		imgtest.Run(t, "mcopy", "-s", "-m", "-i", image, "::", dirs[i])
	}
	if out := imgtest.Run(t, "rsync", "-nai", "--checksum", "--delete", dirs[0]+"/", dirs[1]+"/"); strings.Trim(out, "\n") != "" {
		t.Errorf("%s: %s", filepath.Base(got), out)
	}
}
