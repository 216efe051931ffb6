package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"purebundle/ext2img/imgtest"
)

// TestMain runs the tests of root in a mount namespace of their own. Signals that are ignored
// when it starts, as in the background of a shell or with nohup, are not by what it starts.
func TestMain(m *testing.M) {
	if !isCommand(filepath.Base(os.Args[0])) {
		if status, done := imgtest.OwnMounts(); done {
			os.Exit(status)
		}
		for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} {
			if signal.Ignored(s) {
				signal.Notify(make(chan os.Signal, 1), s)
			}
		}
	}
	testscript.Main(m, commands())
}

// commands returns what the test binary does if it is called by these names.
func commands() map[string]func() {
	return map[string]func(){"purebundle": main, "uidemo": uiDemo, "denied": denied, "breaks": breaks}
}

// isCommand says whether the test binary is called as one of its commands.
func isCommand(name string) bool { return commands()[name] != nil }
