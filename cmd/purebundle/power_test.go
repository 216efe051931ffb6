package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/chunk/ec2/ami/amitest"
	"purebundle/chunk/s3/s3test"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// Capability sets as /proc/PID/status has them.
const (
	noPower      = "0000000000000000"
	readSearch   = "0000000000000004" // CAP_DAC_READ_SEARCH
	andAdmin     = "0000000000200004" // and CAP_SYS_ADMIN
	readOverride = "000000000000000e" // and CAP_DAC_OVERRIDE, CAP_FOWNER
)

// TestPower looks at the program from outside while it works: what it holds in the
// end, that it may gain nothing and leaves no core dump, and that the kernel ends it
// first when memory runs out.
func TestPower(t *testing.T) {
	imgtest.RequireRoot(t)
	if testing.Short() {
		t.Skip("the program that it starts is built without the race detector")
	}
	imgtest.NeedTool(t, "go")
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "purebundle")
	buildProgram(t, program)
	tree, trusted := filepath.Join(dir, "tree"), filepath.Join(dir, "trusted")
	for _, d := range []string{tree, trusted} {
		makeFiles(t, d, map[string]string{"his": "his", "mine": "mine"})
		fillFile(t, filepath.Join(d, "data"), 160<<20)
		if err := errors.Join(os.Chmod(filepath.Join(d, "his"), 0o600), os.Chown(filepath.Join(d, "his"), 65534, 65534)); err != nil {
			t.Fatal(err)
		}
	}
	if err := xattr.LSet(filepath.Join(trusted, "mine"), "trusted.x", []byte("1")); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "sh", "-euc", `cd `+dir+`; mkdir user theirs; chown 65534:65534 user theirs; cp -r tree user/tree; chown -R 65534:65534 user/tree`)
	server := s3test.Start(t)
	server.Setenv(t)
	t.Setenv("B", server.Bucket(t))
	api := amitest.Start(t, amitest.Account{Region: server.Region, Access: server.Access, Secret: server.Secret})
	api.Looks = 0
	t.Setenv("AWS_ENDPOINT_URL_EC2", api.Endpoint)
	imgtest.Run(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", filepath.Join(dir, "pk.pem"), "-out", filepath.Join(dir, "cert.pem"))
	const keys = " --no-inherit --privatekey pk.pem --cert cert.pem --ec2cert cert.pem --user 123456789012 "
	user := []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"}
	for _, c := range []struct {
		as   []string
		line string
		want []string // the sets that are held one after another, from the first that is not root's own
		says string   // in its output
	}{
		{nil, "bundle tree out", []string{andAdmin, readSearch}, ""},
		{nil, "bundle trusted trusted.out", []string{andAdmin}, ""},
		{nil, "bundle --trust-dest tree theirs", []string{"000000000020000e", readOverride}, ""},
		{nil, "bundle --trust-dest --force tree theirs", []string{"000000000020000e", readOverride}, ""},
		{nil, "verify --deep out", []string{noPower}, "ok: "},
		{nil, "verify theirs", []string{noPower}, "ok: "},
		{nil, "unbundle out image", []string{noPower}, ""},
		{nil, "unbundle --trust-dest out theirs/image", []string{"000000000000000a"}, ""},
		{nil, "cat out /data", []string{noPower}, ""},
		{nil, "ship tree s3://$B/ship/{uuid}", []string{andAdmin, readSearch}, "shipped"},
		{nil, "ship --register --instance-store --name power -s 256M --destination work" + keys + "tree s3://$B/ami", []string{andAdmin, readSearch}, "registered"},
		{nil, "register --name again s3://$B/ami", []string{readSearch}, "ami-"},
		{nil, "upload out s3://$B/up", []string{readSearch}, "uploaded"},
		{nil, "download s3://$B/up new/down", []string{readSearch}, "downloaded"},
		{nil, "download --trust-dest s3://$B/up theirs/down", []string{readOverride}, "downloaded"},
		{nil, "delete --yes s3://$B/up", []string{readSearch}, "deleted"},
		{nil, "ec2 bundle-vol -s 256 -v tree -d vol" + keys, []string{andAdmin, readSearch}, "bundled"},
		{nil, "ec2 bundle-vol -s 256 -v tree --clone-only -p clone --trust-dest -d theirs", []string{"000000000020000e", readOverride}, "bundled"},
		{nil, "ec2 verify -m vol/image.manifest.xml -c cert.pem -k pk.pem", []string{readSearch}, "ok: "},
		{nil, "ec2 unbundle --signature none -m vol/image.manifest.xml -k pk.pem -d vol", []string{readSearch}, "unbundled"},
		{nil, "ec2 upload-bundle -m vol/image.manifest.xml -b $B/ec2", []string{readSearch}, "uploaded"},
		{nil, "ec2 download-bundle -b $B/ec2 -d vol2", []string{readSearch}, "downloaded"},
		{nil, "ec2 delete-bundle -y -p image -b $B/ec2", []string{readSearch}, "deleted"},
		{user, "bundle user/tree user/out", []string{noPower}, "trusted.* are not in the image"},
		{user, "verify user/out", []string{noPower}, "ok: "},
		{nil, "verify user/out", []string{readSearch}, "ok: "},
	} {
		t.Run(strings.ReplaceAll(c.line, "/", " "), func(t *testing.T) {
			if c.line == "verify user/out" && c.as == nil {
				imgtest.Run(t, "chmod", "700", filepath.Join(dir, "user/out"))
			}
			args := slices.Concat(c.as, []string{program}, strings.Fields(os.ExpandEnv(c.line)))
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir = dir
			var errs bytes.Buffer
			out, drain := fullPipe(t)
			cmd.Stdout, cmd.Stderr = out, &errs
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			out.Close()
			done := make(chan error, 1)
			go func() { done <- cmd.Wait() }()
			end := c.want[len(c.want)-1]
			held, last := watchPower(cmd.Process.Pid, program, done, end, func() { close(drain.begin) })
			if !strings.Contains(last, "\noom_score_adj: "+wantAdj(t)) {
				t.Errorf("want oom_score_adj %s in the end:\n%s", wantAdj(t), last)
			}
			if err, said := <-done, <-drain.said+errs.String(); err != nil || !strings.Contains(said, c.says) {
				t.Errorf("%v, want %q\n%s", err, c.says, said)
			}
			if c.as == nil && len(held) > 0 && held[0] == rootsOwn(t) {
				held = held[1:]
			}
			// A short phase may be missed, the last is not.
			if len(held) == 0 || held[len(held)-1] != end || slices.ContainsFunc(held, func(s string) bool { return !slices.Contains(c.want, s) }) {
				t.Errorf("held %v, want %v", held, c.want)
			}
			if !strings.Contains(last, "\nNoNewPrivs:\t1\n") || !strings.Contains(last, "\nSeccomp:\t0\n") {
				t.Errorf("in the end:\n%s", last)
			}
		})
	}
}

// buildProgram builds the program as it is shipped: with cgo, as under the race
// detector, it cannot give up power.
func buildProgram(t *testing.T, name string) {
	t.Helper()
	build := exec.Command("go", "build", "-o", name, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestReplacedUnseen replaces files after the walk: trusted.* of the new ones is in the
// image if there was any at the walk, else it is said that it is not; and an empty file,
// which nobody opens, is all that it was at the walk.
func TestReplacedUnseen(t *testing.T) {
	imgtest.RequireRoot(t)
	if testing.Short() {
		t.Skip("the program that it starts is built without the race detector")
	}
	imgtest.NeedTool(t, "go")
	const text = "attributes trusted.*, if it has any, are not in the image: CAP_SYS_ADMIN was given up"
	name := filepath.Join(t.TempDir(), "purebundle")
	buildProgram(t, name)
	for what, atWalk := range map[string]bool{"none at the walk": false, "some at the walk": true} {
		t.Run(what, func(t *testing.T) {
			var d *disturbed
			var changes []chunk.Change
			for tries := 0; len(changes) == 0 && tries < 10; tries++ { // it had read them before
				d, changes = replacedUnseen(t, name, atWalk)
			}
			if len(changes) != 1 || changes[0].Path != "/late" || changes[0].Kind != "replaced" || strings.Contains(changes[0].Detail, text) == atWalk {
				t.Errorf("changes %+v", changes)
			}
			image := filepath.Join(t.TempDir(), "image")
			if code, _, stderr := call("unbundle", "-q", d.dest, image); code != cli.StatusDone {
				t.Fatal(stderr)
			}
			mnt := imgtest.Mount(t, image)
			for file, want := range map[string][]string{"late": {"user.new"}, "empty": {"user.old"}} {
				if atWalk && file == "late" {
					want = []string{"trusted.new", "user.new"}
				}
				names, err := xattr.LList(filepath.Join(mnt, file))
				if slices.Sort(names); err != nil || !slices.Equal(names, want) {
					t.Errorf("%s: attributes %q, %v; want %q", file, names, err, want)
				}
			}
			if info, err := os.Stat(filepath.Join(mnt, "empty")); err != nil || info.Size() != 0 || info.Sys().(*syscall.Stat_t).Uid != 0 {
				t.Errorf("empty: %v, %v", info, err)
			}
		})
	}
}

// replacedUnseen has a run whose files are replaced after the walk, and returns what it says
// has changed.
func replacedUnseen(t *testing.T, program string, atWalk bool) (*disturbed, []chunk.Change) {
	t.Helper()
	d := newDisturbed(t)
	d.program = program
	late, empty := filepath.Join(d.tree, "late"), filepath.Join(d.tree, "empty")
	if atWalk {
		if err := xattr.LSet(filepath.Join(d.tree, "data"), "trusted.x", []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	fillFile(t, late, 8000) // the youngest, so that it is read last
	fillFile(t, empty, 0)
	if err := xattr.LSet(empty, "user.old", []byte("1")); err != nil {
		t.Fatal(err)
	}
	d.run(t, 5<<20, func(*disturbed) error {
		var errs []error
		for _, file := range []string{late, empty} {
			errs = append(errs, os.WriteFile(file+"~", make([]byte, 8000), 0o644), os.Chown(file+"~", 65534, 65534),
				xattr.LSet(file+"~", "trusted.new", []byte("1")), xattr.LSet(file+"~", "user.new", []byte("1")), os.Rename(file+"~", file))
		}
		return errors.Join(errs...)
	})
	b, err := chunk.Load(d.dest, "")
	if err != nil || d.code != cli.StatusDone {
		t.Fatal(err, d.stderr)
	}
	defer b.Close()
	return d, b.Manifest().Changes
}

// drain is the other end of a full pipe.
type drain struct {
	begin chan struct{} // closed when it may be read
	said  chan string   // what came then
}

// fullPipe returns a pipe to which nothing can be written until its other end is drained: a
// program whose last word goes there can be looked at before it ends.
func fullPipe(t *testing.T) (*os.File, drain) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	size, err := unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, 4096)
	if err == nil {
		_, err = unix.Write(fds[1], make([]byte, size))
	}
	if err != nil {
		t.Fatal(err)
	}
	d, r := drain{make(chan struct{}), make(chan string, 1)}, os.NewFile(uintptr(fds[0]), "pipe")
	go func() {
		defer r.Close()
		<-d.begin
		first, _ := io.ReadAll(io.LimitReader(r, int64(size)+1<<16))
		_, _ = io.Copy(io.Discard, r)
		d.said <- string(first[min(size, len(first)):])
	}()
	return os.NewFile(uintptr(fds[1]), "pipe"), d
}

// watchPower samples a process until it ends. It returns the capability sets that
// the program held, without repetitions, and what its status was last. It calls drain when
// the program holds what it is to hold in the end.
func watchPower(pid int, program string, done chan error, end string, drain func()) (held []string, last string) {
	late := time.After(30 * time.Second) // it never holds that
	drain = sync.OnceFunc(drain)
	for {
		select {
		case err := <-done:
			done <- err
			drain()
			return held, last
		case <-late:
			drain()
		case <-time.After(time.Millisecond):
		}
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, after, ok := strings.Cut(string(text), "\nCapEff:\t")
		if err != nil || !ok || exe != program || strings.Contains(string(text), "\nState:\tZ") || !strings.Contains(string(text), "\nVmRSS:") {
			continue // setpriv, or the end
		}
		adj, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
		if err != nil || len(adj) == 0 {
			continue // it ended between the two files
		}
		last = string(text) + "\noom_score_adj: " + string(adj)
		set, _, _ := strings.Cut(after, "\n")
		if len(held) == 0 || held[len(held)-1] != set {
			held = append(held, set)
		}
		if set == end && strings.Contains(last, "\nNoNewPrivs:\t1\n") {
			drain()
		}
	}
}

// rootsOwn returns what root has here.
func rootsOwn(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\nCapEff:\t")
	set, _, _ := strings.Cut(after, "\n")
	return set
}

// wantAdj returns what the program makes of the oom_score_adj that it is started with.
func wantAdj(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	if string(text) == "0\n" {
		return "1000\n"
	}
	return string(text)
}
