package look

import (
	"fmt"
	"text/tabwriter"

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

func printMounts(a *cli.App, mounts []walker.Mount) error {
	t := tabwriter.NewWriter(a.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "ACTION\tPATH\tTYPE\tSOURCE\tWHY\n")
	for _, m := range mounts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", m.Action, words.Printable(m.Path), words.Printable(m.FSType), words.Printable(m.Source), words.Printable(m.Reason))
	}
	return t.Flush()
}
