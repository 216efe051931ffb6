package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"purebundle/ext2img/imgtest"
)

// TestMain runs the tests of root in a mount namespace of their own.
func TestMain(m *testing.M) {
	if !isCommand(filepath.Base(os.Args[0])) {
		if status, done := imgtest.OwnMounts(); done {
			os.Exit(status)
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
