package create

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"purebundle/chunk/work"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
	"purebundle/walker"
	"purebundle/walker/bootcheck"
	"purebundle/walker/survey"
)

// TargetFlag adds --for.
func TargetFlag(f *pflag.FlagSet, target *bootcheck.Target) {
	*target = bootcheck.Any
	f.Var((*targetValue)(target), "for", "judge the start on machines of `KIND` any, kvm (virtio) or aws (EC2 on Nitro): what these need is required, what others need only noted")
}

// targetValue is the value of --for.
type targetValue bootcheck.Target

func (t *targetValue) String() string { return string(*t) }
func (t *targetValue) Type() string   { return "string" }
func (t *targetValue) Set(text string) error {
	for _, known := range bootcheck.Targets {
		if text == string(known) {
			*t = targetValue(known)
			return nil
		}
	}
	return fmt.Errorf("not a kind of machine: choose any, kvm or aws")
}

// CheckBoot judges whether a machine starts from a disk that is made of source: of the one
// that opt has, with the edits that opt has; else of one that is made anew. It calls opened
// when all is open that it reads from: what it takes from then on is to read every file.
func CheckBoot(opt *Options, target bootcheck.Target, opened func()) (*bootcheck.Report, error) {
	tree, o, err := openCheck(opt, target)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	opened()
	return bootcheck.Check(tree.View(), o), nil
}

// openCheck opens all that a check reads from.
func openCheck(opt *Options, target bootcheck.Target) (*walker.Tree, bootcheck.Options, error) {
	o := bootcheck.Options{For: target}
	mounts, err := walker.Mounts(opt.Source, opt.Walk)
	if err != nil {
		return nil, o, err
	}
	if d := opt.Disk; d != nil {
		o.Machine, o.Facts, o.Edited = &survey.Machine{Disk: d.old}, opt.facts(mounts), !opt.Edits.Keep
		if d.device != nil {
			o.Device = d.device
		}
		if o.ESP, err = d.esp.look(o.Facts, o.Edited); err != nil {
			return nil, o, err
		}
	}
	all := opt.Walk // boot partitions are looked into, whatever the disk makes of them
	all.Apart, all.Own, all.LeaveOut, all.Opened = nil, nil, nil, nil
	plan, err := walker.NewPlan(opt.Source, all)
	if err != nil {
		return nil, o, err
	}
	defer plan.Close()
	tree, err := plan.Open()
	return tree, o, err
}

// bootCheck is a check that goes on beside the work: it decompresses an initrd, which
// takes longer than the walk of a small system.
type bootCheck struct {
	tree   *walker.Tree
	report *bootcheck.Report
	wait   func()        // for the report
	doomed chan struct{} // closed if no machine would start
	said   bool
}

// beginCheck begins to judge the disk that is made, if it is to be judged.
func (r *Run) beginCheck() error {
	if r.Opt.CheckFor == "" {
		return nil
	}
	tree, o, err := openCheck(&r.Opt, r.Opt.CheckFor)
	if err != nil {
		return err
	}
	c := &bootCheck{tree: tree, doomed: make(chan struct{})}
	c.wait = work.Go(func() {
		if c.report = bootcheck.Check(tree.View(), o); c.report.Fatal() {
			close(c.doomed)
		}
	})
	r.boot = c
	return nil
}

// endCheck waits for the end of the check.
func (r *Run) endCheck() {
	if r.boot != nil {
		r.boot.wait()
		r.boot.tree.Close()
	}
}

// whileStartable returns a context that ends when it is known that the disk would not
// start.
func (r *Run) whileStartable(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	if r.boot != nil {
		go func() {
			select {
			case <-r.boot.doomed:
				stop()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, stop
}

// judged prints what is found wrong with the disk, and returns an error if it would not
// start, rather than err, which may come of that. A dry run goes on.
func (r *Run) judged(ctx context.Context, err error) error {
	if r.boot == nil || r.boot.said || ctx.Err() != nil {
		return err
	}
	r.boot.wait()
	r.boot.said = true
	var fatal []string
	for _, f := range r.boot.report.Findings {
		text := fmt.Sprintf("%s (%s): %s", f.What, f.ID, f.Why)
		if f.Cure != "" {
			text += "; cure: " + f.Cure
		}
		if f.Severity == bootcheck.Note {
			r.UI.Say(f.Path, text)
			continue
		}
		r.UI.Warn(f.Path, text)
		if f.Severity == bootcheck.Fatal {
			fatal = append(fatal, f.What)
		}
	}
	if len(fatal) == 0 || r.Opt.DryRun {
		return err
	}
	check := "purebundle check "
	if r.Opt.CheckFor != bootcheck.Any {
		check += "--for " + string(r.Opt.CheckFor) + " "
	}
	return cli.WithHint(fmt.Errorf("bundle %s --disk: no machine would start from it: %s", r.Opt.Source, strings.Join(fatal, "; ")),
		"%s says what cures it; --no-check makes the disk all the same", check+words.Quote(r.Opt.Source))
}
