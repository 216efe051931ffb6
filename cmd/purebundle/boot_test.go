//go:build boot

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
	"purebundle/walker"
)

// bootHost is the name of the machine that boots.
const bootHost = "purebundle-boot"

// chrootProc is where named's init script binds /proc.
const chrootProc = "/var/named/chroot/proc"

// TestBoot boots a bundle. A Debian system on an ext4 file system, with /proc
// bound in the chroot of a name server, is bundled and joined; the image boots
// in an emulated machine, is found clean and as its source, grows to a disk
// three times its size while it runs, and reboots clean. Then that machine
// bundles its own live root file system, and the bundle made there boots as a
// third machine with an identity of its own.
func TestBoot(t *testing.T) {
	needBootTools(t)
	ctx, cancel := context.WithTimeout(t.Context(), 38*time.Minute)
	defer cancel()
	work := t.TempDir()

	src := newBootSource(ctx, t, debianTree(ctx, t), filepath.Join(work, "source"))
	out := filepath.Join(work, "out")
	manifest := bundleForBoot(t, src.dir, out)
	if manifest.Image.UUID != src.uuid || manifest.Image.Label != bootHost {
		t.Errorf("UUID %s, label %q; the source has %s, %q", manifest.Image.UUID, manifest.Image.Label, src.uuid, bootHost)
	}
	wantMount(t, manifest, chrootProc, walker.Refused)
	wantHostKeysKept(t, manifest)
	image := joinForBoot(t, out, filepath.Join(work, "image"))
	compareWithSource(t, src.dir, image)
	want := src.facts(ctx, t)

	size := fileSize(t, image)
	grow(t, image, 3*size)
	data := newDataDisk(t, filepath.Join(work, "data"))
	kernel, initrd := kernelOf(t, out, work)
	m := boot(ctx, t, "first", kernel, initrd, src.uuid, image, data)
	t.Logf("first: login prompt after %.0f s", m.login(src.password).Seconds())
	checkBooted(m, src.uuid)
	got := factsInside(m)
	got.compare(t, want)
	if id := m.run("cat /etc/machine-id"); id == src.machineID || len(id) != len(src.machineID) {
		t.Errorf("machine-id %q; the source's is %q", id, src.machineID)
	}
	if out := m.run("stat -c %F,%a,%h " + chrootProc + "; ls -A " + chrootProc); out != "directory,755,2\n" {
		t.Errorf("%s: %q", chrootProc, out)
	}
	checkGrowth(m, 3*size)
	// More than the old size has room for, so that it lands beyond.
	m.run("cp -a /usr /srv/usr && sync && test $(df -B1 --output=used / | tail -n 1) -gt " + fmt.Sprint(size))

	id := m.run("cat /etc/machine-id")
	m.reboot()
	t.Logf("first: login prompt %.0f s after reboot", m.login(src.password).Seconds())
	checkBooted(m, src.uuid)
	if again := m.run("cat /etc/machine-id"); again != id {
		t.Errorf("machine-id %q became %q", id, again)
	}
	m.run("diff -r --no-dereference /usr /srv/usr && rm -r /srv/usr")
	bundleInside(m)
	id = m.run("cat /etc/machine-id")
	m.poweroff()
	imgtest.Fsck(t, image)

	second := secondBundle(t, data, filepath.Join(work, "second"))
	image2 := joinForBoot(t, second, filepath.Join(work, "image2"))
	grow(t, image2, 20<<30) // more than one block of group descriptors
	kernel, initrd = kernelOf(t, second, work)
	m = boot(ctx, t, "second", kernel, initrd, src.uuid, image2)
	t.Logf("second: login prompt after %.0f s", m.login(src.password).Seconds())
	checkBooted(m, src.uuid)
	got2 := factsInside(m)
	if got2["host key"] == want["host key"] {
		t.Error("the SSH host key is not a fresh one")
	}
	got2["host key"] = want["host key"]
	got2.compare(t, want)
	if id2 := m.run("cat /etc/machine-id"); id2 == id || id2 == src.machineID || len(id2) != len(id) {
		t.Errorf("machine-id %q; that of the first is %q, the source's %q", id2, id, src.machineID)
	}
	if out := m.run("ls -A " + chrootProc); out != "" {
		t.Errorf("%s holds %q", chrootProc, out)
	}
	checkGrowth(m, 20<<30)
	m.poweroff()
	imgtest.Fsck(t, image2)
}

// bootSource is a Debian system on a file system of its own, ready to boot.
type bootSource struct {
	dir, uuid, password string
	machineID           string
}

// newBootSource unpacks the archive to a new, mounted ext4 file system and
// makes it a machine: fstab, host name, a password, and the bind of /proc that
// no list of mounts in the tree knows.
func newBootSource(ctx context.Context, t *testing.T, archive, image string) bootSource {
	t.Helper()
	src := bootSource{uuid: uuid.NewString(), password: strings.ToLower(rand.Text())}
	grow(t, image, 2<<30)
	imgtest.Run(t, "mke2fs", "-q", "-t", "ext4", "-U", src.uuid, "-L", bootHost, image)
	src.dir = imgtest.MountRW(t, image)
	src.unpack(ctx, t, archive, "UUID="+src.uuid+" / ext4 errors=remount-ro 0 1\n")
	if err := os.MkdirAll(src.dir+chrootProc, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("/proc", src.dir+chrootProc, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmountBelow(t, src.dir+chrootProc) })
	return src
}

// unpack unpacks the archive to the source's directory and makes it a machine: fstab, if
// there is to be one, host name, a password.
func (s *bootSource) unpack(ctx context.Context, t *testing.T, archive, fstab string) {
	t.Helper()
	runFor(ctx, t, "tar", "-xpzf", archive, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", s.dir)
	for name, text := range map[string]string{
		"/etc/fstab":    fstab,
		"/etc/hostname": bootHost + "\n",
		"/etc/hosts":    "127.0.0.1 localhost " + bootHost + "\n",
	} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(s.dir+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	inTree(ctx, t, s.dir, "chpasswd", "root:"+s.password+"\n")
	id, err := os.ReadFile(s.dir + "/etc/machine-id")
	if err != nil || len(id) != 33 {
		t.Fatalf("machine-id of the source: %q, %v", id, err)
	}
	s.machineID = string(id)
}

// bundleForBoot bundles src to out, verifies the bundle to its depth, and gives
// its manifest.
func bundleForBoot(t *testing.T, src, out string) *chunk.Manifest {
	t.Helper()
	start := time.Now()
	mustCall(t, "bundle", "--progress", "none", src, out)
	took := time.Since(start)
	mustCall(t, "verify", "-q", "--deep", out)
	m := bootManifest(t, out)
	t.Logf("bundled %d entries, %d bytes of data, %d parts in %.1f s", m.Counts.Entries, m.Counts.DataBytes, len(m.Parts), took.Seconds())
	return m
}

func bootManifest(t *testing.T, out string) *chunk.Manifest {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(out, chunk.ManifestName("image")))
	if err != nil {
		t.Fatal(err)
	}
	var m chunk.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return &m
}

// joinForBoot joins the bundle and checks the image.
func joinForBoot(t *testing.T, out, image string) string {
	t.Helper()
	mustCall(t, "unbundle", "-q", out, image)
	imgtest.Fsck(t, image)
	return image
}

func mustCall(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := call(args...)
	if code != cli.StatusDone {
		t.Fatalf("purebundle %q: status %d\n%s", args, code, stderr)
	}
	return stdout
}

// kernelOf takes the only kernel and initrd out of the bundle.
func kernelOf(t *testing.T, out, dir string) (kernel, initrd string) {
	t.Helper()
	for name := range strings.Lines(mustCall(t, "ls", out, "/boot")) {
		name = strings.TrimSpace(name)
		base, _, _ := strings.Cut(filepath.Base(name), "-")
		if base != "vmlinuz" && base != "initrd.img" {
			continue
		}
		file := filepath.Join(dir, base)
		if err := os.WriteFile(file, []byte(mustCall(t, "cat", out, "/boot/"+filepath.Base(name))), 0o600); err != nil {
			t.Fatal(err)
		}
		if base == "vmlinuz" {
			kernel = file
		} else {
			initrd = file
		}
	}
	if kernel == "" || initrd == "" {
		t.Fatalf("no kernel or no initrd in /boot of %s", out)
	}
	return kernel, initrd
}

// newDataDisk makes a disk with an ext4 file system that holds the program and
// a unit that makes SSH host keys if the machine has none.
func newDataDisk(t *testing.T, disk string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	if libs, err := exe.ImportedLibraries(); err != nil || len(libs) > 0 {
		t.Fatalf("the program needs %v, %v: build it with CGO_ENABLED=0", libs, err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"purebundle": program, "sshd-keygen.service": []byte(keygenUnit)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	grow(t, disk, 3<<30)
	imgtest.Run(t, "mke2fs", "-q", "-t", "ext4", "-d", dir, disk)
	return disk
}

const keygenUnit = `[Unit]
Description=SSH host keys where there are none
Before=ssh.service
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A
[Install]
WantedBy=ssh.service
`

// secondBundle copies the bundle that the machine made off its data disk, and
// verifies it.
func secondBundle(t *testing.T, data, out string) string {
	t.Helper()
	mounted := imgtest.MountRW(t, data) // not read-only: the journal may have to be replayed
	imgtest.Run(t, "cp", "-a", "--sparse=always", mounted+"/out", out)
	imgtest.Unmount(t, mounted)
	mustCall(t, "verify", "-q", "--deep", out)
	m := bootManifest(t, out)
	wantMount(t, m, chrootProc, walker.Refused)
	for _, f := range m.Filtered {
		if strings.HasPrefix(string(f.Path), "/etc/ssh/ssh_host_") {
			return out
		}
	}
	t.Errorf("no SSH host key among the filtered: %v", m.Filtered)
	return out
}

func fileSize(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// grow makes a file of size bytes, or makes it longer by a hole.
func grow(t *testing.T, name string, size int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
}
