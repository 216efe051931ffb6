package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what one run of a program took, with all children that it waited for.
type usage struct {
	wall, cpu         time.Duration
	rss               int64 // bytes, the largest of any single process
	read, written     int64 // bytes that went through system calls: rchar, wchar
	devRead, devWrite int64 // bytes from and to the device; dirty pages count when they are made
}

// measure runs a program to its end. What it prints is returned, and part of
// the error if it fails; what it took is returned also if its status is not 0.
func measure(ctx context.Context, argv []string) (usage, []byte, error) {
	var u usage
	var out, errs bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return u, nil, err
	}
	pid := cmd.Process.Pid
	defer context.AfterFunc(ctx, func() { _ = unix.Kill(-pid, unix.SIGTERM) })()

	// The counters of a process that has ended stand in /proc until it is waited for.
	var info unix.Siginfo
	err := error(unix.EINTR)
	for errors.Is(err, unix.EINTR) {
		err = unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
	}
	u.wall = time.Since(start)
	ioErr := u.readIO(pid)
	werr := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return u, nil, context.Cause(ctx)
	case err != nil:
		return u, nil, os.NewSyscallError("waitid", err)
	case ioErr != nil:
		return u, nil, ioErr
	}
	r := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	u.cpu = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	u.rss = r.Maxrss << 10 // ru_maxrss is in KiB
	if werr != nil {
		return u, nil, fmt.Errorf("%s: %w: %s", argv[0], werr, lastLine(errs.String()))
	}
	return u, out.Bytes(), nil
}

// readIO takes the counters of /proc/PID/io, see proc_pid_io(5). Those of
// children that were waited for are in them.
func (u *usage) readIO(pid int) error {
	name := "/proc/" + strconv.Itoa(pid) + "/io"
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	fields := map[string]*int64{
		"rchar": &u.read, "wchar": &u.written, "read_bytes": &u.devRead, "write_bytes": &u.devWrite,
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if field := fields[key]; field != nil {
			if *field, err = strconv.ParseInt(value, 10, 64); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			found++
		}
	}
	if found != len(fields) {
		return fmt.Errorf("%s: %w", name, errors.ErrUnsupported)
	}
	return nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// flush writes all that is dirty on the file system of dir, so that no run
// pays for the one before it.
func flush(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(d.Fd())))
}

// dropCaches forgets all clean pages, names and inodes. It needs root.
func dropCaches() error {
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3\n"), 0)
}
