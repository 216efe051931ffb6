package create

import (
	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/cli"
	"purebundle/walker/filter"
)

// FilterFlags say what the filter leaves out.
type FilterFlags struct {
	classes classesFlag
	none    bool // --no-filter
	keys    bool
}

// Add adds the flags. byDefault says in their help what is left out without them.
func (c *FilterFlags) Add(f *pflag.FlagSet, byDefault string) {
	f.Var(&c.classes, "filter", "leave out these `CLASSES`: secrets,histories,identity,logs or none (default: "+byDefault+")")
	f.BoolVar(&c.none, "no-filter", false, "keep them all; as --filter none")
	f.BoolVar(&c.keys, "filter-keys", false, "leave out private keys below /etc, /var/lib and elsewhere, too")
}

// Choice returns what the flags say for an image that its owner keeps, or with giveAway for one that others get.
func (c *FilterFlags) Choice(giveAway bool) (filter.Choice, error) {
	out := filter.Choice{Classes: filter.Class(c.classes), GiveAway: giveAway, Keys: c.keys}
	if c.none {
		if c.classes != 0 && out.Classes != filter.None {
			return out, cli.WithHint(cli.Usagef("--filter %s and --no-filter: only one of them", &c.classes), "leave one of them out")
		}
		out.Classes = filter.None
	}
	if c.keys && out.InForce()&filter.Secrets == 0 {
		return out, cli.WithHint(cli.Usagef("--filter-keys, but secrets are not left out"), "it adds to --filter secrets: name that class, or leave --filter-keys out")
	}
	return out, nil
}

// classesFlag is the value of --filter; 0 stands for the default.
type classesFlag filter.Class

func (c *classesFlag) String() string { return filter.Class(*c).String() }
func (c *classesFlag) Type() string   { return "classes" }

func (c *classesFlag) Set(text string) error {
	classes, err := filter.ParseClasses(text)
	if err == nil {
		*c = classesFlag(classes)
	}
	return err
}
