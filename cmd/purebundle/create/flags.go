package create

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img"
	"purebundle/walker"
)

// minFree is the least room that --free as a percentage leaves, in bytes.
const minFree = 16 << 20

// Flags are those of "bundle", which "ship" has as well.
type Flags struct {
	walk        walker.Options
	Filter      FilterFlags
	edits       EditChoice
	excludeFrom []string

	prefix string
	size   cli.Size
	free   cli.Free
	label  cli.Label
	uuid   cli.UUID
	clock  cli.Clock

	S3                          cli.S3
	EBS                         cli.EBS
	base                        string
	reread                      bool
	OwnBase                     bool // if --base names none, the command finds one
	force, strict, DryRun, JSON bool
	TrustDest                   bool
	Progress                    progress.Mode
}

// NewFlags returns the flags with their defaults.
func NewFlags() *Flags {
	return &Flags{prefix: "image", free: cli.Free{Percent: 10}, Progress: progress.Auto}
}

// ContentFlags say what goes into the image.
func (c *Flags) ContentFlags(cmd *cobra.Command) {
	cli.Group(cmd, "What goes in", func(f *pflag.FlagSet) {
		f.StringArrayVarP(&c.walk.Exclude, "exclude", "e", nil, "leave out what matches `PATTERN`; repeatable")
		f.StringArrayVar(&c.excludeFrom, "exclude-from", nil, "read exclude patterns from `FILE`, one a line")
		f.StringArrayVarP(&c.walk.Include, "include", "i", nil, "keep what matches `PATTERN` and would be left out; repeatable")
		f.BoolVarP(&c.walk.OneFileSystem, "one-file-system", "x", false, "cross no mount at all")
		f.BoolVar(&c.walk.Snapshots, "snapshots", false, "keep the contents of read-only btrfs snapshots, and of snapper's")
		f.BoolVar(&c.walk.Bundles, "bundles", false, "keep older bundles, whose manifest and parts lie in SOURCE")
		f.StringArrayVar(&c.walk.Cross, "cross", nil, "cross the mount at `PATH` as well (never proc, sysfs or a bind of them); repeatable")
		f.StringArrayVar(&c.walk.KeepPrivileges, "keep-privileges", nil, "keep set-ID bits, capabilities and device nodes of the nosuid or nodev mount at `PATH`; repeatable")
		f.BoolVar(&c.walk.NoDefaultExcludes, "no-default-excludes", false, "keep the contents of /tmp, /run, /mnt and the like")
		c.Filter.Add(f, "secrets,histories,identity; for a machine image logs, too")
	})
}

// ImageFlags say what the image is like.
func (c *Flags) ImageFlags(cmd *cobra.Command) {
	cli.Group(cmd, "The image", func(f *pflag.FlagSet) {
		f.VarP(&c.size, "size", "s", "size of the image; auto fits the content and --free (default auto)")
		f.Var(&c.free, "free", "room in an auto-sized image: a size, or percent of the content (default 10%, at least 16 MiB)")
		f.Var(&c.label, "label", "volume label, at most 16 bytes (default: that of the file system at SOURCE)")
		f.Var(&c.uuid, "uuid", "volume UUID (default: that of the file system at SOURCE, else a fresh one)")
		f.Var(&c.clock, "time", "hold no time later than this: 2026-01-31T12:00:00Z, 2026-01-31, @seconds; with --uuid, same tree, same bytes (default: $"+cli.SourceDateEpoch+")")
		c.edits.Add(f)
	})
}

// OutputFlags say how the output is called and when it counts as done.
func (c *Flags) OutputFlags(f *pflag.FlagSet) {
	f.StringVarP(&c.prefix, "prefix", "p", c.prefix, "`NAME` of the image and its parts")
	f.BoolVar(&c.force, "force", false, "replace a bundle of that prefix, once the new one is complete")
	f.BoolVar(&c.strict, "strict", false, "exit 3 when a file changed while it was read, too")
}

// BaseFlags say which bundle the new one keeps to.
func (c *Flags) BaseFlags(f *pflag.FlagSet) {
	f.StringVar(&c.base, "base", "", "keep to the older `BUNDLE` of SOURCE: files that did not change since are not read, and parts that are the same are cloned, linked, copied within S3 or inherited by a snapshot")
	f.BoolVar(&c.reread, "reread", false, "read every file all the same, and say which differ from --base though they looked unchanged")
}

// checkBase finds what --base does not go with.
func (c *Flags) checkBase(dest string) error {
	switch {
	case c.base == "" && c.reread && !c.OwnBase:
		return cli.WithHint(cli.Usagef("bundle: --reread, but no --base"), "without a base, every file is read")
	case c.base == "":
		return nil
	case ebs.IsPlace(dest) && !ebs.IsPlace(c.base):
		return cli.WithHint(cli.Usagef("bundle: --base %s: is no snapshot, and the new one is to be one", c.base), "the base of ebs: is written ebs:snap-…")
	case c.clock.Limit() != nil:
		return cli.WithHint(cli.Usagef("bundle: --base, and --time or $%s", cli.SourceDateEpoch), "an image of which tree, UUID and time make all bytes has no base")
	}
	if ebs.IsPlace(c.base) {
		return cli.CheckSnapshot(c.base)
	}
	if err := cli.CheckPlace("bundle", c.base); err != nil || !s3.IsURL(c.base) {
		return err
	}
	if _, _, err := s3.ParseBundle(c.base); err != nil {
		return &cli.UsageError{Err: err}
	}
	return nil
}

// Options returns what the flags say of a bundle of source in dest. It finds the
// mistakes that need no look at the tree.
func (c *Flags) Options(source, dest string) (opt Options, err error) {
	opt = Options{Source: source, Dest: dest, Prefix: c.prefix, S3: c.S3, EBS: c.EBS, Base: c.base, Reread: c.reread,
		Force: c.force, Strict: c.strict, DryRun: c.DryRun, JSON: c.JSON, TrustDest: c.TrustDest}
	if opt.Walk, err = c.Content(); err != nil {
		return opt, err
	}
	if err := chunk.CheckPrefix(opt.Prefix); err != nil {
		return opt, &cli.UsageError{Err: err}
	}
	opt.Edits = c.edits
	if err := opt.Edits.Check(); err != nil {
		return opt, err
	}
	if err := c.params(source, &opt); err != nil {
		return opt, err
	}
	if err := cli.CheckDest("bundle", dest); err != nil {
		return opt, err
	}
	if ebs.IsPlace(dest) {
		switch id, _ := ebs.ParsePlace(dest); { // CheckDest has read it
		case id != "":
			return opt, cli.WithHint(cli.Usagef("bundle %s: a snapshot that is there cannot be written to", dest), "ebs: makes a new one")
		case c.force:
			return opt, cli.WithHint(cli.Usagef("bundle: --force, and ebs: is always a new snapshot"), "leave it out")
		}
		if err := opt.EBS.Check("bundle"); err != nil {
			return opt, err
		}
		if err := opt.EBS.CheckJournal("bundle", opt.S3.Resume); err != nil {
			return opt, err
		}
	}
	if err := c.checkBase(dest); err != nil {
		return opt, err
	}
	if s3.IsURL(dest) {
		if opt.Place, err = s3.ParseLocation(dest); err != nil {
			return opt, &cli.UsageError{Err: err}
		}
	}
	return opt, nil
}

// Content returns what the flags of ContentFlags say.
func (c *Flags) Content() (opt walker.Options, err error) {
	opt = c.walk
	for _, name := range c.excludeFrom {
		patterns, err := readPatterns(name)
		if err != nil {
			return opt, err
		}
		opt.Exclude = append(opt.Exclude, patterns...)
	}
	opt.Filter, err = c.Filter.Choice(false)
	return opt, err
}

// params sets what the flags say of the image.
func (c *Flags) params(source string, opt *Options) error {
	switch size := int64(c.size); {
	case size > ext2img.MaxSize:
		return cli.WithHint(cli.Usagef("bundle: --size %s: too large", &c.size),
			"an image has at most %s", words.Size(ext2img.MaxSize))
	case size > 0 && size < chunk.Size:
		return cli.WithHint(cli.Usagef("bundle: --size %s: too small", &c.size),
			"one part, %s, is the least", words.Size(chunk.Size))
	}
	if err := c.clock.FromEnvironment(); err != nil {
		return err
	}
	opt.Image, opt.Names, opt.Notes = ParamsFor(source)
	p, n := &opt.Image, &opt.Notes
	p.Size, p.Free, p.FreePercent = int64(c.size), c.free.Bytes, c.free.Percent
	if c.free.Percent > 0 {
		p.Free = minFree
	}
	if c.label.Given {
		p.Label, n.Label, opt.Given.Label = c.label.Value, "", true
	}
	opt.AnyUUID = !c.uuid.Given && (opt.Names == nil || opt.Names.UUID == [16]byte{})
	if c.uuid.Given {
		p.UUID, n.UUID, opt.Given.UUID = c.uuid.Value, "", true
	}
	if latest := c.clock.Limit(); latest != nil {
		p.Now, p.Latest = *latest, latest
	}
	return nil
}

// readPatterns reads one pattern a line; empty lines and lines that start with
// "#" are skipped, "-" is standard input.
func readPatterns(name string) ([]string, error) {
	var r io.Reader = os.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, cli.WithHint(&cli.UsageError{Err: fmt.Errorf("bundle: --exclude-from: %w", err)}, "name a file of this machine with a pattern in each line; - is standard input")
		}
		defer file.Close()
		r = file
	}
	var patterns []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if line := strings.TrimSuffix(lines.Text(), "\r"); line != "" && line[0] != '#' {
			patterns = append(patterns, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("bundle: --exclude-from %s: %w", name, err)
	}
	return patterns, nil
}
