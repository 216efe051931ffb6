package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// settled is how long files must have been left alone before a bundle of them is a base
// that vouches for them: ten seconds, and a moment.
const settled = 11 * time.Second

// again is a tree that was bundled, what happened to it, and what is asked of the second bundle.
type again struct {
	title  string
	change func() error             // nil: nothing changed
	cold   bool                     // another contest is with caches that were dropped
	flags  []string                 // of both bundles
	most   float64                  // of the wall time of a first bundle; 0: no aim
	blocks func(difference) float64 // of 512 KiB that may differ; nil: no aim
	idle   bool                     // no file's data may be read
}

// secondSummary is what purebundle says of a second bundle.
type secondSummary struct {
	Base      string `json:"base"`
	NoBase    string `json:"no_base"`
	Parts     int    `json:"parts"`
	ZeroParts int    `json:"zero_parts"`
	KeptParts int    `json:"kept_parts"`
	FilesRead int64  `json:"files_read"`
	BytesRead int64  `json:"bytes_read"`
}

const (
	secondBundle = "purebundle --base"
	firstBundle  = "purebundle"
)

// contestI makes second bundles of a server: of what it was, with one file more, after a day, and
// after an upgrade. The server is another one then, and so is never kept.
func (b *bench) contestI() error {
	if os.Geteuid() != 0 {
		b.missing = append(b.missing, "I: a Debian root needs root")
		return nil
	}
	if err := b.room(12); err != nil {
		return err
	}
	t := &tree{letter: "I", scale: 1}
	if err := b.makeServer(t); err != nil {
		if b.ctx.Err() == nil {
			b.missing = append(b.missing, "I, second bundles of a server: "+err.Error())
			return nil
		}
		return err
	}
	defer func() {
		if err := os.RemoveAll(t.path); err != nil {
			b.say("%v", err)
		}
	}()
	if err := b.count(t); err != nil {
		return err
	}
	packages := 0
	run := func(script string) func() error { return func() error { return b.inServer(t.path, script) } }
	at := func(most float64) func(difference) float64 { return func(difference) float64 { return most } }
	for _, a := range []again{
		{title: "I, nothing changed", blocks: at(12), idle: true},
		{title: "I, a file of 5 kB more", blocks: at(30), change: func() error {
			return os.WriteFile(filepath.Join(t.path, "etc", "one-more"), make5k(), 0o644)
		}},
		{title: "I, a day of logs", change: run(serverDay)},
		{title: "I, apt upgrade", blocks: func(d difference) float64 { return 1.3 * float64(d.Kept) }, change: func() error {
			before, err := upgraded(t.path)
			if err == nil {
				err = b.inServer(t.path, serverUpgrade)
			}
			after, cerr := upgraded(t.path)
			packages = after - before
			return errors.Join(err, cerr)
		}},
	} {
		a.flags = []string{"--no-filter"} // logs are left out otherwise
		if err := b.again(t, &a); err != nil {
			return fmt.Errorf("%s: %w", a.title, err)
		}
	}
	b.aim("I, apt upgrade: packages", 0, []float64{float64(packages)}, "%.0f")
	return nil
}

// make5k returns 5,000 bytes that are not zero.
func make5k() []byte {
	text := make([]byte, 5000)
	for i := range text {
		text[i] = 'a' + byte(i%26)
	}
	return text
}

// contestJ makes second bundles of A, and of A, B and D in one tree, in which nothing changed.
func (b *bench) contestJ() error {
	if err := b.room(32 * b.scale); err != nil {
		return err
	}
	all := &tree{letter: "J", what: "A, B and D in one tree", path: filepath.Join(b.dir, fmt.Sprintf("tree-J-%s-seed%d-scale%g", b.suite, b.seed, b.scale))}
	argv := []string{"cp", "-a", "--reflink=auto"}
	for _, letter := range []string{"A", "B", "D"} {
		t, err := b.tree(letter)
		if err != nil {
			return err
		}
		defer b.drop(t)
		argv = append(argv, t.path)
		if letter == "A" {
			if err := b.again(t, &again{title: "J, nothing changed in A", most: 0.35, idle: true}); err != nil {
				return err
			}
		}
	}
	half := all.path + halfMade
	if err := b.build(all, append([]string{"/bin/sh", "-euc", `mkdir "$0"; exec "$@" "$0"`, half}, argv...)); err != nil {
		return err
	}
	defer b.drop(all)
	if err := b.count(all); err != nil {
		return err
	}
	return b.again(all, &again{title: "J, nothing changed in A, B and D", most: 0.25, idle: true, cold: true})
}

// again makes a base of a tree, changes it, and has a second bundle compete with a first
// one of the same tree.
func (b *bench) again(t *tree, a *again) (err error) {
	base := filepath.Join(b.dir, "base")
	defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	if err := errors.Join(os.RemoveAll(base), pause(b.ctx, settled)); err != nil {
		return err
	}
	if _, _, err := measure(b.ctx, append(append([]string{b.purebundle, "bundle", "-q", "--progress=none"}, a.flags...), t.path, base)); err != nil {
		return err
	}
	if a.change != nil {
		b.say("%s: changing tree %s", a.title, t.letter)
		if err := a.change(); err != nil {
			return err
		}
	}
	var s secondSummary
	var d difference
	if err := b.twice(t, a, a.title, base, false, func(out, text string) error {
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return fmt.Errorf("the summary: %w", err)
		}
		if s.Base == "" {
			return fmt.Errorf("the base is not used: %s", s.NoBase)
		}
		_, found, err := measure(b.ctx, []string{b.self, "differ", base, out})
		if err == nil {
			err = json.Unmarshal(found, &d)
		}
		return err
	}); err != nil {
		return err
	}
	b.secondFigures(a, s, d)
	if !a.cold || os.Geteuid() != 0 || dropCaches() != nil {
		return nil
	}
	return b.twice(t, a, a.title+", cold", base, true, nil)
}

// twice has a second bundle compete with a first one.
func (b *bench) twice(t *tree, a *again, title, base string, cold bool, look func(out, text string) error) error {
	second := b.bundle(secondBundle, t, nil, append([]string{"--base", base}, a.flags...)...)
	first := b.bundle(firstBundle, t, nil, a.flags...)
	second.look, second.always, first.always = look, true, true
	if cold {
		second.hot, first.hot = "", ""
	}
	if err := b.compete(&contest{title: title, trees: []*tree{t}, programs: []*program{second, first}}); err != nil {
		return err
	}
	b.aim(title+": wall against a first bundle", a.most, ratios(second, first), "%.3g")
	cpu := make([]float64, len(second.runs))
	for i := range cpu {
		cpu[i] = second.runs[i].cpu.Seconds() / first.runs[i].cpu.Seconds()
	}
	b.aim(title+": processor time against a first bundle", 0, cpu, "%.3g")
	return nil
}

// secondFigures adds what a second bundle has read, kept and changed.
func (b *bench) secondFigures(a *again, s secondSummary, d difference) {
	one := func(what string, n float64) { b.aim(a.title+": "+what, 0, []float64{n}, "%.0f") }
	if a.idle {
		b.add(a.title+": bytes of files read", "0", 0, []float64{float64(s.BytesRead)}, "%.0f")
	} else {
		one("bytes of files read", float64(s.BytesRead))
	}
	one("files read", float64(s.FilesRead))
	one("parts kept", float64(s.KeptParts))
	one("parts made, those of zeros left out", float64(s.Parts-s.ZeroParts-s.KeptParts))
	most := 0.0
	if a.blocks != nil {
		most = a.blocks(d)
	}
	b.aim(a.title+": blocks of 512 KiB that differ", most, []float64{float64(d.Differ)}, "%.0f")
	one("least blocks: new data alone", float64(d.Least))
	one("least blocks: new data, and freed places made zero", float64(d.Kept))
	one("blocks that new and changed files fill", float64(d.WholeBlocks()))
	one("files that are new or changed", float64(d.Files))
}

// aim adds a target, or with no limit a figure that has none.
func (b *bench) aim(what string, limit float64, got []float64, format string) {
	most := ""
	if limit > 0 {
		most = fmt.Sprintf("%.4g", limit)
	}
	b.add(what, most, limit, got, format)
}

// pause waits, unless the run ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
