package look

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/words"
	"purebundle/walker"
)

func NewMounts(a *cli.App) *cobra.Command {
	var asJSON, asTree bool
	flags := create.NewFlags()
	cmd := &cobra.Command{
		Use:   "mounts [flags] [SOURCE]",
		Short: "Show each mount below SOURCE, what bundle would do with it, and why",
		Long: `Show each mount below SOURCE (default /), what "bundle" with the same flags would do
with it, and why.

  crossed    its files go into the image
  left out   an empty directory in the image; --cross PATH crosses it, unless it is
             a kernel file system (devtmpfs, cgroup, ...)
  refused    proc, sysfs, any bind of them, and what is mounted over them: an empty
             directory (or file) in the image, whatever the flags say`,
		Example: `  purebundle mounts
  purebundle mounts --tree
  purebundle mounts --cross /srv/data /
  purebundle mounts -x -e /home -i /home/web /`,
		Args: cli.ArgsBetween(0, 1, "SOURCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			source := "/"
			if len(args) > 0 {
				source = args[0]
			}
			if _, err := os.Stat(source); errors.Is(err, os.ErrNotExist) {
				return create.CheckSource("mounts", source)
			}
			opt, err := flags.Content()
			if err != nil {
				return err
			}
			a.Confine(confine.Rest{Capabilities: []confine.Capability{confine.ReadSearch}})
			mounts, err := walker.Mounts(source, opt)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.PrintJSON(a.Stdout, create.MountsJSON(mounts))
			}
			if asTree {
				return mountTree(mounts).write(a.Stdout, a.Columns(), "", "", "")
			}
			return printMounts(a, mounts)
		},
		ValidArgsFunction: cli.CompleteDirectories,
	}
	flags.ContentFlags(cmd)
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) {
		f.BoolVar(&asTree, "tree", false, "draw the mounts as a tree")
		f.BoolVar(&asJSON, "json", false, "print JSON")
	})
	return cmd
}

// printMounts prints a table, or if the terminal is too narrow for that, two or more lines
// about each mount.
func printMounts(a *cli.App, mounts []walker.Mount) error {
	var table strings.Builder
	var narrow [][2]string
	t := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "ACTION\tPATH\tTYPE\tSOURCE\tWHY\n")
	for _, m := range mounts {
		path, fstype, source, reason := words.Printable(m.Path), words.Printable(m.FSType), words.Printable(m.Source), words.Printable(m.Reason)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", m.Action, path, fstype, source, reason)
		narrow = append(narrow, [2]string{string(m.Action), path}, [2]string{"", fstype + " (" + source + "): " + reason})
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if width := a.TerminalWidth(); width > 0 {
		for line := range strings.Lines(table.String()) {
			if utf8.RuneCountInString(line) > width+1 { // and its end
				return cli.PrintRows(a.Stdout, narrow)
			}
		}
	}
	_, err := io.WriteString(a.Stdout, table.String())
	return err
}
