package create

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/cli"
)

// ContentFlags say what goes into the image.
func (c *Options) ContentFlags(cmd *cobra.Command) {
	cli.Group(cmd, "What goes in", func(f *pflag.FlagSet) {
		f.StringArrayVarP(&c.Walk.Exclude, "exclude", "e", nil, "leave out what matches `PATTERN`; repeatable")
		f.StringArrayVar(&c.excludeFrom, "exclude-from", nil, "read exclude patterns from `FILE`, one a line")
		f.StringArrayVarP(&c.Walk.Include, "include", "i", nil, "keep what matches `PATTERN` and would be left out; repeatable")
		f.BoolVarP(&c.Walk.OneFileSystem, "one-file-system", "x", false, "cross no mount at all")
		f.StringArrayVar(&c.Walk.Cross, "cross", nil, "cross the mount at `PATH` as well (never proc, sysfs or a bind of them); repeatable")
		f.StringArrayVar(&c.Walk.KeepPrivileges, "keep-privileges", nil, "keep set-ID bits, capabilities and device nodes of the nosuid or nodev mount at `PATH`; repeatable")
		f.BoolVar(&c.Walk.NoDefaultExcludes, "no-default-excludes", false, "keep the contents of /tmp, /run, /mnt and the like")
		c.Filter.Add(f, "secrets,histories,identity; for a machine image logs, too")
	})
}

// ImageFlags say what the image is like.
func (c *Options) ImageFlags(cmd *cobra.Command) {
	cli.Group(cmd, "The image", func(f *pflag.FlagSet) {
		f.VarP(&c.Size, "size", "s", "size of the image; auto fits the content and --free (default auto)")
		f.Var(&c.Free, "free", "room in an auto-sized image: a size, or percent of the content (default 10%, at least 16 MiB)")
		f.Var(&c.label, "label", "volume label, at most 16 bytes (default: that of the ext file system at SOURCE)")
		f.Var(&c.UUID, "uuid", "volume UUID (default: that of the ext file system at SOURCE, else a fresh one)")
		f.Var(&c.clock, "time", "hold no time later than this: 2026-01-31T12:00:00Z, 2026-01-31, @seconds; with --uuid, same tree, same bytes (default: $"+cli.SourceDateEpoch+")")
	})
}

// OutputFlags say how the output is called and when it counts as done.
func (c *Options) OutputFlags(f *pflag.FlagSet) {
	f.StringVarP(&c.Prefix, "prefix", "p", c.Prefix, "`NAME` of the image and its parts")
	f.BoolVar(&c.Force, "force", false, "replace a bundle of that prefix, once the new one is complete")
	f.BoolVar(&c.strict, "strict", false, "exit 3 when a file changed while it was read, too")
}
