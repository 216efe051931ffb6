package cli

import (
	"errors"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// exampleCommand returns a command with flags of every sort, and "sub" below it.
func exampleCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "tool", Short: "x"}
	sub := &cobra.Command{Use: "sub FROM TO", Short: "y", Args: ArgsBetween(1, 2, "FROM and TO"), Run: func(*cobra.Command, []string) {}}
	cmd.AddCommand(sub)
	Group(sub, "What", func(f *pflag.FlagSet) {
		f.Int("count", 3, "so `MANY`")
		f.BoolP("dry-run", "n", false, "change nothing")
		f.String("secret", "", "x")
		_ = f.MarkHidden("secret")
	})
	WrapArgs(cmd)
	return cmd
}

// What is wrong with a command line is said with what to type.
func TestFlagError(t *testing.T) {
	sub := exampleCommand().Commands()[0]
	for _, c := range []struct{ arg, want, hint string }{
		{"--dryrun", "sub: unknown flag --dryrun", "did you mean --dry-run?"},
		{"--zzzzzzzz", "sub: unknown flag --zzzzzzzz", "tool sub --help lists the flags"},
		{"--secre", "sub: unknown flag --secre", "tool sub --help lists the flags"},
		{"-Z", "sub: unknown flag -Z", "tool sub --help lists the flags"},
		{"--count=many", "sub: --count many: must be an integer", "tool sub --help says what --count takes"},
		{"--count", "sub: flag needs an argument: --count", "tool sub --help lists the flags"},
	} {
		err := FlagError(sub, sub.ParseFlags([]string{c.arg}))
		if err == nil || err.Error() != c.want || HintFor(err) != c.hint || Status(err) != StatusUsage {
			t.Errorf("%s: %v (%s), want %s (%s)", c.arg, err, HintFor(err), c.want, c.hint)
		}
	}
	if err := FlagError(sub, pflag.ErrHelp); !errors.Is(err, pflag.ErrHelp) || Status(err) == StatusUsage {
		t.Errorf("help: %v", err)
	}
}

func TestArgsBetween(t *testing.T) {
	sub := exampleCommand().Commands()[0]
	for _, c := range []struct {
		args []string
		want string // "": right
	}{
		{nil, "sub: FROM and TO needed, 0 arguments given"},
		{[]string{"a"}, ""}, {[]string{"a", "b"}, ""},
		{[]string{"a", "b", "c"}, "sub: c: one argument too many"},
	} {
		err := sub.Args(sub, c.args)
		got, hint := "", ""
		if err != nil {
			got, hint = err.Error(), "usage: tool sub FROM TO [flags]"
		}
		if got != c.want || HintFor(err) != hint {
			t.Errorf("%q: %q (%s), want %q", c.args, got, HintFor(err), c.want)
		}
	}
}

// The help has every visible flag under its heading, with its argument and default.
func TestFlagLines(t *testing.T) {
	sub := exampleCommand().Commands()[0]
	groups := flagGroups(sub)
	if len(groups) != 1 || groups[0].title != "What" || len(groups[0].flags) != 2 {
		t.Fatalf("%+v", groups)
	}
	for i, want := range [][2]string{{"    --count MANY", "so MANY (default 3)"}, {"-n, --dry-run", "change nothing"}} {
		f := groups[0].flags[i]
		if got := [2]string{flagSpelling(f), flagMeaning(f)}; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
