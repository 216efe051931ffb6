package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bench is one run of all that was asked for.
type bench struct {
	config
	ctx     context.Context
	log     io.Writer
	missing []string // peers that are not installed, and what else is not measured
	cases   []*contest
	reach   []target
	sizes   map[*tree]*made

	discards int // outputs that were put aside
}

// contest is a set of programs that take turns.
type contest struct {
	title    string
	trees    []*tree
	programs []*program
}

// program is one way to do something, and what it took.
type program struct {
	name   string
	tree   *tree
	hot    string                       // what is read before each run, so that it is in the cache; "": the caches are dropped
	always bool                         // runs whatever programs were asked for
	part   bool                         // status 3 is no failure: a limit leaves something of the tree out
	argv   func(out string) []string    // out is an empty directory
	look   func(out, text string) error // at the output of the warm-up, before it is removed; nil: no look

	runs   []usage
	failed error
}

// all runs the contests of the trees that were asked for.
func (b *bench) all() error {
	for _, c := range []struct {
		letters string // any of them
		run     func() error
	}{{"A", b.contestA}, {"BE", b.contestBE}, {"C", b.contestC}, {"D", b.contestD}, {"F", b.contestF}, {"G", b.contestG}, {"H", b.contestH}, {"I", b.contestI}, {"J", b.contestJ}, {"M", b.contestM}} {
		if !strings.ContainsAny(b.trees, c.letters) {
			continue
		}
		if err := c.run(); err != nil {
			return err
		}
	}
	return nil
}

// compete runs the programs: once to warm up, then round by round, in an order
// that is drawn each time, since a run may profit or suffer from the memory that
// the one before it left. A peer that fails is left out; purebundle must not fail.
func (b *bench) compete(c *contest) (err error) {
	defer func() { err = errors.Join(err, b.sweep()) }()
	b.cases = append(b.cases, c)
	turns := rand.New(rand.NewPCG(b.seed, 1))
	c.programs = slices.DeleteFunc(c.programs, func(p *program) bool { return p == nil || !p.always && !b.wants(p.name) })
	for round := range b.rounds + 1 {
		order := slices.Clone(c.programs) // purebundle first, which tells the others the size of the image
		if round > 0 {
			turns.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		for _, p := range order {
			if p.failed != nil {
				continue
			}
			what := fmt.Sprintf("round %d of %d", round, b.rounds)
			if round == 0 {
				what = "warm-up"
			}
			u, err := b.once(p, round == 0)
			switch {
			case b.ctx.Err() != nil:
				return context.Cause(b.ctx)
			case err != nil && strings.HasPrefix(p.name, "purebundle"):
				return fmt.Errorf("%s, tree %s: %w", p.name, p.tree.letter, err)
			case err != nil:
				p.failed = err
				b.missing = append(b.missing, fmt.Sprintf("%s failed on tree %s: %v", p.name, p.tree.letter, err))
				b.say("%s", b.missing[len(b.missing)-1])
				continue
			}
			b.say("%s: %s: %s, tree %s: %s", c.title, what, p.name, p.tree.letter, u.wall.Round(time.Millisecond))
			if round > 0 {
				p.runs = append(p.runs, u)
			}
		}
	}
	return nil
}

// once runs a program in a directory of its own.
func (b *bench) once(p *program, first bool) (u usage, err error) {
	out := filepath.Join(b.dir, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		return u, err
	}
	defer func() {
		_ = unix.Unmount(filepath.Join(out, "mnt"), unix.MNT_DETACH) // where a recipe was interrupted
		err = errors.Join(err, b.discard(out))
	}()
	argv := p.argv(out)
	if err := flush(b.dir); err != nil {
		return u, err
	}
	if p.hot == "" {
		err = dropCaches()
	} else {
		_, _, err = measure(b.ctx, []string{b.self, "warm", p.hot})
	}
	if err != nil {
		return u, err
	}
	u, text, err := measure(b.ctx, argv)
	if exit := new(exec.ExitError); p.part && errors.As(err, &exit) && exit.ExitCode() == 3 {
		err = nil
	}
	if err == nil && first && p.look != nil {
		err = p.look(out, string(text))
	}
	return u, err
}

// spareRoom is the least room, in bytes, that old output may leave.
const spareRoom = 20 << 30

// discard puts output aside until the contest is over, or removes it with what was
// put aside before when room gets scarce. ext4 without a journal takes its time
// before it uses an inode again that was just freed, so that removing the 10,000
// files of one run slows the next.
func (b *bench) discard(out string) error {
	b.discards++
	if err := os.Rename(out, fmt.Sprintf("%s.%d", out, b.discards)); err != nil {
		return err
	}
	if b.room(spareRoom/(1<<30)) != nil {
		return b.sweep()
	}
	return nil
}

// sweep removes what was put aside.
func (b *bench) sweep() error {
	old, err := filepath.Glob(filepath.Join(b.dir, "out.*"))
	if err != nil {
		return err
	}
	for _, o := range old {
		err = errors.Join(err, os.RemoveAll(o))
	}
	return err
}

// say tells of the progress.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.log, "bench: "+format+"\n", args...)
}

// asked says whether a tree's own figures are wanted.
func (b *bench) asked(letter string) bool { return strings.Contains(b.trees, letter) }

// clean removes what was made, the work directory too if it is ours.
func (b *bench) clean(all bool) {
	var err error
	switch {
	case all:
		err = os.RemoveAll(b.dir)
	default:
		err = errors.Join(os.RemoveAll(filepath.Join(b.dir, "out")), b.sweep())
	}
	if err != nil {
		b.say("%v", err)
	}
}

// room fails early if there is too little disk for a contest.
func (b *bench) room(gib float64) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(b.dir, &fs); err != nil {
		return &os.PathError{Op: "statfs", Path: b.dir, Err: err}
	}
	need, have := int64(gib*(1<<30)), int64(fs.Bavail)*fs.Bsize
	if have < need {
		return fmt.Errorf("%s: %d MiB free, %d MiB needed", b.dir, have>>20, need>>20)
	}
	return nil
}
