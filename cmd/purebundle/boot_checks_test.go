//go:build boot

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/ext2img/imgtest"
	"purebundle/walker"
)

// facts are what commands say about a system, by name. Source and image must
// agree on each.
type facts map[string]string

// factCommands run in the source by chroot, and in the machine.
func factCommands() map[string]string {
	return map[string]string{
		"capabilities":      "getcap -r /usr | sort",
		"setuid and setgid": `find / -xdev -type f -perm /6000 -printf '%m %U %G %s %p\n' | sort`,
		"packages":          "dpkg-query -W; dpkg --verify | sort", // by the packages' own digests
		"python":            "python3 -c 'import json, sqlite3, ssl, sys; print(sys.version)'",
		"host key":          "cat /etc/ssh/ssh_host_ed25519_key.pub",
		"hard links":        `find / -xdev -type f -links +1 -printf '%n %s %p\n' | sort`,
	}
}

// facts gathers them in the source.
func (s bootSource) facts(ctx context.Context, t *testing.T) facts {
	t.Helper()
	f := make(facts)
	for name, command := range factCommands() {
		f[name] = inTree(ctx, t, s.dir, command, "")
	}
	if !strings.Contains(f["capabilities"], "/ping cap_net_raw=ep\n") || !strings.Contains(f["setuid and setgid"], " /usr/bin/su\n") {
		t.Fatalf("the source is not as expected: %v", f)
	}
	return f
}

// factsInside gathers them in a machine.
func factsInside(m *vm) facts {
	m.t.Helper()
	f := make(facts)
	for name, command := range factCommands() {
		f[name] = m.run(command)
	}
	return f
}

func (f facts) compare(t *testing.T, want facts) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if f[name] != want[name] {
			t.Errorf("%s: only inside %q, only in the source %q", name, onlyIn(f[name], want[name]), onlyIn(want[name], f[name]))
		}
	}
}

// onlyIn gives the lines of a that b does not have.
func onlyIn(a, b string) []string {
	have := slices.Collect(strings.Lines(b))
	return slices.DeleteFunc(slices.Collect(strings.Lines(a)), func(line string) bool { return slices.Contains(have, line) })
}

// checkedClean is how e2fsck closes on a file system without a fault, and calledClean how
// it does without a check.
var (
	checkedClean = regexp.MustCompile(`^\S+: \d+/\d+ files \([0-9.]+% non-contiguous\), \d+/\d+ blocks$`)
	calledClean  = regexp.MustCompile(`^\S+: clean, \d+/\d+ files, \d+/\d+ blocks$`)
)

// checkBooted checks that all units of the machine run, that its root file
// system is the one with that UUID, and that neither e2fsck nor the kernel found
// a fault in it.
func checkBooted(m *vm, uuid string) {
	m.t.Helper()
	if state, _ := m.try("systemctl is-system-running --wait"); state != "running\n" {
		m.t.Errorf("%s: system is %q, failed are:\n%s", m.name, state, m.run("systemctl --failed --no-pager --plain"))
	}
	m.run("systemctl is-active ssh && ssh-keyscan -T 60 -t ed25519 127.0.0.1 2>/dev/null | grep -qF \"$(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)\"")
	if got := m.run("findmnt -rno UUID,LABEL,FSTYPE /"); got != uuid+" "+bootHost+" ext4\n" {
		m.t.Errorf("%s: root is %q", m.name, got)
	}
	// As somebody without rights, so that it takes ping's capability, which Debian 13's has not.
	if out, status := m.try("grep -q trixie /etc/os-release || su -s /bin/sh nobody -c 'ping -c 1 127.0.0.1'"); status != 0 {
		m.t.Errorf("%s: ping: %s", m.name, out)
	}

	log, _ := m.try("cat /run/initramfs/fsck.log")
	clean := calledClean
	if strings.Contains(m.run("cat /proc/cmdline"), "fsck.mode=force") {
		clean = checkedClean
	}
	closing := 0
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		switch {
		case clean.MatchString(line):
			closing++
		case !regexp.MustCompile(`^(|-+|Log of fsck .*|fsck from .*|\[/sbin/fsck\.ext4 .*fsck\.ext4 (-f )?-a .*|\w{3} \w{3} +\d+ .*)$`).MatchString(line):
			m.t.Errorf("%s: e2fsck at boot: %s", m.name, line)
		}
	}
	if closing != 1 {
		m.t.Errorf("%s: e2fsck at boot did not close as on a clean file system:\n%s", m.name, log)
	}
	kernel, _ := m.try("dmesg | grep -E 'EXT4-fs|JBD2|I/O error'")
	if !strings.Contains(kernel, "mounted filesystem") || regexp.MustCompile(`(?i)error|warning|recover|orphan|corrupt|invalid`).MatchString(kernel) {
		m.t.Errorf("%s: kernel:\n%s", m.name, kernel)
	}
	super := superOf(m)
	if super["Filesystem state"] != "clean" || super["FS Error count"] != "" {
		m.t.Errorf("%s: tune2fs: %v", m.name, super)
	}
}

// superOf gives what tune2fs -l says of the root file system.
func superOf(m *vm) map[string]string {
	m.t.Helper()
	fields := make(map[string]string)
	for line := range strings.Lines(m.run(`tune2fs -l "$(findmnt -no SOURCE /)"`)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields[name] = strings.TrimSpace(value)
		}
	}
	return fields
}

// groupSize is that of a block group, in bytes: the kernel leaves the end of a
// disk unused if a group there could not hold its own metadata.
const groupSize = 128 << 20

// checkGrowth grows the mounted root file system to its disk of size bytes.
func checkGrowth(m *vm, size int64) {
	m.t.Helper()
	before := freeAndSize(m)
	m.run(`resize2fs "$(findmnt -no SOURCE /)"`)
	after := freeAndSize(m)
	super := superOf(m)
	blocks, _ := strconv.ParseInt(super["Block count"], 10, 64)
	if have := blocks * 4096; have > size || have <= size-groupSize || super["Filesystem state"] != "clean" {
		m.t.Errorf("%s: file system of %d bytes on a disk of %d: %v", m.name, have, size, super)
	}
	if features := super["Filesystem features"]; strings.Contains(features, "meta_bg") || !strings.Contains(features, "resize_inode") {
		m.t.Errorf("%s: features %s: older boot loaders do not read meta_bg", m.name, features)
	}
	if grown := after[0] - before[0]; grown < (size-before[1])*9/10 {
		m.t.Errorf("%s: df has %d bytes of %d free, before %d of %d", m.name, after[0], after[1], before[0], before[1])
	}
	if kernel, _ := m.try("dmesg | grep EXT4-fs | grep -iE 'error|warning|corrupt'"); kernel != "" {
		m.t.Errorf("%s: kernel:\n%s", m.name, kernel)
	}
	m.t.Logf("%s: grown to %d of %d bytes; df: %d of %d bytes free, before %d of %d", m.name, blocks*4096, size, after[0], after[1], before[0], before[1])
}

// freeAndSize gives what df says of the root file system, in bytes.
func freeAndSize(m *vm) (v [2]int64) {
	m.t.Helper()
	text := m.run("df -B1 --output=avail,size / | tail -n 1")
	if _, err := fmt.Sscan(text, &v[0], &v[1]); err != nil {
		m.t.Fatalf("%s: df: %q: %v", m.name, text, err)
	}
	return v
}

// bundleInside has the machine bundle its own root file system as it runs, with
// /proc bound in named's chroot once more, to its second disk.
func bundleInside(m *vm) {
	m.t.Helper()
	m.run("mount /dev/vdb /mnt && cp /mnt/sshd-keygen.service /etc/systemd/system && systemctl enable sshd-keygen")
	m.run("mount -n --bind /proc " + chrootProc)
	if mounts := m.run("/mnt/purebundle mounts / | grep " + chrootProc); !strings.Contains(mounts, string(walker.Refused)) {
		m.t.Errorf("%s: mounts: %s", m.name, mounts)
	}
	m.t.Logf("%s: %s", m.name, m.run("/mnt/purebundle bundle --size 3G --progress none / /mnt/out 2>&1"))
	m.run("umount " + chrootProc + " /mnt")
}

// wantMount checks what a bundle did with the mount at path.
func wantMount(t *testing.T, m *chunk.Manifest, path string, action walker.Action) {
	t.Helper()
	for _, mount := range m.Mounts {
		if string(mount.Path) == path {
			if mount.Action != string(action) {
				t.Errorf("mount at %s is %q (%s), want %q", path, mount.Action, mount.Reason, action)
			}
			return
		}
	}
	t.Errorf("mount at %s: not in the manifest", path)
}

// wantHostKeysKept checks that host keys which nothing in the tree would make
// anew are kept with a warning, and the machine-id is not kept.
func wantHostKeysKept(t *testing.T, m *chunk.Manifest) {
	t.Helper()
	if !slices.ContainsFunc(m.Warnings, func(w chunk.Warning) bool { return strings.Contains(w.Text, "host key kept") }) {
		t.Errorf("no warning of a host key kept: %v", m.Warnings)
	}
	if !slices.ContainsFunc(m.Filtered, func(f chunk.Left) bool { return f.Path == "/etc/machine-id" }) {
		t.Errorf("machine-id is not among the filtered: %v", m.Filtered)
	}
}

// compareWithSource compares the image, mounted here, with the source: all of
// it but what a bundle leaves out of every root file system.
func compareWithSource(t *testing.T, src, image string) {
	t.Helper()
	mounted := imgtest.Mount(t, image)
	imgtest.Compare(t, src, mounted, imgtest.CompareOptions{Scope: func(path string) imgtest.Scope {
		switch path {
		case "/dev", "/proc", "/sys", "/run", "/tmp", "/var/tmp", "/mnt", "/media", "/var/lib/dbus":
			return imgtest.Self
		case "/etc/machine-id", chrootProc:
			return imgtest.Ignore
		}
		return imgtest.Full
	}})
	var st unix.Statfs_t
	if err := unix.Statfs(mounted+chrootProc, &st); err != nil || st.Type != unix.EXT4_SUPER_MAGIC {
		t.Errorf("%s in the image: type %#x, %v", chrootProc, st.Type, err)
	}
	if names, err := os.ReadDir(mounted + chrootProc); err != nil || len(names) > 0 {
		t.Errorf("%s in the image holds %d names, %v", chrootProc, len(names), err)
	}
	imgtest.Unmount(t, mounted)
}
