package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// contentFlags say what goes into the image.
func (c *bundleConfig) contentFlags(cmd *cobra.Command) {
	group(cmd, "What goes in", func(f *pflag.FlagSet) {
		f.StringArrayVarP(&c.walk.Exclude, "exclude", "e", nil, "leave out what matches `PATTERN`; repeatable")
		f.StringArrayVar(&c.excludeFrom, "exclude-from", nil, "read exclude patterns from `FILE`, one a line")
		f.StringArrayVarP(&c.walk.Include, "include", "i", nil, "keep what matches `PATTERN` and would be left out; repeatable")
		f.BoolVarP(&c.walk.OneFileSystem, "one-file-system", "x", false, "cross no mount at all")
		f.StringArrayVar(&c.walk.Cross, "cross", nil, "cross the mount at `PATH` as well (never proc, sysfs or a bind of them); repeatable")
		f.StringArrayVar(&c.walk.KeepPrivileges, "keep-privileges", nil, "keep set-ID bits, capabilities and device nodes of the nosuid or nodev mount at `PATH`; repeatable")
		f.BoolVar(&c.walk.NoDefaultExcludes, "no-default-excludes", false, "keep the contents of /tmp, /run, /mnt and the like")
		c.filter.add(f, "secrets,histories,identity; for a machine image logs, too")
	})
}

// imageFlags say what the image is like.
func (c *bundleConfig) imageFlags(cmd *cobra.Command) {
	group(cmd, "The image", func(f *pflag.FlagSet) {
		f.VarP(&c.size, "size", "s", "size of the image; auto fits the content and --free (default auto)")
		f.Var(&c.free, "free", "room in an auto-sized image: a size, or percent of the content (default 10%, at least 16 MiB)")
		f.Var(&c.label, "label", "volume label, at most 16 bytes (default: that of the ext file system at SOURCE)")
		f.Var(&c.uuid, "uuid", "volume UUID (default: that of the ext file system at SOURCE, else a fresh one)")
		f.Var(&c.clock, "time", "hold no time later than this: 2026-01-31T12:00:00Z, 2026-01-31, @seconds; with --uuid, same tree, same bytes (default: $"+sourceDateEpoch+")")
	})
}

// outputFlags say how the output is called and when it counts as done.
func (c *bundleConfig) outputFlags(f *pflag.FlagSet) {
	f.StringVarP(&c.prefix, "prefix", "p", c.prefix, "`NAME` of the image and its parts")
	f.BoolVar(&c.force, "force", false, "replace a bundle of that prefix, once the new one is complete")
	f.BoolVar(&c.strict, "strict", false, "exit 3 when a file changed while it was read, too")
}

// progressFlag adds --progress.
func progressFlag(f *pflag.FlagSet, mode *progressMode) {
	f.Var(mode, "progress", "how to show progress: auto, bar, plain, json or none")
}

// completeProgress completes the values of --progress.
func completeProgress(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions(
		[]string{"auto", "bar", "plain", "json", "none"}, cobra.ShellCompDirectiveNoFileComp))
}
