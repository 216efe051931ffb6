package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/manual"
	"purebundle/cmd/purebundle/words"
)

// NewMan returns a hidden command for the Makefile: it writes the manual pages, below
// man1 one a command, from the same text as --help, below man5 and man7 those of
// package manual (man-pages(7), groff_man(7)).
func NewMan(a *App) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages into DIR/man1, man5 and man7",
		Hidden: true,
		Args:   ArgsBetween(1, 1, "DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var page bytes.Buffer
			for _, c := range Documented(cmd.Root()) {
				page.Reset()
				WriteMan(&page, a.Version, c)
				if err := writePage(args[0], 1, ManName(c), page.Bytes()); err != nil {
					return err
				}
			}
			for _, p := range manual.All() {
				page.Reset()
				_ = p.WriteRoff(&page, a.Version) // a buffer takes all
				if err := writePage(args[0], p.Section, p.Name(), page.Bytes()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// writePage writes one page below dir, as man looks for it.
func writePage(dir string, section int, name string, page []byte) error {
	dir = filepath.Join(dir, fmt.Sprintf("man%d", section))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s.%d", name, section)), page, 0o644)
}

// Documented returns a command and all below it that people call.
func Documented(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			list = append(list, Documented(c)...)
		}
	}
	return list
}

// ManName returns the name of a command's page: "purebundle-verify".
func ManName(cmd *cobra.Command) string {
	return strings.ReplaceAll(cmd.CommandPath(), " ", "-")
}

// WriteMan writes the manual page of a command.
func WriteMan(w io.Writer, version string, cmd *cobra.Command) {
	fmt.Fprintf(w, ".TH %s 1 \"\" \"purebundle %s\" \"User Commands\"\n", strings.ToUpper(words.Roff(ManName(cmd))), words.Roff(version))
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n", words.Roff(ManName(cmd)), words.Roff(lowerFirst(cmd.Short)))
	synopsis := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		synopsis = cmd.CommandPath() + " COMMAND [flags]"
	}
	fmt.Fprintf(w, ".SH SYNOPSIS\n.B %s\n", words.Roff(synopsis))
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprint(w, ".SH DESCRIPTION\n")
	writeParagraphs(w, text)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprint(w, ".SH COMMANDS\n")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(w, ".TP\n.B %s\n%s\n", words.Roff(sub.Name()), words.Roff(sub.Short))
			}
		}
	}
	for _, g := range flagGroups(cmd) {
		fmt.Fprintf(w, ".SH %s\n", strings.ToUpper(words.Roff(g.title)))
		for _, f := range g.flags {
			writeManFlag(w, f)
		}
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, ".SH EXAMPLES\n.EX\n%s\n.EE\n", words.Roff(cmd.Example))
	}
	writeEnvironment(w, cmd)
	writeFiles(w, cmd)
	fmt.Fprintf(w, ".SH EXIT STATUS\n.EX\n%s\n.EE\n", words.Roff(statuses(cmd)))
	writeSeeAlso(w, cmd)
}

func writeManFlag(w io.Writer, f *pflag.Flag) {
	fmt.Fprintf(w, ".TP\n.B %s\n%s\n", words.Roff(strings.TrimSpace(flagSpelling(f))), words.Roff(flagMeaning(f)))
}

// writeParagraphs writes running text filled, and indented text as it is.
func writeParagraphs(w io.Writer, text string) {
	for _, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(p, "  ") {
			fmt.Fprintf(w, ".PP\n.EX\n%s\n.EE\n", words.Roff(p))
		} else {
			fmt.Fprintf(w, ".PP\n%s\n", words.Roff(p))
		}
	}
}

func writeSeeAlso(w io.Writer, cmd *cobra.Command) {
	var pages []string
	for _, c := range Documented(cmd.Root()) {
		if c != cmd {
			pages = append(pages, fmt.Sprintf(".BR %s (1)", words.Roff(ManName(c))))
		}
	}
	for _, p := range manual.All() {
		pages = append(pages, fmt.Sprintf(".BR %s (%d)", words.Roff(p.Name()), p.Section))
	}
	fmt.Fprintf(w, ".SH SEE ALSO\n%s\n", strings.Join(pages, ",\n"))
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
