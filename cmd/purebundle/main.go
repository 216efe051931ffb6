// Command purebundle turns a live Linux root file system into an ext4 image
// cut into parts of exactly 10 MiB, and reads such bundles back.
//
// This package is the program as a whole: the tree of commands, and the tests
// that need all of it. The commands are in rooms of their own, each of which
// imports none that comes after it: words, progress, cli, create, look, ec2tools,
// ship.
package main

import (
	"os"
	"runtime/debug"

	"purebundle/cmd/purebundle/ec2tools"
)

// gcPercent is how far the heap may grow before it is collected, in percent of
// what is in use (GOGC). Nearly all of that is without pointers, so a collection
// costs little: against Go's 100, a million entries take 210 MiB instead of 367,
// in the same time.
const gcPercent = 15

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(run(ec2tools.CommandLine(os.Args), os.Stdin, os.Stdout, os.Stderr))
}
