package main

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"purebundle/chunk/ebs/ebstest"
	"purebundle/chunk/ec2/ami/amitest"
	"purebundle/chunk/s3/s3test"
	"purebundle/ext2img/imgtest"
)

// readmeBlocks returns what the README shows between two lines of ```, by language.
func readmeBlocks(t *testing.T, language string) (list []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$").FindAllStringSubmatch(texts(t)["../../README.md"], -1) {
		if m[1] == language {
			list = append(list, m[2])
		}
	}
	return list
}

// Each command of the README is typed as it stands there, on a machine that a disk would
// start: its S3, EBS and EC2 are servers of the tests; apt-get, make and systemctl only note
// what they are asked to do. CI types the second one: .ci/run.
func TestReadmeCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector needs libraries, which the machine lacks")
	}
	m := newReadmeMachine(t)
	list := readmeBlocks(t, "sh")
	if len(list) != 5 {
		t.Fatalf("%d blocks of commands, and 5 are known here", len(list))
	}
	build, test, disk, image, nightly := list[0], list[1], list[2], list[3], list[4]

	m.types(t, build, "bundled    /: ")
	m.types(t, "./purebundle verify --deep /var/lib/purebundle", "ok: ")

	m.types(t, test, "")
	if text, err := os.ReadFile("../../.ci/run"); err != nil || !strings.Contains(string(text), strings.ReplaceAll(strings.TrimSpace(test), "'", `'\''`)) {
		t.Errorf("CI does not run %s (%v)", test, err)
	}
	if want := "apt-get update\napt-get install -y make\nmake test-deps test\n"; m.asked(t) != want {
		t.Errorf("the second command does %q, want %q", m.asked(t), want)
	}

	m.session(t)

	m.types(t, disk, "ok: ")
	if said := imgtest.Run(t, "sgdisk", "-v", filepath.Join(m.root, "dev/sdX")); !strings.Contains(said, "No problems found") {
		t.Error(said)
	}

	m.types(t, image, "registered   ami-")
	if images := m.ebs.EC2.Images(); len(images) != 1 {
		t.Errorf("%d images", len(images))
	}

	m.types(t, nightly, "")
	if want := "systemctl start purebundle-ship\nsystemctl enable --now purebundle-ship.timer\n"; !strings.HasSuffix(m.asked(t), want) {
		t.Errorf("the recipe does %q, want %q", m.asked(t), want)
	}
	unit, err := os.ReadFile("systemd/purebundle-ship.service")
	start := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindSubmatch(unit)
	if err != nil || start == nil {
		t.Fatalf("%v, no ExecStart in %q", err, unit)
	}
	settings, err := os.ReadFile(filepath.Join(m.root, "etc/default/purebundle"))
	if err != nil {
		t.Fatal(err)
	}
	settings = regexp.MustCompile(`(?m)^([A-Z]+)=(.*)$`).ReplaceAll(settings, []byte("$1='$2'")) // as systemd reads them
	m.types(t, string(settings)+string(start[1]), "shipped")
	if keys := m.s3.Keys(t, "my-bucket"); !slices.ContainsFunc(keys, func(k string) bool { return strings.HasSuffix(k, "/image.manifest.json") }) {
		t.Errorf("the bucket has %q", keys)
	}
}

// session types the session at the top of the README, which has lines that the program
// says, in its order.
func (m *readmeMachine) session(t *testing.T) {
	t.Helper()
	command, answer, _ := strings.Cut(strings.TrimPrefix(readmeBlocks(t, "")[0], "# "), "\n")
	answer, next, _ := strings.Cut(answer, "$ ")
	said := m.types(t, command, "")
	last := 0
	for line := range strings.Lines(answer) {
		name, _, _ := strings.Cut(line, " ")
		at := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` `).FindStringIndex(said[last:])
		if at == nil {
			t.Fatalf("the README has %q, and the program, after what came before,\n%s", line, said[last:])
		}
		last += at[1]
	}
	if last == 0 || !strings.HasPrefix(next, "cat out/image.part.* > disk && qemu-system-x86_64 ") { // make test-boot does that
		t.Errorf("%q", next)
	}
}

// readmeMachine is a system on a file system of its own, with the checkout in it.
type readmeMachine struct {
	root, checkout string
	env            []string
	s3             *s3test.Server
	ebs            *ebstest.Server // and EC2
}

// newReadmeMachine makes one. The programs that are typed there are the real machine's,
// below /mnt, where nothing is bundled.
func newReadmeMachine(t *testing.T) *readmeMachine {
	t.Helper()
	imgtest.NeedTool(t, "go")
	m := &readmeMachine{root: t.TempDir(), s3: s3test.Start(t)}
	mountDisk(t, m.root, 2<<30, "mkfs.ext4", "-q")
	imgtest.Run(t, "cp", "-a", uefiTree(t)+"/.", m.root)
	put(t, m.root, map[string]string{"usr/lib/os-release": "ID=debian\n", "etc/fstab": "/dev/vda1 / ext4 defaults 0 1\n", "dev/sdX": "", "run/asked": "",
		"lib/modules/6.1.0-1-amd64/modules.builtin": "kernel/drivers/net/ethernet/amazon/ena/ena.ko\nkernel/drivers/nvme/host/nvme.ko\nkernel/fs/ext4/ext4.ko\n"})
	for _, dir := range []string{"mnt/host", "tmp", "var/tmp", "usr/bin", "usr/local/bin", "etc/default"} {
		subdir(t, m.root, dir)
	}
	imgtest.Run(t, "mount", "--bind", "/", filepath.Join(m.root, "mnt/host"))
	t.Cleanup(func() { imgtest.Unmount(t, m.root+"/mnt/host") })
	for name, kind := range map[string]string{"proc": "proc", "sys": "sysfs"} {
		dir := subdir(t, m.root, name)
		imgtest.Run(t, "mount", "-t", kind, kind, dir)
		t.Cleanup(func() { imgtest.Unmount(t, dir) })
	}
	imgtest.Run(t, "sh", "-euc", `cp -a /dev/loop* "$0/dev"`, m.root)

	copyFile(t, "systemd/purebundle.default", filepath.Join(m.root, "etc/default/purebundle"))
	copyFile(t, "/bin/sh", filepath.Join(m.root, "bin/sh"))
	copyFile(t, program(t), filepath.Join(m.root, "usr/bin/purebundle"))
	noted := "#!/bin/sh\necho \"${0##*/} $*\" >> /run/asked\n"
	for name, text := range map[string]string{"sudo": "#!/bin/sh\nexec \"$@\"\n", "apt-get": noted, "make": noted, "systemctl": noted} {
		if err := os.WriteFile(filepath.Join(m.root, "usr/local/bin", name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	modules := strings.TrimSpace(imgtest.Run(t, "go", "env", "GOMODCACHE"))
	libraries, _ := filepath.Glob("/lib/*-linux-gnu*")
	for _, path := range append(libraries, "/lib64", modules) { // what finds its files by their paths
		if err := os.MkdirAll(filepath.Join(m.root, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/mnt/host"+path, filepath.Join(m.root, path)); err != nil {
			t.Fatal(err)
		}
	}
	m.checkout, _ = filepath.Abs("../..")
	imgtest.Run(t, "sh", "-euc", `mkdir -p "$1$0"; tar -C "$0" --exclude=./.git --exclude=./dist --exclude=./purebundle -c . | tar -C "$1$0" -x`, m.checkout, m.root)

	m.ebs = ebstest.New(t.TempDir(), amitest.Account{Region: m.s3.Region, Access: m.s3.Access, Secret: m.s3.Secret})
	front := httptest.NewServer(m.ebs)
	t.Cleanup(front.Close)
	m.ebs.EC2.Looks = 0
	bucket := "my-bucket"
	if _, err := m.s3.Client().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	path := "/usr/local/bin:/usr/bin"
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path += ":/mnt/host" + dir
	}
	m.env = append(append(os.Environ(), m.s3.Env()...), "AWS_ENDPOINT_URL_EBS="+front.URL, "AWS_ENDPOINT_URL_EC2="+front.URL, "PATH="+path, "TMPDIR=/var/tmp", "GOMODCACHE="+modules,
		"GOCACHE=/mnt/host"+strings.TrimSpace(imgtest.Run(t, "go", "env", "GOCACHE")), "GOFLAGS=", "SSL_CERT_FILE=")
	return m
}

// types types a command at a shell there, and returns what is said, which has want in it.
func (m *readmeMachine) types(t *testing.T, command, want string) string {
	t.Helper()
	cmd := exec.Command("chroot", m.root, "sh", "-euc", `cd "$0"; eval "$1"`, m.checkout, command)
	cmd.Env = m.env
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		t.Fatalf("%s\n%v; want %q:\n%s", command, err, want, out)
	}
	return string(out)
}

// asked returns what was asked of the programs that only note it.
func (m *readmeMachine) asked(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.root, "run/asked"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
