package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"purebundle/chunk/s3/s3test"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// TestStories runs testdata/*.txt. Besides what testscript has, a story can
// use the commands of storyCommands; each is described at its function.
func TestStories(t *testing.T) {
	imgtest.RequireRoot(t)
	server := sync.OnceValue(func() *s3test.Server { return s3test.Start(t) })
	testscript.RunT(story{t}, testscript.Params{
		Dir:  "testdata",
		Cmds: storyCommands(),
		Setup: func(env *testscript.Env) error {
			env.Values[serverKey{}] = server
			return setupStory(env)
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// story gives testscript a test and the commands its *testing.T.
type story struct{ *testing.T }

func (s story) Run(name string, f func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { f(story{t}) })
}

func (s story) Verbose() bool { return testing.Verbose() }

type storyKey struct{}

func setupStory(env *testscript.Env) error {
	env.Values[storyKey{}] = env.T().(story).T
	env.Setenv("LC_ALL", "C.UTF-8")
	env.Setenv("HOST_TMP", os.TempDir())
	return nil
}

// testOf returns the test that a story runs in.
func testOf(ts *testscript.TestScript) *testing.T { return ts.Value(storyKey{}).(*testing.T) }

// storyCommands returns the commands of stories. None takes "!": one that ignored it
// would check the contrary of what the story says.
func storyCommands() map[string]func(*testscript.TestScript, bool, []string) {
	commands := map[string]func(*testscript.TestScript, bool, []string){
		"status": cmdStatus,
		"mnt":    cmdMnt,
		"umnt":   cmdUmnt,
		"disk":   cmdDisk,
		"fsck":   cmdFsck,
		"loop":   cmdLoop,
		"same":   cmdSame,
		"empty":  cmdEmpty,
		"only":   cmdOnly,
		"absent": cmdAbsent,
		"fill":   cmdFill,
		"sumof":  cmdSumOf,
		"asuser": cmdAsUser,
		"signal": cmdSignal,

		"s3":      cmdS3,
		"broken":  cmdBroken,
		"ec2api":  cmdEC2API,
		"objects": cmdObjects,
		"flip":    cmdFlip,
		"age":     cmdAge,
	}
	for name, command := range commands {
		commands[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) == 0 && (name == "absent" || name == "empty") {
				ts.Fatalf("%s takes no !, and needs something to look at", name)
			}
			command(ts, neg, args)
		}
	}
	return commands
}

// status N PROGRAM ARG...: runs a program and wants exactly that exit status.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg {
		ts.Fatalf("usage: status N program arg...")
	}
	checkStatus(ts, want, ts.Exec(args[1], args[2:]...))
	if said := ts.ReadFile("stderr"); args[1] == "purebundle" && (want == 1 || want == 2) && !hinted.MatchString(said) {
		ts.Fatalf("an error without a hint")
	}
}

// hinted finds what to do about an error, for people or in JSON.
var hinted = regexp.MustCompile(`(?m)^hint: |"hint":`)

func checkStatus(ts *testscript.TestScript, want int, err error) {
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// mnt TYPE SOURCE DIR [OPTIONS]: mounts; TYPE "bind" binds SOURCE, "ro" binds it
// read-only. It is unmounted when the story ends.
func cmdMnt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: mnt type source dir [options]")
	}
	kind, source, dir, options := args[0], args[1], ts.MkAbs(args[2]), strings.Join(args[3:], ",")
	flags := uintptr(0)
	if kind == "bind" || kind == "ro" {
		flags, source = unix.MS_BIND, ts.MkAbs(source)
	}
	if kind == "ext4" && strings.Contains(options, "loop") {
		ts.Fatalf("use loop")
	}
	if err := unix.Mount(source, dir, kind, flags, options); err != nil {
		ts.Fatalf("mount %s %s: %v", source, dir, err)
	}
	// Before testscript removes its directory, so that nothing is removed
	// through a mount.
	ts.Defer(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if kind == "ro" {
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
			ts.Fatalf("remount %s read-only: %v", dir, err)
		}
	}
}

// disk DIR: mounts a new ext4 there until the story ends.
func cmdDisk(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	image := filepath.Join(testOf(ts).TempDir(), "disk")
	ts.Check(errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 16<<20)))
	imgtest.Run(testOf(ts), "mkfs.ext4", "-q", image)
	imgtest.Run(testOf(ts), "mount", "-o", "loop", image, dir)
	ts.Defer(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }) // as mnt
}

// umnt DIR: unmounts.
func cmdUmnt(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(unix.Unmount(ts.MkAbs(args[0]), 0))
}

// fsck IMAGE: e2fsck -fn finds nothing, asks nothing and exits 0.
func cmdFsck(ts *testscript.TestScript, _ bool, args []string) {
	t := testOf(ts)
	imgtest.Fsck(t, ts.MkAbs(args[0]))
	if t.Failed() {
		ts.Fatalf("fsck %s failed", args[0])
	}
}

// loop IMAGE NAME: mounts the image in the kernel, read-only, and sets $NAME to
// the mount point.
func cmdLoop(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[1], imgtest.Mount(testOf(ts), ts.MkAbs(args[0])))
}

// same SOURCE DIR: rsync's dry run would change nothing in DIR to make it SOURCE.
func cmdSame(ts *testscript.TestScript, _ bool, args []string) {
	t := testOf(ts)
	if len(namesIn(ts, args[0])) == 0 {
		ts.Fatalf("%s is empty", args[0])
	}
	imgtest.Rsync(t, ts.MkAbs(args[0]), ts.MkAbs(args[1]))
	if t.Failed() {
		ts.Fatalf("same %s failed", args)
	}
}

// empty PATH...: each is an empty directory or an empty file.
func cmdEmpty(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		info, err := os.Lstat(ts.MkAbs(name))
		ts.Check(err)
		if !info.IsDir() {
			if !info.Mode().IsRegular() || info.Size() != 0 {
				ts.Fatalf("%s is not an empty file: %v, %d bytes", name, info.Mode(), info.Size())
			}
			continue
		}
		if names := namesIn(ts, name); len(names) > 0 {
			ts.Fatalf("%s is not empty: %q", name, names)
		}
	}
}

// only DIR PATTERN...: DIR holds names for each of the patterns, and no others.
func cmdOnly(ts *testscript.TestScript, _ bool, args []string) {
	wantOnly(ts, args[0], namesIn(ts, args[0]), args[1:])
}

// wantOnly wants each name to match a pattern, and each pattern a name.
func wantOnly(ts *testscript.TestScript, place string, names, patterns []string) {
	found := map[string]bool{}
	for _, name := range names {
		known := false
		for _, pattern := range patterns {
			match, err := filepath.Match(pattern, name)
			ts.Check(err)
			if match {
				known, found[pattern] = true, true
			}
		}
		if !known {
			ts.Fatalf("%s holds %s", place, name)
		}
	}
	for _, pattern := range patterns {
		if !found[pattern] {
			ts.Fatalf("%s holds no %s", place, pattern)
		}
	}
}

// absent DIR...: no such name, not even a dangling symlink.
func cmdAbsent(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		if _, err := os.Lstat(ts.MkAbs(name)); !errors.Is(err, fs.ErrNotExist) {
			ts.Fatalf("%s is there (%v)", name, err)
		}
	}
}

func namesIn(ts *testscript.TestScript, dir string) []string {
	entries, err := os.ReadDir(ts.MkAbs(dir))
	ts.Check(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// fill FILE BYTES: makes a file of bytes that do not compress and do not repeat.
func cmdFill(ts *testscript.TestScript, _ bool, args []string) {
	size, err := cli.ParseSize(args[1])
	ts.Check(err)
	name := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(name), 0o755))
	file, err := os.Create(name)
	ts.Check(err)
	defer file.Close()
	state, buf := uint64(len(args[0])), make([]byte, 1<<16)
	for left := size; left > 0; left -= int64(len(buf)) {
		for i := range buf {
			state = state*6364136223846793005 + 1442695040888963407
			buf[i] = byte(state >> 56)
		}
		buf = buf[:min(int64(len(buf)), left)]
		_, err := file.Write(buf)
		ts.Check(err)
	}
}

// sumof NAME GLOB: sets $NAME to the SHA-256 of the files, in order, by sha256sum.
func cmdSumOf(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("sh", "-c", "cat "+ts.MkAbs(args[1])+" | sha256sum"))
	ts.Setenv(args[0], strings.Fields(ts.ReadFile("stdout"))[0])
}

// asuser STATUS PROGRAM ARG...: status, as the user nobody.
func cmdAsUser(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	// The program and the story's directory are below directories of root.
	program, err := lookPath(ts.Getenv("PATH"), args[1])
	ts.Check(err)
	for _, dir := range []string{filepath.Dir(filepath.Dir(program)), filepath.Dir(ts.Getenv("WORK"))} {
		if strings.HasPrefix(dir, os.TempDir()) {
			ts.Check(os.Chmod(dir, 0o755))
		}
	}
	checkStatus(ts, want, ts.Exec("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", program}, args[2:]...)...))
}

// signal NAME WHEN PROGRAM ARG...: starts a program, signals it, and wants it to be gone
// soon, with status 1. WHEN is how long after its start, or a file: as soon as that is there.
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	number := unix.SignalNum(args[0])
	delay, err := time.ParseDuration(args[1])
	file := ""
	if err != nil {
		file = ts.MkAbs(args[1])
	}
	if number == 0 {
		ts.Fatalf("usage: signal NAME WHEN program arg...")
	}
	path, err := lookPath(ts.Getenv("PATH"), args[2])
	ts.Check(err)
	// On a machine with much to do it may not have begun by then: later, if so.
	for range 5 {
		stderr, took, err := signalled(ts, number, delay, file, path, args[3:])
		ts.Logf("gone after %v\n%s", took, stderr)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == -1 && stderr == "" {
			delay *= 2
			continue
		}
		checkStatus(ts, 1, err)
		if !strings.Contains(stderr, "interrupted ("+args[0]+")") {
			ts.Fatalf("does not say that it was interrupted")
		}
		if took > goneWithin {
			ts.Fatalf("gone after %v", took)
		}
		return
	}
	ts.Fatalf("had not begun after %v", delay)
}

// signalled runs a program and sends it a signal after delay, and as soon as file is there if
// it is not "". It returns what the program wrote to stderr, how long it lived after the
// signal, and how it ended.
func signalled(ts *testscript.TestScript, number syscall.Signal, delay time.Duration, file, path string, args []string) (string, time.Duration, error) {
	program := exec.Command(path, args...)
	program.Dir = ts.MkAbs(".")
	var stderr strings.Builder
	program.Stderr = &stderr
	program.Env = append(os.Environ(), awsEnv(ts)...)
	ts.Check(program.Start())
	over := make(chan error, 1)
	go func() { over <- program.Wait() }()
	time.Sleep(delay)
	for there := file == ""; !there; {
		select {
		case err := <-over: // too late
			return stderr.String(), 0, err
		case <-time.After(time.Millisecond):
			_, err := os.Lstat(file)
			there = err == nil
		}
	}
	if err := program.Process.Signal(number); err != nil && !errors.Is(err, os.ErrProcessDone) {
		ts.Fatalf("signal: %v", err)
	}
	start := time.Now()
	err := <-over
	return stderr.String(), time.Since(start), err
}

// lookPath finds a program in the directories of path.
func lookPath(path, name string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return filepath.Join(dir, name), nil
		}
	}
	return "", fmt.Errorf("%s: not in %s", name, path)
}

// TestStoriesAreDescribed keeps each story's first line a comment that says
// what the story is about.
func TestStoriesAreDescribed(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s does not begin with a comment", name)
		}
	}
}
