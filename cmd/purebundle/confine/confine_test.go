package confine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary under these names is a process that takes its own power away,
// tries what it is told to, and waits to be looked at. Arguments: the directory that
// may be written, one that may not, and an address that listens.
const confined = "confined"

// rest returns what is left in the cases, by name.
func rest(name, write string) Rest {
	switch name {
	case "bundle":
		return Rest{Capabilities: []Capability{ReadSearch}, Write: []string{write}, Remove: []string{filepath.Dir(write)}}
	case "network":
		return Rest{Write: []string{write}, Network: true}
	case "exec":
		return Rest{Exec: true, Network: true}
	case "file":
		return Rest{Write: []string{filepath.Join(write, "there")}}
	}
	return Rest{}
}

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == confined {
		beConfined(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
		return
	}
	os.Exit(m.Run())
}

// beConfined tries everything on threads that are older and younger than the loss.
func beConfined(name, write, elsewhere, address string) {
	var older, all sync.WaitGroup
	begin := make(chan struct{})
	results := make(chan string)
	for i := range 8 {
		older.Add(1)
		all.Add(1)
		go func() {
			runtime.LockOSThread()
			older.Done()
			<-begin
			try(results, fmt.Sprint("old", i), write, elsewhere, address)
			all.Done()
			select {} // so that the thread can be looked at
		}()
	}
	older.Wait()
	if name == "unconfined" {
		// the same without the loss
	} else if err := To(rest(name, write)); err != nil {
		fmt.Println("refused", err)
	}
	close(begin)
	for i := range 4 {
		all.Add(1)
		go func() {
			runtime.LockOSThread()
			try(results, fmt.Sprint("new", i), write, elsewhere, address)
			all.Done()
			select {}
		}()
	}
	go func() { all.Wait(); close(results) }()
	for r := range results {
		fmt.Println(r)
	}
	fmt.Println("done")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test has looked
}

// try does one thing of each kind and tells which went well.
func try(results chan<- string, me, write, elsewhere, address string) {
	tell := func(what string, err error) {
		if err != nil {
			what = "no-" + what
		}
		results <- what
	}
	create := func(path string) error {
		return os.WriteFile(path, nil, 0o600)
	}
	tell("write", create(filepath.Join(write, me)))
	tell("write-there", os.WriteFile(filepath.Join(write, "there"), []byte(me), 0o600))
	tell("move", move(write, me))
	tell("elsewhere", create(filepath.Join(elsewhere, me)))
	tell("remove-elsewhere", os.Remove(filepath.Join(elsewhere, "file-"+me)))
	tell("rmdir", os.Remove(filepath.Join(filepath.Dir(write), "dir-"+me)))
	tell("exec", exec.Command("/bin/true").Run())
	c, err := net.Dial("tcp", address)
	tell("connect", err)
	if err == nil {
		c.Close()
	}
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // Landlock does not watch that
	l, err := plain.Listen(context.Background(), "tcp", "127.0.0.1:0")
	tell("listen", err)
	if err == nil {
		l.Close()
	}
	_, err = os.ReadFile("/etc/hostname")
	tell("read", err)
	_, err = os.ReadFile(filepath.Join(elsewhere, "secret"))
	tell("read-secret", err)
}

// move makes a directory and a file, renames it out of there, and truncates it.
func move(dir, me string) error {
	sub := filepath.Join(dir, "sub-"+me)
	err := os.Mkdir(sub, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(sub, "f"), []byte("x"), 0o600)
	}
	to := filepath.Join(dir, "moved-"+me)
	if err == nil {
		err = os.Rename(filepath.Join(sub, "f"), to)
	}
	if err == nil {
		err = os.Truncate(to, 0)
	}
	return errors.Join(err, os.Remove(to), os.Remove(sub))
}

// tries of beConfined: eight older threads and four younger ones.
const tries = 12

func TestTo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, who has something to lose")
	}
	program := helper(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, c := range []struct {
		rest, as string
		caps     string // CapPrm and CapEff
		can      string
		cannot   string
	}{
		{"nothing", "root", "0000000000000000", "read", "write write-there move elsewhere remove-elsewhere rmdir exec connect listen read-secret"},
		{"bundle", "root", "0000000000000004", "write write-there move rmdir read read-secret", "elsewhere remove-elsewhere exec connect listen"},
		{"file", "root", "0000000000000000", "write-there read", "write move elsewhere rmdir exec connect"},
		{"network", "root", "0000000000000000", "write move connect listen", "elsewhere rmdir exec"},
		{"exec", "root", "0000000000000000", "write move elsewhere rmdir exec connect listen", "read-secret"},
		{"nothing", "user", "0000000000000000", "read", "write move elsewhere rmdir exec connect listen read-secret"},
		{"bundle", "user", "0000000000000000", "write write-there move rmdir read", "elsewhere exec connect listen read-secret"},
		{"none of it", "root", fullSet(t), "write write-there move elsewhere remove-elsewhere rmdir exec connect listen read read-secret", ""},
	} {
		t.Run(c.as+" "+c.rest, func(t *testing.T) {
			write, elsewhere := places(t, c.as)
			args := []string{c.rest, write, elsewhere, listener.Addr().String()}
			if c.rest == "none of it" { // the checks see something: the same without the loss
				args[0] = "unconfined"
			}
			done, pid := start(t, program, c.as, args)
			for _, what := range strings.Fields(c.can) {
				if done[what] != tries {
					t.Errorf("%s: %d of %d threads could: %v", what, done[what], tries, done)
				}
			}
			for _, what := range strings.Fields(c.cannot) {
				if done["no-"+what] != tries {
					t.Errorf("%s: %d of %d threads could not: %v", what, done["no-"+what], tries, done)
				}
			}
			lookAt(t, pid, c.caps, c.rest != "none of it")
		})
	}
}

// helper returns the path of the test binary under its other name, built without cgo, in a directory
// that everybody may enter.
func helper(t *testing.T) string {
	t.Helper()
	program := filepath.Join(openDir(t), confined)
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_GETPID, 0, 0, 0); errno == 0 {
		if out, err := exec.Command("cp", "-L", os.Args[0], program).CombinedOutput(); err == nil {
			return program
		} else {
			t.Logf("cp: %v %s", err, out)
		}
	}
	build := exec.Command("go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "confine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// places returns a directory to write to and another, both of the user who tries, and
// what try looks for.
func places(t *testing.T, as string) (write, elsewhere string) {
	t.Helper()
	top := openDir(t)
	write, elsewhere = filepath.Join(top, "write"), filepath.Join(top, "elsewhere")
	script := `mkdir "$W" "$E"; : > "$W/there"
for i in old0 old1 old2 old3 old4 old5 old6 old7 new0 new1 new2 new3; do : > "$E/file-$i"; mkdir "$T/dir-$i"; done`
	if as == "user" {
		script += `; chown -R 65534:65534 "$T"`
	}
	script += `; : > "$E/secret"; chown 65533 "$E/secret"; chmod 600 "$E/secret"`
	cmd := exec.Command("sh", "-euc", script)
	cmd.Env = append(os.Environ(), "T="+top, "W="+write, "E="+elsewhere)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return write, elsewhere
}

// start runs the helper and returns how many of its threads did what.
func start(t *testing.T, program, as string, args []string) (done map[string]int, pid int) {
	t.Helper()
	line := append([]string{program}, args...)
	if as == "user" {
		line = append([]string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"}, line...)
	}
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = cmd.Wait() })
	done = make(map[string]int)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if lines.Text() == "done" {
			return done, cmd.Process.Pid
		}
		if strings.HasPrefix(lines.Text(), "refused") {
			t.Error(lines.Text())
		}
		done[lines.Text()]++
	}
	t.Fatal("the process ended early")
	return nil, 0
}

// lookAt wants of each thread what proc says of it.
func lookAt(t *testing.T, pid int, caps string, taken bool) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < tries {
		t.Fatalf("%d threads, %v", len(threads), err)
	}
	want := map[string]string{"CapPrm": caps, "CapEff": caps, "NoNewPrivs": "0", "Seccomp": "0"}
	if taken {
		want["NoNewPrivs"], want["CapInh"], want["CapAmb"] = "1", strings.Repeat("0", 16), strings.Repeat("0", 16)
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			if w, ok := want[key]; ok {
				seen++
				if got := strings.TrimSpace(value); got != w {
					t.Errorf("%s: %s is %s, want %s", thread, key, got, w)
				}
			}
		}
		if seen != len(want) {
			t.Errorf("%s: %d of %d lines", thread, seen, len(want))
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		if f := strings.Fields(line); taken && strings.HasPrefix(line, "Max core") && (f[4] != "0" || f[5] != "0") {
			t.Error(line)
		}
	}
}

// fullSet returns what root has here.
func fullSet(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "CapEff:")
	return strings.Fields(after)[0]
}

// A program with cgo has threads that Go does not know: it says so and goes on.
func TestCgo(t *testing.T) {
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_GETPID, 0, 0, 0)
	err := onAll(0, 0, errno)
	if errno == 0 {
		err = onAll(0, 0, syscall.ENOTSUP)
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
