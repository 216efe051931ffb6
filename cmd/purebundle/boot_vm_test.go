//go:build boot

package main

import (
	"context"
	"fmt"
	"io"
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
)

// What an emulated machine may take: some thirty times what one with hardware
// support takes, and as much again where others are busy.
const (
	bootLimit    = 10 * time.Minute
	commandLimit = 10 * time.Minute
	answerLimit  = 3 * time.Minute // to the next line of a login
)

// vm is an emulated machine and its serial console.
type vm struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	in     io.Writer
	exited chan struct{} // closed when the emulator is gone
	marks  int           // commands run

	mu      sync.Mutex
	log     *os.File // all that the machine wrote to its console, for people
	console []byte   // the same
	read    int      // bytes of console that expect has passed
}

// boot starts a machine with a kernel and an initrd of its own. Its first disk
// holds the root file system.
func boot(ctx context.Context, t *testing.T, name, kernel, initrd, uuid string, disks ...string) *vm {
	t.Helper()
	return start(ctx, t, name, append([]string{"-kernel", kernel, "-initrd", initrd, "-append", kernelArgs(uuid)}, virtio(disks...)...)...)
}

// kernelArgs is a kernel's command line. There is a full check at every boot. Of the
// kernel's messages only errors come to the console: others would end up between ours.
func kernelArgs(uuid string) string {
	return "root=UUID=" + uuid + " ro console=ttyS0 loglevel=3 fsck.mode=force"
}

// drive is what all disks of the machines have in common.
const drive = ",format=raw,cache=unsafe,discard=unmap,detect-zeroes=unmap"

// virtio returns the arguments for virtio drives.
func virtio(disks ...string) (args []string) {
	for _, disk := range disks {
		args = append(args, "-drive", "if=virtio,file="+disk+drive)
	}
	return args
}

// start starts a machine. The emulator is gone when the test ends, however it ends;
// with go test -artifacts, its console stays in NAME.log.
func start(ctx context.Context, t *testing.T, name string, more ...string) *vm {
	t.Helper()
	args := append([]string{"-accel", "tcg", "-machine", "q35", "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none", "-serial", "stdio"}, more...)
	m := &vm{t: t, name: name, cmd: exec.CommandContext(ctx, "qemu-system-x86_64", args...), exited: make(chan struct{})}
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	m.cmd.Stdout, m.cmd.Stderr = m, m
	var err error
	if m.log, err = os.Create(filepath.Join(t.ArtifactDir(), name+".log")); err != nil {
		t.Fatal(err)
	}
	if m.in, err = m.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = m.cmd.Wait()
		close(m.exited)
	}()
	t.Cleanup(m.end)
	return m
}

// end kills the emulator if it still runs.
func (m *vm) end() {
	_ = m.cmd.Process.Kill()
	<-m.exited
	m.log.Close()
}

// Write takes what the machine writes to its console.
func (m *vm) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.console = append(m.console, p...)
	return m.log.Write(p)
}

// tryExpect waits until the console shows what matches, and gives the match and
// its groups. What was shown up to there is not looked at again.
func (m *vm) tryExpect(pattern *regexp.Regexp, limit time.Duration) ([]string, error) {
	deadline := time.Now().Add(limit)
	for {
		var gone bool
		select {
		case <-m.exited:
			gone = true
		default:
		}
		m.mu.Lock()
		at := pattern.FindSubmatchIndex(m.console[m.read:])
		if at != nil {
			var groups []string
			for i := 0; i < len(at); i += 2 {
				text := cleared.ReplaceAllString(string(m.console[m.read+at[i]:m.read+at[i+1]]), "")
				groups = append(groups, strings.ReplaceAll(text, "\r", ""))
			}
			m.read += at[1]
			m.mu.Unlock()
			return groups, nil
		}
		m.mu.Unlock()
		switch {
		case gone:
			return nil, fmt.Errorf("%s ended without %q on its console", m.name, pattern)
		case time.Now().After(deadline):
			return nil, fmt.Errorf("%s: no %q on its console after %v", m.name, pattern, limit)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// expect does what tryExpect does, for what must come.
func (m *vm) expect(pattern *regexp.Regexp, limit time.Duration) []string {
	m.t.Helper()
	groups, err := m.tryExpect(pattern, limit)
	if err != nil {
		m.fail(err)
	}
	return groups
}

// fail ends the test with the end of what the console showed.
func (m *vm) fail(err error) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.t.Fatalf("%v; the console ends with:\n%s", err, lastLines(readable.ReplaceAllString(string(m.console), ""), 60))
}

// readable matches what people need not see: colours, and the star that runs
// while systemd waits for a job.
var readable = regexp.MustCompile(`.*\] Job .* running \(.*\n|\x1b\[[?0-9;]*[a-zA-Z]|\x1bM|\r`)

// cleared matches what systemd-fsckd writes over its line of progress, half a minute after
// the last check at boot.
var cleared = regexp.MustCompile(`\r +\r`)

func (m *vm) send(text string) {
	m.t.Helper()
	if _, err := io.WriteString(m.in, text); err != nil {
		m.fail(fmt.Errorf("%s: write to the console: %w", m.name, err))
	}
}

// login waits for the login prompt, logs in as root, and leaves a plain shell
// that does not echo. It gives the time to the prompt.
func (m *vm) login(password string) time.Duration {
	m.t.Helper()
	start := time.Now()
	m.expect(regexp.MustCompile(bootHost+` login: `), bootLimit)
	took := time.Since(start)
	m.send("root\n")
	m.expect(regexp.MustCompile(`Password: $`), answerLimit)
	m.send(password + "\n")
	m.expect(regexp.MustCompile(`# $`), answerLimit)
	m.send("exec env PS1= PS2= TERM=dumb LC_ALL=C HISTFILE= sh\n")
	for range 10 {
		m.send("stty -echo; PS1=; echo ready $((40+2))\n")
		if _, err := m.tryExpect(regexp.MustCompile(`ready 42\r\n`), answerLimit/10); err == nil {
			return took
		}
	}
	m.fail(fmt.Errorf("%s: no shell after the login", m.name))
	return 0
}

// try runs a shell command in the machine and gives its output and status.
func (m *vm) try(command string) (out string, status int) {
	m.t.Helper()
	m.marks++
	end := fmt.Sprintf("=end=%d=", m.marks)
	m.send(fmt.Sprintf("{ %s\n} 2>&1; echo \"%s$?=\"\n", command, end))
	groups := m.expect(regexp.MustCompile(`(?s)(.*?)`+end+`(\d+)=\r\n`), commandLimit)
	status, _ = strconv.Atoi(groups[2])
	return groups[1], status
}

// run does what try does, for a command that must exit 0.
func (m *vm) run(command string) string {
	m.t.Helper()
	out, status := m.try(command)
	if status != 0 {
		m.t.Fatalf("%s: %s: status %d\n%s", m.name, command, status, lastLines(out, 60))
	}
	return out
}

// poweroff shuts the machine down and waits until it is off.
func (m *vm) poweroff() {
	m.t.Helper()
	m.send("systemctl poweroff\n")
	select {
	case <-m.exited:
		if status := m.cmd.ProcessState; !status.Success() {
			m.fail(fmt.Errorf("%s: %v", m.name, status))
		}
	case <-time.After(bootLimit):
		m.fail(fmt.Errorf("%s: still on %v after poweroff", m.name, bootLimit))
	}
}

// reboot restarts the machine; login is next. The kernel's message is one of
// those that loglevel=3 lets pass.
func (m *vm) reboot() {
	m.t.Helper()
	m.send("systemctl reboot\n")
	m.expect(regexp.MustCompile(`reboot: Restarting system`), bootLimit)
}
