package walker

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	sourceEnv = "PUREBUNDLE_WALKER_SOURCE"
	denyEnv   = "PUREBUNDLE_WALKER_DENY"
)

// helpers returns what a copy of the test binary can be started for.
func helpers() map[string]func() error {
	return map[string]func() error{
		"no-proc": noProcHelper,
		"walk":    walkHelper,
		"swap":    swapHelper,
		"churn":   churnHelper,
		"lease":   leaseHelper,
	}
}

// walkHelper walks the directory in sourceEnv, without the system calls in denyEnv, and prints all that there is to know, a line each.
func walkHelper() error {
	if names := os.Getenv(denyEnv); names != "" {
		if err := deny(strings.Fields(names)...); err != nil {
			return err
		}
	}
	res := &result{entries: make(map[string]*Entry)}
	tree, err := Walk(context.Background(), os.Getenv(sourceEnv), Options{}, res.add)
	if err != nil {
		return err
	}
	defer tree.Close()
	res.Tree = tree
	for _, r := range tree.roots {
		fmt.Printf("guard %d\n", r.mode)
	}
	for _, l := range res.lines() {
		fmt.Printf("entry %q\n", l)
	}
	for _, l := range res.mountLines()[1:] {
		fmt.Println("mount", l)
	}
	for _, p := range tree.Unreadable {
		fmt.Println("unreadable", p.Path, p.Err)
	}
	for _, p := range tree.Warnings {
		fmt.Println("warning", p.Path, p.Text, p.Count)
	}
	for p, e := range res.entries {
		if e.Mode&unix.S_IFMT == unix.S_IFREG {
			f, err := openFile(tree, p)
			if err != nil {
				fmt.Println("closed", err)
				continue
			}
			f.Close()
		}
	}
	return nil
}

// deny makes system calls of this process fail for good: as they do in containers, or on kernels that do not have them.
func deny(names ...string) error {
	numbers := map[string]uint32{"openat2": unix.SYS_OPENAT2, "open_tree": unix.SYS_OPEN_TREE, "unshare": unix.SYS_UNSHARE, "mount_setattr": unix.SYS_MOUNT_SETATTR}
	const load, equal, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	prog := []unix.SockFilter{{Code: load, K: 0}} // seccomp_data.nr
	for _, n := range names {
		errno := uint32(unix.ENOSYS)
		if n == "unshare" || n == "open_tree" {
			errno = uint32(unix.EPERM)
		}
		prog = append(prog, unix.SockFilter{Code: equal, Jf: 1, K: numbers[n]}, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | errno})
	}
	prog = append(prog, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW})
	return installFilter(prog)
}

// parts sorts the lines of walkHelper by their first word.
func parts(t *testing.T, out string) map[string][]string {
	t.Helper()
	m := make(map[string][]string)
	for line := range strings.Lines(out) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		m[kind] = append(m[kind], rest)
	}
	if len(m["entry"]) == 0 {
		t.Fatal("no entries")
	}
	return m
}

// openFile does what Tree.Open does, for a test that wants an os.File.
func openFile(tree *Tree, name string) (*os.File, error) {
	var st unix.Stat_t
	fd, err := tree.Open(name, &st)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// wantRead checks how the files of a tree begin, by path.
func wantRead(t *testing.T, tree *Tree, files map[string]string) {
	t.Helper()
	for p, want := range files {
		f, err := openFile(tree, p)
		must(t, err)
		b := make([]byte, 10)
		n, _ := f.Read(b)
		f.Close()
		if string(b[:n]) != want {
			t.Errorf("%s reads %q, want %q", p, b[:n], want)
		}
	}
}
