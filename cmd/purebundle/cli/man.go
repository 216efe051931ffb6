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
)

// NewMan returns a hidden command for the Makefile: it writes the manual pages, one
// a command, from the same text as --help (man-pages(7), groff_man(7)).
func NewMan(a *App) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages into DIR",
		Hidden: true,
		Args:   ArgsBetween(1, 1, "DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			for _, c := range Documented(cmd.Root()) {
				var page bytes.Buffer
				writeMan(&page, a.Version, c)
				name := filepath.Join(args[0], ManName(c)+".1")
				if err := os.WriteFile(name, page.Bytes(), 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	}
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

func writeMan(w io.Writer, version string, cmd *cobra.Command) {
	fmt.Fprintf(w, ".TH %s 1 \"\" \"purebundle %s\" \"User Commands\"\n", strings.ToUpper(roff(ManName(cmd))), roff(version))
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n", roff(ManName(cmd)), roff(lowerFirst(cmd.Short)))
	synopsis := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		synopsis = cmd.CommandPath() + " COMMAND [flags]"
	}
	fmt.Fprintf(w, ".SH SYNOPSIS\n.B %s\n", roff(synopsis))
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
				fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roff(sub.Name()), roff(sub.Short))
			}
		}
	}
	for _, g := range flagGroups(cmd) {
		fmt.Fprintf(w, ".SH %s\n", strings.ToUpper(roff(g.title)))
		for _, f := range g.flags {
			writeManFlag(w, f)
		}
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, ".SH EXAMPLES\n.EX\n%s\n.EE\n", roff(cmd.Example))
	}
	writeEnvironment(w, cmd)
	writeFiles(w, cmd)
	fmt.Fprintf(w, ".SH EXIT STATUS\n.EX\n%s\n.EE\n", roff(statuses(cmd)))
	writeSeeAlso(w, cmd)
}

func writeManFlag(w io.Writer, f *pflag.Flag) {
	fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(flagSpelling(f))), roff(flagMeaning(f)))
}

// writeParagraphs writes running text filled, and indented text as it is.
func writeParagraphs(w io.Writer, text string) {
	for _, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(p, "  ") {
			fmt.Fprintf(w, ".PP\n.EX\n%s\n.EE\n", roff(p))
		} else {
			fmt.Fprintf(w, ".PP\n%s\n", roff(p))
		}
	}
}

func writeSeeAlso(w io.Writer, cmd *cobra.Command) {
	var pages []string
	for _, c := range Documented(cmd.Root()) {
		if c != cmd {
			pages = append(pages, fmt.Sprintf(".BR %s (1)", roff(ManName(c))))
		}
	}
	fmt.Fprintf(w, ".SH SEE ALSO\n%s\n", strings.Join(pages, ",\n"))
}

// roff escapes text for roff: backslashes, hyphens that are typed, and lines
// that begin with a control character.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
