// Command bench compares purebundle with what else could do the same work, on
// trees that it makes itself, and prints Markdown tables. "make bench" runs it;
// "go run ./cmd/purebundle/bench -h" lists how to run a part of it.
//
// Each figure is of a child process and all that it waited for: wall time from
// start to exit, processor time and peak RSS as wait4(2) gives them, bytes as
// /proc/PID/io gives them (what went through read and write calls, and what
// went to and from the device). Programs take turns, round by round, and a
// ratio is the median of the rounds' own ratios. Before each run the
// file system is synced, and all that will be read is read once, or for cold runs
// dropped from the caches.
//
// What it does not do: install anything, tune anything, or keep a history. The
// work of kernel threads (write-back, loop devices) is in the wall time alone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// config holds the flags.
type config struct {
	purebundle string // the program that is measured
	self       string // this program, for the floor
	dir        string // where trees and output go
	keep       bool
	trees      string // letters
	programs   []string
	rounds     int
	scale      float64
	seed       uint64
	debian     string // tree A, if there is one already
	suite      string
	mirror     string
}

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	var err error
	switch command {
	case "floor":
		err = floorCommand(args[1:])
	case "tree":
		err = treeCommand(ctx, args[1:])
	case "warm":
		err = warmCommand(args[1:])
	case "count":
		err = countCommand(args[1:], stdout)
	case "differ":
		err = differCommand(args[1:], stdout)
	case "mounts":
		err = mountsCommand(args[1:], os.Stdin, stdout)
	case "serve":
		err = serveCommand(args[1:], os.Stdin, stdout)
	case "ebs":
		err = ebsCommand(os.Stdin, stdout)
	case "blocks":
		err = blocksCommand(ctx, args[1:])
	case "put":
		err = putCommand(ctx, args[1:])
	case "texts":
		err = textsCommand(args[1:])
	default:
		err = benchCommand(ctx, args, stdout, stderr)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

func benchCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cfg, err := parse(args, stderr)
	if err != nil {
		return err
	}
	made := false
	if cfg.dir == "" {
		if cfg.dir, err = os.MkdirTemp("", "purebundle-bench-"); err != nil {
			return err
		}
		made = true
	} else if err := os.MkdirAll(cfg.dir, 0o755); err != nil {
		return err
	}
	b := &bench{config: cfg, ctx: ctx, log: stderr, missing: missingPeers()}
	defer b.clean(made)
	for _, p := range b.missing {
		fmt.Fprintf(stderr, "bench: %s\n", p)
	}
	err = b.all()
	b.report(stdout)
	return err
}

func parse(args []string, stderr io.Writer) (config, error) {
	var c config
	var programs string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.purebundle, "purebundle", "./purebundle", "the `program` that is measured")
	f.StringVar(&c.dir, "dir", os.Getenv("PUREBUNDLE_BENCH_DIR"), "where trees and output go (default: a temporary `directory`, removed afterwards)")
	f.BoolVar(&c.keep, "keep", false, "keep the trees, and use those that are there; with -dir")
	f.StringVar(&c.trees, "trees", "ABCDEFGHIJM", "which `letters`; E needs B")
	f.StringVar(&programs, "programs", "", "only programs whose `names` begin with one of these, comma-separated; purebundle alone always runs")
	f.IntVar(&c.rounds, "rounds", 5, "`number` of rounds after the warm-up")
	f.Float64Var(&c.scale, "scale", 1, "size of the trees but A, as a `factor`; the targets are for 1")
	f.Uint64Var(&c.seed, "seed", 1, "`number` that decides names, sizes and content")
	f.StringVar(&c.debian, "debian", "", "a Debian root to use as tree A; it is only read (default: debootstrap makes one in `DIR`)")
	f.StringVar(&c.suite, "suite", "bookworm", "what debootstrap installs")
	f.StringVar(&c.mirror, "mirror", "", "where debootstrap gets it from (`URL`)")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("%s: one argument too many", f.Arg(0))
	}
	c.trees = strings.ToUpper(c.trees)
	if rest := strings.Trim(c.trees, "ABCDEFGHIJM"); rest != "" || c.trees == "" {
		return c, fmt.Errorf("-trees %q: letters from A to J, and M", c.trees)
	}
	if c.rounds < 1 || c.scale <= 0 || c.scale > 1 {
		return c, errors.New("-rounds is at least 1, -scale above 0 and at most 1")
	}
	if programs != "" {
		c.programs = strings.Split(programs, ",")
	}
	var err error
	if c.self, err = os.Executable(); err != nil {
		return c, err
	}
	if _, err := os.Stat(c.purebundle); err != nil {
		return c, fmt.Errorf("%w: build it first (make build)", err)
	}
	return c, nil
}

// wants says whether a program runs.
func (c *config) wants(name string) bool {
	return len(c.programs) == 0 || name == "purebundle" ||
		slices.ContainsFunc(c.programs, func(p string) bool { return strings.HasPrefix(name, p) })
}

// machine says in one line what the figures come from.
func machine(dir string) string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	var u unix.Utsname
	_ = unix.Uname(&u)
	var info unix.Sysinfo_t
	_ = unix.Sysinfo(&info)
	var fs unix.Statfs_t
	_ = unix.Statfs(dir, &fs)
	return fmt.Sprintf("%s, %d processors, %d GiB RAM, Linux %s, work directory on %s", model, runtime.NumCPU(),
		(uint64(info.Totalram)*uint64(info.Unit)+1<<29)>>30, unix.ByteSliceToString(u.Release[:]), fsName(int64(fs.Type)))
}

func fsName(magic int64) string {
	switch magic {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs (no disk is measured)"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	}
	return fmt.Sprintf("file system 0x%x", magic)
}
