package create

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/cli"
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
// that opt has, with the edits that opt has; else of one that is made anew. It calls opened, if not nil,
// when all is open that it reads from: what it takes from then on is to read every file.
func CheckBoot(opt *Options, target bootcheck.Target, opened func()) (*bootcheck.Report, error) {
	mounts, err := walker.Mounts(opt.Source, opt.Walk)
	if err != nil {
		return nil, err
	}
	all := opt.Walk // boot partitions are looked into, whatever the disk makes of them
	all.Apart, all.Own, all.LeaveOut, all.Opened = nil, nil, nil, nil
	plan, err := walker.NewPlan(opt.Source, all)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	tree, err := plan.Open()
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	if opened != nil {
		opened()
	}
	o := bootcheck.Options{For: target}
	if d := opt.Disk; d != nil {
		o.Machine, o.Facts, o.Edited = &survey.Machine{Disk: d.old}, opt.facts(mounts), !opt.Edits.Keep
		if d.device != nil {
			o.Device = d.device
		}
		if o.ESP, err = d.esp.look(o.Facts, o.Edited); err != nil {
			return nil, err
		}
	}
	return bootcheck.Check(tree.View(), o), nil
}

// sayBoot prints what is found wrong before the work, and returns an error if the disk
// would not start. A dry run goes on.
func (r *Run) sayBoot() error {
	if r.Opt.CheckFor == "" {
		return nil
	}
	report, err := CheckBoot(&r.Opt, r.Opt.CheckFor, nil)
	if err != nil {
		return err
	}
	var fatal []string
	for _, f := range report.Findings {
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
		return nil
	}
	return cli.WithHint(fmt.Errorf("bundle %s --disk: no machine would start from it: %s", r.Opt.Source, strings.Join(fatal, "; ")),
		"cure it as said above, or as purebundle check %s says; --no-check makes the disk all the same", r.Opt.Source)
}
