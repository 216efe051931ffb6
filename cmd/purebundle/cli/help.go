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

// rare are flags that few need, in any command: the first help leaves them out.
var rare = setOf("exclude-from snapshots bundles keep-privileges no-default-excludes no-filter filter-keys " +
	"free label uuid time no-check keep-files edit-out strict trust-dest " +
	"path-style limit-rate patience concurrency acl storage-class sse sse-kms-key-id tag endpoint-url ec2-endpoint-url " +
	"description architecture kernel ramdisk virtualization-type block-device-mapping no-wait no-inherit inherit " +
	"arch productcodes level clone-only no-size-checks fstab generate-fstab all filter " +
	"for journal snapshot-name encrypt kms-key-id boot-mode imds tpm " +
	"base reread debug batch manual partition grub-config script retry sigv delegation-token location url skipmanifest part no-mapping")

// common are flags of that name that a command is about: its first help has them.
var common = map[string]string{"filter": "bundle mounts", "endpoint-url": "upload download upload-bundle download-bundle"}

// rareIn are flags that few need in one command, though others are about them.
var rareIn = map[string]string{"bundle": "for snapshot-name kms-key-id", "ship": "one-file-system cross prefix force privatekey cert user ec2cert destination resume disk volume-size"}

func setOf(names string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(names) {
		set[name] = true
	}
	return set
}

// isRare returns true if the first help of cmd leaves a flag out.
func isRare(cmd *cobra.Command, f *pflag.Flag) bool {
	if slices.Contains(strings.Fields(rareIn[cmd.Name()]), f.Name) {
		return true
	}
	return rare[f.Name] && !slices.Contains(strings.Fields(common[f.Name]), cmd.Name())
}

// helpAll is the name of the flag that shows all flags.
const helpAll = "help-all"

// HelpFlags adds --help and --help-all, which the commands below root have as well.
func HelpFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.BoolP("help", "h", false, "show help")
	f.Var(&everything{f.Lookup("help")}, helpAll, "show the flags that few need, too")
	f.Lookup(helpAll).NoOptDefVal = "true"
}

// everything is the value of --help-all, which asks for help as well.
type everything struct{ help *pflag.Flag }

func (v *everything) Set(string) error { v.help.Changed = true; return v.help.Value.Set("true") }
func (v *everything) Type() string     { return "bool" }
func (v *everything) String() string   { return "false" }

// allFlagsOf returns what shows all flags of a command.
func allFlagsOf(cmd *cobra.Command) string {
	if countRare(cmd) > 0 {
		return cmd.CommandPath() + " --" + helpAll
	}
	return cmd.CommandPath() + " --help"
}

// countRare returns how many flags the first help of cmd leaves out.
func countRare(cmd *cobra.Command) (n int) {
	for _, g := range flagGroups(cmd) {
		for _, f := range g.flags {
			if isRare(cmd, f) {
				n++
			}
		}
	}
	return n
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
		if f.NoOptDefVal != "" {
			return spelling + "[=" + name[0] + "]"
		}
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
	var page strings.Builder
	fmt.Fprintf(&page, "%s\n\n", strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short)))
	writeUsage(&page, cmd)
	text := page.String()
	if width := terminalWidth(cmd.OutOrStdout()); width > 0 && !fits(text, width) {
		text = foldPage(text, width)
	}
	fmt.Fprint(cmd.OutOrStdout(), text)
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
	writeFlags(w, cmd)
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	fmt.Fprintf(w, "\nExit status:\n%s\n", statuses(cmd))
}

// writeFlags writes the flags of the first help, or with --help-all each of them.
func writeFlags(w io.Writer, cmd *cobra.Command) {
	hidden := countRare(cmd)
	all := cmd.Flag(helpAll) != nil && cmd.Flag(helpAll).Changed
	for _, g := range flagGroups(cmd) {
		flags := slices.DeleteFunc(slices.Clone(g.flags), func(f *pflag.Flag) bool {
			return !all && isRare(cmd, f) || hidden == 0 && f.Name == helpAll
		})
		if len(flags) > 0 {
			fmt.Fprintf(w, "\n%s:\n", g.title)
		}
		for _, f := range flags {
			writeFlag(w, f)
		}
	}
	if hidden > 0 && !all {
		fmt.Fprintf(w, "\n%s: %s --%s\n", words.Plural(int64(hidden), "more flag"), cmd.CommandPath(), helpAll)
	}
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
