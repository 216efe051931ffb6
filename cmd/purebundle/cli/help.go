package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/words"
)

// Annotations of a flag: the heading that it stands under in the help, and what
// its argument is called there.
const (
	groupKey    = "group"
	argumentKey = "argument"
)

// exitStatuses is the last section of help texts and manual pages.
const exitStatuses = doneStatus + failedStatus + usageStatus + `
  3  done, but something that belongs in the image is not in it as it was
     (unreadable, or changing under every read); it is listed`

const (
	doneStatus   = "  0  done"
	failedStatus = "\n  1  failed; nothing is left behind"
	usageStatus  = "\n  2  the command line makes no sense"
)

// Group puts the flags of set under title and adds them to cmd. The word between
// backquotes in a flag's text names its argument; the quotes are taken off, since
// shells show the text of completions as it is.
func Group(cmd *cobra.Command, title string, add func(*pflag.FlagSet)) {
	set := pflag.NewFlagSet(title, pflag.ContinueOnError)
	set.SortFlags = false
	add(set)
	set.VisitAll(func(f *pflag.Flag) {
		argument, usage := pflag.UnquoteUsage(f)
		f.Usage = usage
		f.Annotations = map[string][]string{groupKey: {title}, argumentKey: {argument}}
	})
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(set)
}

// GroupOf returns the heading that a flag stands under, "" if it has none.
func GroupOf(f *pflag.Flag) string {
	if t := f.Annotations[groupKey]; len(t) > 0 {
		return t[0]
	}
	return ""
}

// flagGroup holds one heading of the help and its flags.
type flagGroup struct {
	title string
	flags []*pflag.Flag
}

// flagGroups sorts cmd's visible flags under their headings; those without one
// come last.
func flagGroups(cmd *cobra.Command) []flagGroup {
	const rest = "General"
	var groups []flagGroup
	add := func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		title := cmp.Or(GroupOf(f), rest)
		i := slices.IndexFunc(groups, func(g flagGroup) bool { return g.title == title })
		if i < 0 {
			i = len(groups)
			groups = append(groups, flagGroup{title: title})
		}
		groups[i].flags = append(groups[i].flags, f)
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	slices.SortStableFunc(groups, func(a, b flagGroup) int {
		switch {
		case a.title == rest && b.title != rest:
			return 1
		case b.title == rest && a.title != rest:
			return -1
		}
		return 0
	})
	return groups
}

// flagSpelling returns how a flag is written: "-s, --size SIZE".
func flagSpelling(f *pflag.Flag) string {
	spelling := "    --" + f.Name
	if f.Shorthand != "" {
		spelling = "-" + f.Shorthand + ", --" + f.Name
	}
	if name := f.Annotations[argumentKey]; len(name) > 0 && f.Value.Type() != "bool" {
		spelling += " " + name[0]
	}
	return spelling
}

// flagMeaning returns the sentence about a flag, with its default if the sentence
// does not say it.
func flagMeaning(f *pflag.Flag) string {
	if f.DefValue == "" || f.DefValue == "[]" || f.Value.Type() == "bool" || strings.Contains(f.Usage, "(default") {
		return f.Usage
	}
	return fmt.Sprintf("%s (default %s)", f.Usage, f.DefValue)
}

// PrintHelp writes the long help of cmd to its output.
func PrintHelp(cmd *cobra.Command, _ []string) {
	w := cmd.OutOrStdout()
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintf(w, "%s\n\n", strings.TrimSpace(text))
	writeUsage(w, cmd)
}

// PrintUsage writes the synopsis and the flags.
func PrintUsage(cmd *cobra.Command) error {
	writeUsage(cmd.OutOrStderr(), cmd)
	return nil
}

func writeUsage(w io.Writer, cmd *cobra.Command) {
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "Usage:\n  %s COMMAND [flags]\n\nCommands:\n", cmd.CommandPath())
		rows := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(rows, "  %s\t%s\n", sub.Name(), sub.Short)
			}
		}
		_ = rows.Flush() // as for every line of the help
	} else {
		fmt.Fprintf(w, "Usage:\n  %s\n", cmd.UseLine())
	}
	for _, g := range flagGroups(cmd) {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		for _, f := range g.flags {
			writeFlag(w, f)
		}
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	fmt.Fprintf(w, "\nExit status:\n%s\n", statuses(cmd))
}

// writeFlag writes one flag of the help, folded at 80 columns.
func writeFlag(w io.Writer, f *pflag.Flag) {
	const indent, width = 26, 80
	spelling := "  " + flagSpelling(f)
	lines := words.Fold(flagMeaning(f), width-indent)
	if len(spelling) > indent-2 {
		fmt.Fprintln(w, spelling)
		spelling = ""
	}
	for _, line := range lines {
		fmt.Fprintf(w, "%-*s%s\n", indent, spelling, line)
		spelling = ""
	}
}
