package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/words"
)

// ArgsBetween takes from least to most arguments; what names them in the error.
func ArgsBetween(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return Usagef("%s: %s needed, %s given", cmd.Name(), what, words.Plural(int64(len(args)), "argument"))
		case len(args) > most:
			return Usagef("%s: %s: one argument too many", cmd.Name(), args[most])
		}
		return nil
	}
}

// WrapArgs turns a wrong number of arguments into a usage error with the
// command's own synopsis as the hint, for cmd and all commands below it.
func WrapArgs(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		WrapArgs(sub)
	}
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil {
			return nil
		}
		var usage *UsageError
		if !errors.As(err, &usage) {
			err = &UsageError{Err: fmt.Errorf("%s: %w", cmd.Name(), err)}
		}
		return WithHint(err, "usage: %s", cmd.UseLine())
	}
}

// FlagError explains a flag that does not parse, and names the one that was
// probably meant.
func FlagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	help, prefix := allFlagsOf(cmd), cmd.Name()+": "
	if !cmd.HasParent() {
		prefix = "" // each error begins with that name
	}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if unknown.GetSpecifiedShortnames() != "" {
			return WithHint(Usagef("%sunknown flag -%s", prefix, unknown.GetSpecifiedName()),
				"%s lists the flags", help)
		}
		name := unknown.GetSpecifiedName()
		err := Usagef("%sunknown flag --%s", prefix, name)
		if near := Nearest(name, flagNames(cmd)); near != "" {
			return WithHint(err, "did you mean --%s?", near)
		}
		return WithHint(err, "%s lists the flags", help)
	}
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		err := Usagef("%s--%s %s: %w", prefix, invalid.GetFlag().Name, invalid.GetValue(), errors.Unwrap(invalid))
		if HintFor(err) != "" {
			return err
		}
		return WithHint(err, "%s says what --%s takes", help, invalid.GetFlag().Name)
	}
	return WithHint(Usagef("%s%w", prefix, err), "%s lists the flags", help)
}

// flagNames lists the flags that cmd takes, inherited ones included.
func flagNames(cmd *cobra.Command) []string {
	var names []string
	add := func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return names
}
