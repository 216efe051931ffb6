// Command purebundle turns a live Linux root file system into an ext4 image
// cut into parts of exactly 10 MiB, and reads such bundles back.
//
// This package parses flags, turns signals into a cancelled context, draws
// progress and maps errors to sentences and exit statuses. It holds no policy:
// what is walked is the walker package's affair, what the image looks like
// ext2img's, and what the parts are chunk's.
package main

import (
	"os"
	"runtime/debug"
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
	os.Exit(run(commandLine(os.Args), os.Stdin, os.Stdout, os.Stderr))
}
