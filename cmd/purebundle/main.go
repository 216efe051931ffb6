// Command purebundle turns a live Linux root file system into an ext4 image
// cut into parts of exactly 10 MiB, and reads such bundles back.
//
// This package is the program as a whole: the tree of commands, and the tests
// that need all of it. The commands are in rooms of their own, each of which
// imports none that comes after it: words, progress, cli, create, look, ec2tools,
// ship.
package main

import (
	"context"
	"os"
	"runtime/debug"

	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/ec2tools"
	"purebundle/cmd/purebundle/memory"
)

// gcPercent is how far the heap may grow before it is collected, in percent of
// what is in use (GOGC). Nearly all of that is without pointers, so a collection
// costs little: against Go's 100, a million entries take 210 MiB instead of 367,
// in the same time.
const gcPercent = 15

func main() { os.Exit(process()) }

// process runs the program in a process of its own, and returns its exit status.
//
// What cannot be recovered (a fatal error of Go's runtime, such as no memory at all,
// or a panic in a goroutine of some library) would end it with status 2, which is for
// mistakes on the command line: with "crash" it ends by SIGABRT instead, 134 in a
// shell. Nothing can clean up then; the next run does.
//
// When memory runs out, the kernel is to end this process and no other. Before that,
// at three quarters of what there is (or at GOMEMLIMIT), the run ends by itself.
func process() int {
	debug.SetTraceback("crash")
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	_ = memory.OfferFirst() // a container may not let it, or not have /proc
	ctx, stop := memory.Watch(context.Background(), memory.SetLimit())
	defer stop()
	// The signals are never given back: one that comes between the end of the run and
	// os.Exit would kill a process whose work is done, and its status would deny it.
	ctx, _ = cli.WithSignals(ctx)

	args := ec2tools.CommandLine(os.Args)
	a := cli.NewApp(args, os.Stdin, os.Stdout, os.Stderr)
	a.OwnProcess = true
	return runApp(ctx, a, args)
}
