package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// edited is what bundleEdited makes and finds.
type edited struct {
	m       *chunk.Manifest
	mnt     string // the image
	summary string
}

// bundleEdited bundles root, has e2fsck check the image, and mounts it.
func bundleEdited(t *testing.T, root string, more ...string) edited {
	t.Helper()
	work := t.TempDir()
	dest, image := filepath.Join(work, "bundle"), filepath.Join(work, "image")
	code, stdout, stderr := call(append([]string{"bundle", "--no-filter", root, dest}, more...)...)
	if code != cli.StatusDone {
		t.Fatalf("status %d\n%s", code, stderr)
	}
	if code, _, stderr := call("verify", "-q", "--deep", dest); code != cli.StatusDone {
		t.Errorf("verify --deep: status %d\n%s", code, stderr)
	}
	if code, _, stderr := call("unbundle", "-q", dest, image); code != cli.StatusDone {
		t.Fatalf("unbundle: status %d\n%s", code, stderr)
	}
	imgtest.Fsck(t, image)
	b, err := chunk.Load(dest, "")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	return edited{b.Manifest(), imgtest.Mount(t, image), stdout + stderr}
}

func (e *edited) want(t *testing.T, name, text string) {
	t.Helper()
	have, err := os.ReadFile(filepath.Join(e.mnt, name))
	if err != nil || string(have) != text {
		t.Errorf("%s, %v:\n%s\ninstead of\n%s", name, err, have, text)
	}
}

// wantCount compares the entries of the manifest with those that find sees; lost+found
// counts if root has one.
func (e *edited) wantCount(t *testing.T, root string) {
	t.Helper()
	out, err := exec.Command("find", e.mnt, "-printf", "%y\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	entries := int64(strings.Count(string(out), "\n"))
	if _, err := os.Lstat(filepath.Join(root, "lost+found")); err != nil {
		entries--
	}
	if entries != e.m.Counts.Entries {
		t.Errorf("%d entries in the image, %d in the manifest", entries, e.m.Counts.Entries)
	}
	if have := int64(strings.Count(string(out), "f\n")); have != e.m.Counts.Files+e.m.Counts.HardLinks {
		t.Errorf("%d files in the image, %d in the manifest", have, e.m.Counts.Files)
	}
}

// blkid returns one value that blkid finds on what is mounted at dir.
func blkid(t *testing.T, dir, tag string) string {
	t.Helper()
	device := strings.TrimSpace(imgtest.Run(t, "findmnt", "-n", "-v", "-o", "SOURCE", dir))
	out, err := exec.Command("blkid", "-p", "-s", tag, "-o", "value", device).Output()
	if err != nil {
		t.Fatalf("blkid %s: %v", device, err)
	}
	return strings.TrimSpace(string(out))
}

// TestEditsXFS bundles an XFS with a disk below it that is merged.
func TestEditsXFS(t *testing.T) {
	imgtest.RequireRoot(t)
	id := uuid.NewString()
	root := t.TempDir()
	mountDisk(t, root, 320<<20, "mkfs.xfs", "-q", "-L", "amzn", "-m", "uuid="+id)
	mountDisk(t, subdir(t, root, "home"), 64<<20, "mke2fs", "-q", "-t", "ext4")
	fstab := "UUID=" + id + "     /           xfs    defaults,inode64  1   1\nLABEL=home /home ext4 defaults 0 2\nLABEL=logs /var/log/app ext4 defaults 0 2\n/swapfile none swap sw 0 0"
	grub := "set timeout=1\nlinux /boot/vmlinuz root=/dev/nvme0n1p1 ro rootfstype=xfs console=ttyS0\n"
	put(t, root, map[string]string{
		"etc/fstab": fstab, "etc/fstab.d/x": "x", "etc/fstab~": "older", "etc/zz": "last", "boot/grub2/grub.cfg": grub, "home/user/file": "text",
		"boot/loader/entries/a.conf": "options root=UUID=" + id + " ro\n", "boot/loader/entries/b.conf": "options root=LABEL=gone\n",
		"etc/kernel/cmdline": strings.Repeat("x", 1<<20) + " root=/dev/sda1", "swapfile": "no swap is on it",
	})
	if err := os.Symlink("../../boot/grub2/grub.cfg", filepath.Join(subdir(t, root, "etc/default"), "grub")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/zz", filepath.Join(subdir(t, root, "boot/grub"), "grub.cfg")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "etc/fstab")
	old := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	err := errors.Join(os.Chown(file, 3, 4), os.Chmod(file, 0o640), os.Chtimes(file, old, old),
		xattr.Set(file, "security.selinux", []byte("system_u:object_r:etc_t:s0\x00")), xattr.Set(file, "user.mine", []byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now().Add(-time.Second)
	e := bundleEdited(t, root)

	const us = "# purebundle: "
	e.want(t, "etc/fstab", us+"type ext4 instead of xfs, without inode64\nUUID="+id+"     /           ext4    defaults  1   1\n"+
		us+"commented out, what was in /home is in the file system of / now\n#LABEL=home /home ext4 defaults 0 2\n"+
		us+"nofail, its device does not come along\nLABEL=logs /var/log/app ext4 defaults,nofail 0 2\n/swapfile none swap sw 0 0")
	e.want(t, "etc/fstab.purebundle-old", fstab)
	e.want(t, "boot/grub2/grub.cfg", "set timeout=1\nlinux /boot/vmlinuz root=UUID="+id+" ro rootfstype=ext4 console=ttyS0\n")
	e.want(t, "boot/loader/entries/a.conf", "options root=UUID="+id+" ro\n")
	e.want(t, "boot/loader/entries/b.conf", "options root=UUID="+id+"\n")
	e.want(t, "home/user/file", "text")
	e.want(t, "etc/zz", "last")
	for _, name := range []string{"etc/fstab", "etc/fstab.purebundle-old"} {
		var have, want unix.Stat_t
		if err := errors.Join(unix.Stat(filepath.Join(e.mnt, name), &have), unix.Stat(file, &want)); err != nil {
			t.Fatal(err)
		}
		if have.Mode != want.Mode || have.Uid != want.Uid || have.Gid != want.Gid || have.Atim != want.Atim || have.Ctim != want.Ctim {
			t.Errorf("%s: %+v, was %+v", name, have, want)
		}
		if same := have.Mtim == want.Mtim; same != (name != "etc/fstab") || !same && time.Unix(have.Mtim.Unix()).Before(began) {
			t.Errorf("%s: mtime %v, was %v", name, have.Mtim, want.Mtim)
		}
		for key, want := range map[string]string{"security.selinux": "system_u:object_r:etc_t:s0\x00", "user.mine": "x"} {
			if have, err := xattr.Get(filepath.Join(e.mnt, name), key); err != nil || string(have) != want {
				t.Errorf("%s: %s is %q, %v", name, key, have, err)
			}
		}
	}
	if have := blkid(t, e.mnt, "UUID"); have != id || have != blkid(t, root, "UUID") {
		t.Errorf("UUID %s instead of %s", have, id)
	}
	if fs := e.m.SourceFS; fs == nil || fs.Type != "xfs" || fs.UUID != id || fs.Label != "amzn" || !strings.Contains(string(fs.Options), "inode64") || !strings.Contains(string(fs.Options), "relatime") {
		t.Errorf("source_fs: %+v", fs)
	}
	wantEdits(t, e.m, "/boot/grub2/grub.cfg uuid", "/boot/grub2/grub.cfg kernel-type", "/boot/loader/entries/b.conf uuid",
		"/etc/fstab fstab-type", "/etc/fstab fstab-merged", "/etc/fstab fstab-absent")
	if !strings.Contains(e.summary, "3 files, as "+root+" is xfs and the image ext4: /boot/grub2/grub.cfg, ") {
		t.Errorf("the summary:\n%s", e.summary)
	}
	left := slices.DeleteFunc(slices.Clone(e.m.Warnings), func(w chunk.Warning) bool { return !strings.HasPrefix(w.Text, "not edited: ") })
	if len(left) != 2 || left[0].Path != "/boot/grub/grub.cfg" || left[1].Path != "/etc/kernel/cmdline" {
		t.Errorf("not edited: %v", left)
	}
	e.wantCount(t, root)

	var dry struct{ Edits []chunk.Edit }
	code, stdout, stderr := call("bundle", "--dry-run", "--json", root)
	if err := json.Unmarshal([]byte(stdout), &dry); code != cli.StatusDone || err != nil || !slices.Equal(dry.Edits, e.m.Edits) {
		t.Errorf("status %d, %v: --dry-run has %v instead of %v\n%s", code, err, dry.Edits, e.m.Edits, stderr)
	}
	if _, stdout, _ := call("bundle", "--dry-run", root); !strings.Contains(stdout, "  /etc/fstab") || !strings.Contains(stdout, "fstab-merged: /home: commented out") {
		t.Errorf("--dry-run:\n%s", stdout)
	}

	e = bundleEdited(t, root, "--edit-out", "fstab-merged,kernel-type")
	wantEdits(t, e.m, "/boot/grub2/grub.cfg uuid", "/boot/loader/entries/b.conf uuid", "/etc/fstab fstab-type", "/etc/fstab fstab-absent")
	e = bundleEdited(t, root, "-x") // /home is not in root, and its disk does not come along
	wantEdits(t, e.m, "/boot/grub2/grub.cfg uuid", "/boot/grub2/grub.cfg kernel-type", "/boot/loader/entries/b.conf uuid",
		"/etc/fstab fstab-type", "/etc/fstab fstab-absent", "/etc/fstab fstab-absent")
	e = bundleEdited(t, root, "--keep-files")
	e.want(t, "etc/fstab", fstab)
	e.want(t, "boot/grub2/grub.cfg", grub)
	wantEdits(t, e.m)
	if _, err := os.Lstat(filepath.Join(e.mnt, "etc/fstab.purebundle-old")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with --keep-files: %v", err)
	}
	code, _, stderr = call("bundle", "--edit-out", "everything", root, t.TempDir())
	if code != cli.StatusUsage || !strings.Contains(stderr, "fstab-type, fstab-merged") {
		t.Errorf("status %d, %s", code, stderr)
	}
}

// wantEdits compares path and name of each edit in a manifest.
func wantEdits(t *testing.T, m *chunk.Manifest, want ...string) {
	t.Helper()
	var have []string
	for _, e := range m.Edits {
		have = append(have, fmt.Sprint(e.Path, " ", e.Name))
	}
	if slices.Sort(want); !slices.Equal(slices.Sorted(slices.Values(have)), want) {
		t.Errorf("edits %q instead of %q", have, want)
	}
}

// TestEditsSubvolume bundles subvolume @ of a btrfs, with @home below it.
func TestEditsSubvolume(t *testing.T) {
	imgtest.RequireRoot(t)
	id := uuid.NewString()
	top, root := t.TempDir(), t.TempDir()
	mountDisk(t, top, 256<<20, "mkfs.btrfs", "-q", "-L", "disk", "-U", id)
	imgtest.Run(t, "btrfs", "-q", "subvolume", "create", top+"/@")
	imgtest.Run(t, "btrfs", "-q", "subvolume", "create", top+"/@home")
	device := strings.TrimSpace(imgtest.Run(t, "findmnt", "-n", "-v", "-o", "SOURCE", top))
	mountAs := func(subvolume, dir string) {
		imgtest.Run(t, "mount", "-o", "compress=zstd,subvol="+subvolume, device, dir)
		t.Cleanup(func() { imgtest.Unmount(t, dir) })
	}
	mountAs("@", root)
	mountAs("@home", subdir(t, root, "home"))
	put(t, root, map[string]string{
		"etc/fstab":          "UUID=" + id + " / btrfs defaults,subvol=@ 0 0\nUUID=" + id + " /home btrfs subvol=@home 0 0\nUUID=" + id + " /top btrfs subvolid=5 0 0\n",
		"boot/grub/grub.cfg": "\tlinux\t/@/boot/vmlinuz root=UUID=" + id + " ro rootflags=subvol=@ quiet\n", "home/x": "x",
	})
	e := bundleEdited(t, root)
	e.want(t, "boot/grub/grub.cfg", "\tlinux\t/boot/vmlinuz root=UUID="+id+" ro quiet\n")
	e.want(t, "home/x", "x")
	rows := imgtest.Run(t, "findmnt", "--tab-file", e.mnt+"/etc/fstab", "--raw", "--noheadings", "-o", "SOURCE,TARGET,FSTYPE,OPTIONS")
	if want := "UUID=" + id + " / ext4 defaults"; strings.TrimSpace(rows) != want {
		t.Errorf("fstab has\n%s\ninstead of\n%s", rows, want)
	}
	if have := blkid(t, e.mnt, "UUID"); have != id {
		t.Errorf("UUID %s instead of %s", have, id)
	}
	if have := blkid(t, e.mnt, "LABEL"); have != "disk" {
		t.Errorf("label %s", have)
	}
	if fs := e.m.SourceFS; fs == nil || fs.Type != "btrfs" || fs.UUID != id || !strings.Contains(string(fs.Options), "subvol=/@") {
		t.Errorf("source_fs: %+v", fs)
	}
	wantEdits(t, e.m, "/etc/fstab fstab-type", "/etc/fstab fstab-merged", "/etc/fstab fstab-merged", "/boot/grub/grub.cfg grub-paths", "/boot/grub/grub.cfg kernel-type")
}

// TestEditsNone: an ext4 is left as it is, and so is a directory of another file system
// and a tree without an fstab.
func TestEditsNone(t *testing.T) {
	imgtest.RequireRoot(t)
	const fstab = "/dev/sda1 / xfs inode64 0 0\nLABEL=x /x ext4\n"
	for _, c := range []struct {
		name, below string
		mkfs        []string
		fstab       bool
	}{
		{"ext4", "", []string{"mke2fs", "-q", "-t", "ext4"}, true},
		{"a directory of XFS", "chroot", []string{"mkfs.xfs", "-q"}, true},
		{"no fstab", "", []string{"mkfs.xfs", "-q"}, false},
	} {
		root := t.TempDir()
		mountDisk(t, root, 320<<20, c.mkfs...)
		root = filepath.Join(root, c.below)
		put(t, root, map[string]string{"etc/hostname": "x"})
		if c.fstab {
			put(t, root, map[string]string{"etc/fstab": fstab, "etc/kernel/cmdline": "root=/dev/sda1"})
		}
		e := bundleEdited(t, root)
		wantEdits(t, e.m)
		names, err := filepath.Glob(e.mnt + "/etc/*")
		want := 1
		if c.fstab {
			want = 3
			e.want(t, "etc/fstab", fstab)
			e.want(t, "etc/kernel/cmdline", "root=/dev/sda1")
		}
		if err != nil || len(names) != want {
			t.Errorf("%s: %q, %v", c.name, names, err)
		}
		e.wantCount(t, root)
		if e.m.SourceFS == nil || e.m.SourceFS.Type == "" || (e.m.SourceFS.UUID != "") != (c.below == "") {
			t.Errorf("%s: source_fs %+v", c.name, e.m.SourceFS)
		}
	}
}

// TestEditsAgain bundles an ext3 that was made of an earlier image: the fstab that stays
// beside the new one is the last. Two runs give the same bytes.
func TestEditsAgain(t *testing.T) {
	imgtest.RequireRoot(t)
	root := t.TempDir()
	mountDisk(t, root, 64<<20, "mke2fs", "-q", "-t", "ext3")
	const fstab = "LABEL=gone / ext3 defaults 0 1\n"
	put(t, root, map[string]string{"etc/fstab": fstab, "etc/fstab.purebundle-old": "older", "etc/zz": "zz"})
	if err := os.Link(root+"/etc/fstab", root+"/etc/zzz"); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "chattr", "+AS", root+"/etc/fstab")
	flags := []string{"--time", "@1700000000", "--uuid", "1b4e28ba-2fa1-11d2-883f-0016d3cca427"}
	e := bundleEdited(t, root, flags...)
	e.want(t, "etc/fstab", "# purebundle: UUID=1b4e28ba-2fa1-11d2-883f-0016d3cca427 instead of LABEL=gone; type ext4 instead of ext3\nUUID=1b4e28ba-2fa1-11d2-883f-0016d3cca427 / ext4 defaults 0 1\n")
	e.want(t, "etc/fstab.purebundle-old", fstab)
	e.want(t, "etc/zzz", fstab)
	for _, name := range []string{"etc/fstab", "etc/fstab.purebundle-old"} {
		if has := imgtest.Run(t, "lsattr", filepath.Join(e.mnt, name)); !strings.HasPrefix(has, "--S----A") {
			t.Errorf("flags: %s", has)
		}
	}
	e.wantCount(t, root)
	again := bundleEdited(t, root, flags...)
	if len(e.m.Parts) == 0 || !slices.Equal(e.m.Parts, again.m.Parts) {
		t.Error("two runs differ")
	}
}
