package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/walker"
)

func newMounts(a *app) *cobra.Command {
	var opt walker.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "mounts [flags] [SOURCE]",
		Short: "Show each mount below SOURCE, what bundle would do with it, and why",
		Long: `Show each mount below SOURCE (default /), what "bundle" would do with it, and why.

  crossed    its files go into the image
  left out   an empty directory in the image; --cross PATH crosses it
  refused    proc, sysfs and other kernel file systems, and any bind of them:
             an empty directory (or file) in the image, whatever the flags say`,
		Example: `  purebundle mounts
  purebundle mounts --cross /srv/data /`,
		Args: argsBetween(0, 1, "SOURCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			source := "/"
			if len(args) > 0 {
				source = args[0]
			}
			mounts, err := walker.Mounts(source, opt)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, mountsJSON(mounts))
			}
			return printMounts(a, mounts)
		},
		ValidArgsFunction: completeDirectories,
	}
	group(cmd, "What goes in", func(f *pflag.FlagSet) {
		f.BoolVarP(&opt.OneFileSystem, "one-file-system", "x", false, "cross no mount at all")
		f.StringArrayVar(&opt.Cross, "cross", nil, "cross the mount at `PATH` as well; repeatable")
		f.StringArrayVar(&opt.KeepPrivileges, "keep-privileges", nil, "keep set-ID bits, capabilities and device nodes of the nosuid or nodev mount at `PATH`; repeatable")
	})
	group(cmd, "The output", func(f *pflag.FlagSet) {
		f.BoolVar(&asJSON, "json", false, "print JSON")
	})
	return cmd
}

// mountsJSON gives the decisions in the form of the manifest.
func mountsJSON(mounts []walker.Mount) []chunk.Mount {
	list := make([]chunk.Mount, 0, len(mounts))
	for _, m := range mounts {
		list = append(list, chunk.Mount{
			Path: chunk.Path(m.Path), FSType: m.FSType, Source: chunk.Path(m.Source), Root: chunk.Path(m.Root),
			Action: string(m.Action), Reason: m.Reason,
		})
	}
	return list
}

func printMounts(a *app, mounts []walker.Mount) error {
	t := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "ACTION\tPATH\tTYPE\tSOURCE\tWHY\n")
	for _, m := range mounts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", m.Action, printable(m.Path), printable(m.FSType), printable(m.Source), printable(m.Reason))
	}
	return t.Flush()
}

// mountLine is one decision in the middle of other output, after its path.
func mountLine(m walker.Mount) string {
	return fmt.Sprintf("%s mount %s: %s", m.FSType, m.Action, m.Reason)
}
