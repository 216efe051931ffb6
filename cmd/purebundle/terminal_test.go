package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"purebundle/cmd/purebundle/progress"
	"purebundle/ext2img/imgtest"
)

// screen is a terminal (tmux) that a program runs in. What tests see is what
// is on the screen, not what was written to it.
type screen struct {
	t      *testing.T
	socket string
}

// newScreen runs a shell command in a terminal of the given size.
func newScreen(t *testing.T, width, height int, command string) *screen {
	t.Helper()
	imgtest.NeedTool(t, "tmux")
	s := &screen{t, filepath.Join(t.TempDir(), "tmux")}
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height),
		"trap : INT; env -u NO_COLOR "+command+"; read line")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() })
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TMUX=", "SHELL=/bin/sh")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// lines returns the rows of the screen, without those below the last that is used.
func (s *screen) lines() []string {
	s.t.Helper()
	return strings.Split(strings.TrimRight(s.tmux("capture-pane", "-p"), "\n"), "\n")
}

// wait polls until the screen is as wanted, and fails with what it shows.
func (s *screen) wait(what string, ok func(lines []string) bool) []string {
	s.t.Helper()
	var lines []string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); { // it takes moments, but for a busy machine
		if lines = s.lines(); ok(lines) {
			return lines
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("the screen never shows %s:\n%s", what, strings.Join(lines, "\n"))
	return nil
}

// waitLast waits for a last line that has all of words.
func (s *screen) waitLast(words ...string) []string {
	s.t.Helper()
	return s.wait(fmt.Sprintf("a last line with %q", words), func(lines []string) bool {
		for _, w := range words {
			if !strings.Contains(lines[len(lines)-1], w) {
				return false
			}
		}
		return true
	})
}

// uiDemo drives the progress display by commands read from the file named by
// its argument, so that a test can hold it still at any moment.
func uiDemo() {
	control, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	u := progress.New(os.Stderr, progress.Auto)
	lines := bufio.NewScanner(control)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		n, _ := strconv.ParseInt(rest, 10, 64)
		switch word {
		case "begin":
			for p := progress.Starting; p <= progress.Finishing; p++ {
				if p.String() == rest {
					u.Begin(p)
				}
			}
		case "entries":
			u.Entries.Store(n)
			u.Found.Store(n << 16)
		case "dir":
			u.Dir.Store(&rest)
		case "percent":
			u.AllBytes.Store(1000 << 20)
			u.AllParts.Store(100)
			u.Bytes.Store(n * 10 << 20)
			u.Parts.Store(n)
		case "warn":
			u.Warn("/some/file", rest)
		case "close":
			u.Close()
		case "print":
			fmt.Println(rest)
		}
	}
}

// demo starts uiDemo on a new screen and gives the way to tell it things.
func demo(t *testing.T, width int, environment string) (*screen, func(command string)) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "control")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// A shell's exec -a, since the test binary looks at the name it is called by.
	s := newScreen(t, width, 12, fmt.Sprintf("%s bash -c 'exec -a uidemo %s %s'", environment, self, fifo))
	control, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { control.Close() })
	return s, func(command string) {
		if _, err := io.WriteString(control, command+"\n"); err != nil {
			t.Fatal(err)
		}
	}
}

// The three phases on real terminals: one line that fits and holds what it
// should, warnings above it, nothing left of it afterwards.
func TestBarOnScreen(t *testing.T) {
	for _, width := range []int{40, 80, 200} {
		t.Run(strconv.Itoa(width), func(t *testing.T) {
			t.Parallel()
			s, tell := demo(t, width, "env TERM=screen")
			fits := func(lines []string, rows int) {
				t.Helper()
				if len(lines) != rows {
					t.Errorf("%d rows, want %d:\n%s", len(lines), rows, strings.Join(lines, "\n"))
				}
				for _, line := range lines {
					if strings.Contains(line, "100%") {
						t.Errorf("it is not done: %s", line)
					}
				}
			}
			tell("entries 1234")
			tell("dir /usr/share/doc/a-package-with-a-long-name/examples/and/more/of/them/below")
			tell("begin scanning")
			fits(s.waitLast("scanning", "1,234"), 1)

			tell("percent 0")
			tell("begin writing")
			fits(s.waitLast("writing", " 0% [.........", "]"), 1)
			tell("percent 42")
			fits(s.waitLast("42% [===", ">"), 1)
			lines := s.waitLast("42%", "left") // the rate is known after a while
			if width >= 80 && !strings.Contains(lines[0], "MiB/s") {
				t.Errorf("no rate: %s", lines[0])
			}
			if width >= 200 && !strings.Contains(lines[0], "420 MiB of 1000 MiB") || width >= 200 && !strings.Contains(lines[0], "part 42/100") {
				t.Errorf("no amount or part: %s", lines[0])
			}

			tell("warn vanished")
			lines = s.wait("a warning above the bar", func(lines []string) bool {
				return len(lines) == 2 && strings.Contains(lines[1], "42%")
			})
			if lines[0] != "warning: /some/file: vanished" {
				t.Errorf("the warning is %q", lines[0])
			}

			tell("percent 100")
			fits(s.waitLast("finishing"), 2)
			tell("begin finishing")
			fits(s.waitLast("finishing", "0s"), 2)
			tell("close")
			tell("print bundled")
			lines = s.waitLast("bundled")
			if len(lines) != 2 || lines[1] != "bundled" {
				t.Errorf("left over:\n%s", strings.Join(lines, "\n"))
			}
		})
	}
}

// A terminal that is made narrower or wider has one bar line a moment later,
// and no pieces of the old one.
func TestBarFollowsResize(t *testing.T) {
	t.Parallel()
	s, tell := demo(t, 200, "env TERM=screen")
	tell("percent 0")
	tell("begin writing")
	tell("percent 42")
	s.waitLast("42%", "part 42/100")
	for _, width := range []int{100, 40, 20, 60, 200, 30} {
		s.tmux("resize-window", "-x", strconv.Itoa(width), "-y", "12")
		s.wait(fmt.Sprintf("one line in %d columns", width), func(lines []string) bool {
			last := lines[len(lines)-1]
			return len(lines) == 1 && strings.Count(last, "42%") == 1 && len(last) < width && len(last) > min(width, 100)/2
		})
	}
}

// A terminal that cannot move its cursor gets plain lines; NO_COLOR is kept.
func TestDumbTerminal(t *testing.T) {
	t.Parallel()
	s, tell := demo(t, 80, "env TERM=dumb")
	tell("entries 7")
	tell("begin scanning")
	tell("percent 0")
	tell("begin writing")
	tell("percent 50")
	tell("warn odd")
	tell("begin finishing")
	tell("close")
	tell("print bundled")
	got := strings.Join(s.waitLast("bundled"), "\n")
	want := "scanning\nscanned: 7 entries, 448 KiB in files\nwriting: 1000 MiB in 100 parts\nwarning: /some/file: odd\nfinishing\nbundled"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A whole run on a terminal ends with the summary and the prompt in its place.
func TestRunOnScreen(t *testing.T) {
	imgtest.RequireRoot(t)
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "data"), make([]byte, 30<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{80, 120} {
		out := filepath.Join(dir, strconv.Itoa(width))
		s := newScreen(t, width, 30, fmt.Sprintf("bash -c 'cd %s && exec -a purebundle %s bundle tree %s'; echo status $?", dir, self, filepath.Base(out)))
		lines := s.waitLast("status")
		if lines[len(lines)-1] != "status 0" || !strings.HasPrefix(lines[0], "bundled ") {
			t.Errorf("the screen shows\n%s", strings.Join(lines, "\n"))
		}
		for _, line := range lines {
			for _, word := range []string{"scanning", "writing", "finishing", "%"} {
				if strings.Contains(line, word) {
					t.Errorf("left over: %s", line)
				}
			}
		}
	}
}

// A real run, looked at while it writes: one line that fits and moves on. Ctrl-C
// takes it away, with all that it made.
func TestInterruptOnScreen(t *testing.T) {
	imgtest.RequireRoot(t)
	t.Parallel()
	dir := t.TempDir()
	fillFile(t, filepath.Join(dir, "tree/data"), 300<<20)
	for _, width := range []int{40, 80, 200} {
		got := interruptOnScreen(t, dir, width)
		for tries := 0; strings.HasSuffix(got, "status 0") && tries < 9; tries++ { // it was done before the key came
			if err := os.RemoveAll(filepath.Join(dir, "out")); err != nil {
				t.Fatal(err)
			}
			got = interruptOnScreen(t, dir, width)
		}
		if want := "purebundle: interrupted (SIGINT): nothing is left behindstatus 1"; got != want {
			t.Errorf("width %d: got %q, want %q", width, got, want)
		}
		wantNames(t, "after Ctrl-C", dir, "tree")
	}
}

// interruptOnScreen types Ctrl-C while the bar is at work, and returns what the screen shows
// in the end.
func interruptOnScreen(t *testing.T, dir string, width int) string {
	t.Helper()
	s := newScreen(t, width, 12, fmt.Sprintf("sh -c 'trap : INT; cd %s && %s bundle tree out; echo status $?'", dir, program(t)))
	atEnd := func(lines []string) bool { return strings.HasPrefix(lines[len(lines)-1], "status ") }
	lines := s.wait("the bar at work", func(lines []string) bool { return strings.Contains(lines[0], "=>") || atEnd(lines) })
	if !atEnd(lines) && (len(lines) != 1 || len(lines[0]) >= width || !strings.HasPrefix(lines[0], "writing ") || strings.Contains(lines[0], "100%")) {
		t.Errorf("width %d: the screen shows\n%s", width, strings.Join(lines, "\n"))
	}
	before := lines[0]
	s.wait("progress", func(lines []string) bool { return atEnd(lines) || len(lines) == 1 && lines[0] != before })
	s.tmux("send-keys", "C-c")
	// The terminal itself echoes ^C at the cursor, and folds what is too long.
	return strings.TrimPrefix(strings.Join(s.waitLast("status "), ""), "^C")
}
