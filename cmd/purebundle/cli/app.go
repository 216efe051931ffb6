package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/term"

	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// App holds what every command needs: where to write, and how much.
type App struct {
	Version        string // as --version says it, without the commit
	Commit         string // "": the one that Go noted when it built the program
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Quiet, Verbose bool
	OwnProcess     bool                        // nobody else works in this process: it may give up power
	jsonErrors     bool                        // errors are objects, too
	shown          atomic.Pointer[progress.UI] // shows the progress now; nil: nothing does yet
}

// NewApp returns the App for a command line. How errors are written is decided
// here, before there can be one.
func NewApp(args []string, stdin io.Reader, stdout, stderr io.Writer) *App {
	return &App{Stdin: stdin, Stdout: stdout, Stderr: stderr, jsonErrors: asksForJSON(args)}
}

// asksForJSON says whether the arguments have --progress json, as the last of
// that flag. It may be cut as the commands of ec2 allow: --prog.
func asksForJSON(args []string) (json bool) {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		name, value, joined := strings.Cut(arg, "=")
		if len(name) < len("--prog") || !strings.HasPrefix("--progress", name) {
			continue
		}
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		json = value == string(progress.JSON)
	}
	return json
}

// VersionText returns what --version prints after the name.
func (a *App) VersionText() string {
	c := a.Commit
	if info, ok := debug.ReadBuildInfo(); ok && c == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				c = s.Value
			}
		}
	}
	if c == "" {
		c = "unknown"
	}
	return fmt.Sprintf("%s (commit %.12s, %s %s/%s)", a.Version, c, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// IsTerminal says whether stream leads to a person.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// ask puts a question to the person at the terminal; only y and yes are yes. If
// ctx is done first, the reading goes on in the background.
func (a *App) ask(ctx context.Context, question string) (bool, error) {
	fmt.Fprint(a.Stderr, question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.Stdin).ReadString('\n') // its end is a no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.Stderr)
		return false, &LeftError{Err: context.Cause(ctx), Left: "nothing was deleted"}
	case line := <-answer:
		return line == "y" || line == "yes", nil
	}
}

// Confirm asks whether what has this name is to be deleted. Unless the answer is yes,
// that is an error.
func (a *App) Confirm(ctx context.Context, name, what string) error {
	answer, err := a.ask(ctx, fmt.Sprintf("delete %s (%s)? [y/N] ", words.Printable(name), words.Printable(what)))
	if err == nil && !answer {
		err = WithHint(fmt.Errorf("delete %s: not confirmed; nothing was deleted", name), "--yes deletes without asking")
	}
	return err
}

// Report prints the error that ends the run, in the form that progress has.
// A reader of our output that went away (cat BUNDLE PATH | head) needs no words.
func (a *App) Report(err error) {
	var network *net.OpError
	if errors.Is(err, syscall.EPIPE) && !errors.As(err, &network) {
		return
	}
	if err != nil && a.jsonErrors {
		progress.WriteJSON(a.Stderr, progress.JSONLine{Event: "error", Text: words.Printable(err.Error()), Hint: words.Printable(HintFor(err))})
		return
	}
	printError(a.Stderr, err, a.Verbose)
	if b := broken(err); b != nil && a.Verbose {
		fmt.Fprintf(a.Stderr, "%s\n", b.stack)
	}
}

// Show starts showing progress, nothing with --quiet; what is said meanwhile
// appears above it.
func (a *App) Show(mode progress.Mode) *progress.UI {
	if a.Quiet {
		mode = progress.None
	}
	u := progress.New(a.Stderr, mode)
	a.shown.Store(u)
	return u
}

// Say prints a line that is no error, whatever the progress does: with -v, from
// any goroutine.
func (a *App) Say(text string) {
	switch u := a.shown.Load(); {
	case u != nil && u.Print(progress.Note{Kind: "note", Text: text}):
	case a.jsonErrors:
		progress.WriteJSON(a.Stderr, progress.JSONLine{Event: "note", Text: words.Printable(text)})
	default:
		fmt.Fprintln(a.Stderr, words.Printable(text))
	}
}

// ErrorLine prints one of several errors; the last is the command's own.
func (a *App) ErrorLine(text string) {
	if a.jsonErrors {
		progress.WriteJSON(a.Stderr, progress.JSONLine{Event: "error", Text: words.Printable(text)})
		return
	}
	fmt.Fprintf(a.Stderr, "purebundle: %s\n", words.Printable(text))
}
