package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// contestM looks at trees full of mounts: the table is read and judged, nothing
// else is there.
func (b *bench) contestM() error {
	if os.Geteuid() != 0 {
		b.missing = append(b.missing, "mounts: they need root")
		return nil
	}
	if _, err := exec.LookPath("nsenter"); err != nil {
		b.missing = append(b.missing, "mounts: nsenter is not installed")
		return nil
	}
	count := max(int(30_000*b.scale), 2)
	whole, leave, err := b.mounted("M", count)
	if err != nil {
		return err
	}
	defer leave()
	half, leaveHalf, err := b.mounted("M1", count/2)
	if err != nil {
		return err
	}
	defer leaveHalf()
	table, tableHalf := whole.program("purebundle mounts", "mounts"), half.program("purebundle mounts, half of them", "mounts")
	dry, dryHalf := whole.program("purebundle --dry-run", "bundle", "--dry-run", "-q"), half.program("purebundle --dry-run, half of them", "bundle", "--dry-run", "-q")
	err = b.compete(&contest{title: "M", trees: []*tree{whole.tree, half.tree}, programs: []*program{table, tableHalf, dry, dryHalf}})
	if err != nil {
		return err
	}
	b.linear("M: mounts, time a mount", table, tableHalf, 0.5)
	b.linear("M: --dry-run, time a mount", dry, dryHalf, 0.5)
	return nil
}

// mounted is a tree whose mounts are in a mount namespace of their own, which a
// child holds.
type mounted struct {
	tree       *tree
	thread     int // of the child, in whose namespace they are
	purebundle string
}

// mounted makes a tree with so many mounts. leave ends the child, and with it the
// namespace.
func (b *bench) mounted(letter string, count int) (m *mounted, leave func(), err error) {
	t := &tree{letter: letter, what: fmt.Sprintf("%d mounts, half of them tmpfs, half binds of one directory", count), path: filepath.Join(b.dir, "tree-"+letter)}
	t.Entries = int64(count) + 2
	if err := os.MkdirAll(t.path, 0o755); err != nil {
		return nil, nil, err
	}
	b.say("making tree %s: %s", letter, t.what)
	cmd := exec.Command(b.self, "mounts", strconv.Itoa(count), t.path)
	cmd.Stderr = b.log
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	leave = func() {
		in.Close() // it ends with its input
		if err := errors.Join(cmd.Wait(), os.Remove(t.path)); err != nil {
			b.say("tree %s: %v", letter, err)
		}
	}
	m = &mounted{tree: t}
	m.purebundle, err = filepath.Abs(b.purebundle)
	if err == nil {
		err = json.NewDecoder(out).Decode(&m.thread)
	}
	if err != nil {
		leave()
		return nil, nil, fmt.Errorf("tree %s: %w", letter, err)
	}
	return m, leave, nil
}

// program returns a command of purebundle in the namespace, with the tree as its last
// argument but for DEST.
func (m *mounted) program(name string, args ...string) *program {
	p := &program{name: name, tree: m.tree, hot: m.tree.path, always: true}
	p.argv = func(out string) []string {
		argv := append([]string{"nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", m.thread), m.purebundle}, args...)
		argv = append(argv, m.tree.path)
		if args[0] == "bundle" {
			argv = append(argv, out)
		}
		return argv
	}
	return p
}

// mountsCommand runs as the child that holds a namespace with mounts until its input ends.
func mountsCommand(args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) != 2 {
		return errors.New("mounts: a number and a directory needed")
	}
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the namespace is this thread's alone
	if err := makeMounts(count, args[1]); err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(unix.Gettid()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// makeMounts enters a namespace of its own and mounts so many things below dir.
func makeMounts(count int, dir string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	if err := unix.Mount("tree", dir, "tmpfs", 0, "mode=755,nr_inodes=0"); err != nil {
		return &os.PathError{Op: "mount", Path: dir, Err: err}
	}
	origin := filepath.Join(dir, "origin")
	if err := os.Mkdir(origin, 0o755); err != nil {
		return err
	}
	for i := range count {
		point := filepath.Join(dir, fmt.Sprintf("mount-%05d", i))
		err := os.Mkdir(point, 0o755)
		switch {
		case err != nil:
		case i%2 == 0:
			err = unix.Mount("small", point, "tmpfs", 0, "")
		default:
			err = unix.Mount(origin, point, "", unix.MS_BIND, "")
		}
		if err != nil {
			return &os.PathError{Op: "mount", Path: point, Err: err}
		}
	}
	return nil
}
