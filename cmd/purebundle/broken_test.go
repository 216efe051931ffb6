package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"purebundle/chunk/work"
	"purebundle/cmd/purebundle/cli"
	"purebundle/walker"
)

// breaks runs as the test binary under that name: a program that panics, in the way that
// its argument names, with something to clean up.
func breaks() {
	ways := map[string]func() error{
		"here": func() error { panic("it broke") },
		"worker": func() error {
			return work.Each(context.Background(), work.Crew{}, make([]int, 9), func(context.Context, int) error { panic("it broke") })
		},
		"walk": func() error {
			_, err := walker.Walk(context.Background(), os.Args[2], walker.Options{}, func(*walker.Entry) error { panic("it broke") })
			return err
		},
		"library": func() error { // a goroutine that nobody of ours has started
			go func() { panic("it broke") }()
			select {}
		},
	}
	a := cli.NewApp(nil, os.Stdin, os.Stdout, os.Stderr)
	a.Verbose = os.Args[1] == "here"
	if os.Args[1] == "library" {
		os.Args = []string{"purebundle", "--version"}
		process() // all that main does
		_ = ways["library"]()
	}
	err := recovered(func() error {
		defer fmt.Println("cleaned up")
		return ways[os.Args[1]]()
	})
	a.Report(err)
	os.Exit(cli.Status(err))
}

// A panic is status 1, a sentence and advice, after clean-up, whichever of our
// goroutines it is in; what cannot be recovered is no mistake on the command line.
func TestBroken(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(way string) (stdout, stderr string, state *os.ProcessState) {
		cmd := exec.Command(self)
		cmd.Args = []string{"breaks", way, t.TempDir()}
		cmd.Env = append(os.Environ(), "GOTRACEBACK=single")
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run() // its state says more
		return out.String(), errs.String(), cmd.ProcessState
	}
	for _, way := range []string{"here", "worker", "walk"} {
		stdout, stderr, state := run(way)
		lines := strings.Split(stderr, "\n")
		if state.ExitCode() != 1 || stdout != "cleaned up\n" || lines[0] != "purebundle: internal error: it broke" ||
			!strings.HasPrefix(lines[1], "hint: this is a fault of purebundle") {
			t.Errorf("%s: %v, %q, %s", way, state, stdout, stderr)
		}
		if verbose := strings.Contains(stderr, "broken_test.go"); verbose != (way == "here") {
			t.Errorf("%s: stack: %v\n%s", way, verbose, stderr)
		}
	}
	_, stderr, state := run("library")
	if w := state.Sys().(syscall.WaitStatus); !w.Signaled() || w.Signal() != syscall.SIGABRT || !strings.Contains(stderr, "it broke") {
		t.Errorf("%v\n%s", state, stderr)
	}
}

// A run that needs more memory than it may use ends with status 1, and nothing of it
// is left.
func TestMemoryLimit(t *testing.T) {
	tree, dest := t.TempDir(), filepath.Join(t.TempDir(), "dest")
	makeFiles(t, tree, map[string]string{"file": "content"})
	cmd := exec.Command(program(t), "bundle", tree, dest)
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=1MiB")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "purebundle: needs more than the 1 MiB of memory that it may use: nothing is left behind\nhint: GOMEMLIMIT=") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Lstat(dest); err == nil {
		t.Error("DEST was made")
	}
}

// A run that may not open enough files says which limit that is, also if the walk meets
// it first: what it could not look at is not left out.
func TestTooManyOpenFiles(t *testing.T) {
	tree, dest := t.TempDir(), filepath.Join(t.TempDir(), "dest")
	if err := os.MkdirAll(filepath.Join(tree, strings.Repeat("d/", 60)), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `ulimit -n 40; exec "$0" "$@"`, program(t), "bundle", tree, dest)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "too many open files\nhint: this process may not open more files: ulimit -n") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Lstat(dest); err == nil {
		t.Error("DEST was made")
	}
}
