package create

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img"
	"purebundle/walker"
)

// Options is what the flags of "bundle" say.
type Options struct {
	Source, Dest string
	Walk         walker.Options
	Filter       FilterFlags
	excludeFrom  []string
	AllUsed      bool // an exclude or include that changes nothing is an error, not a warning

	Prefix string
	Size   cli.Size
	Free   cli.Free
	label  cli.Label
	UUID   cli.UUID
	clock  cli.Clock

	S3    cli.S3
	Place s3.Location // DEST, where it is in S3
	Work  string      // directory that DEST is in for this run alone; "": none

	Force, strict, DryRun, JSON bool
	Progress                    progress.Mode
}

func New(a *cli.App) *cobra.Command {
	cfg := &Options{Prefix: "image", Free: cli.Free{Percent: 10}, Progress: progress.Auto}
	cmd := &cobra.Command{
		Use:   "bundle [flags] SOURCE DEST",
		Short: "Make an ext4 image of SOURCE, in parts, in DEST: a directory or S3",
		Long: `Bundle the live tree SOURCE into an ext4 image, cut into parts of exactly 10 MiB
in DEST, a directory (made if missing) or s3://BUCKET/DIR:

  PREFIX.part.NNN        the image; cat PREFIX.part.* is the whole of it
  PREFIX.sha256          digests of the parts, for sha256sum -c
  PREFIX.manifest.json   what is in the image, what is not, and why

The parts appear only when all of them are good. SOURCE is only read. Of other
file systems below SOURCE, local disks are crossed; proc, sysfs and their binds
never are; "purebundle mounts" shows each decision. The contents of /dev, /proc,
/sys, /run, /tmp, /var/tmp, /mnt, /media and swap files are left out.

CLASSES of what an image should not carry: secrets (keys, credentials), histories
(of shells, editors), identity (machine-id, host keys, leases), logs. Each path is
reported. Private keys are known by their content, too: in homes they are left out,
elsewhere kept and told. No filter finds everything.

To S3 the parts go straight from SOURCE, with no disk in between: each is sent with
its SHA-256, which S3 checks.

PATTERN: * ? [] match within a name, ** across names. A pattern that starts with
"/" is anchored at SOURCE, any other matches a name anywhere. SIZE: 10GiB, 2G,
500M, bytes; units are binary.`,
		Example: `  sudo purebundle bundle / /mnt/bundle
  sudo purebundle bundle / s3://my-bucket/web-2026-11-22
  sudo purebundle bundle --dry-run /
  sudo purebundle bundle -p web -s 10G -e '/var/cache/**' -e '*.iso' / /mnt/bundle
  purebundle bundle --time @1700000000 --uuid 1b4e28ba-2fa1-11d2-883f-0016d3cca427 tree out`,
		Args: func(cmd *cobra.Command, args []string) error {
			least := 2
			if cfg.DryRun {
				least = 1
			}
			return cli.ArgsBetween(least, 2, "SOURCE and DEST")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.Source = args[0]
			if len(args) > 1 {
				cfg.Dest = args[1]
			}
			if err := cfg.Check(); err != nil {
				return err
			}
			if err := cfg.S3.Check(cmd, cfg.Dest); err != nil {
				return err
			}
			return bundle(cmd.Context(), a, cfg)
		},
		ValidArgsFunction: cli.CompleteDirectories,
	}
	cfg.ContentFlags(cmd)
	cfg.ImageFlags(cmd)
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) {
		cfg.OutputFlags(f)
		f.BoolVarP(&cfg.DryRun, "dry-run", "n", false, "say what would happen; write nothing")
		cli.ProgressFlag(f, &cfg.Progress)
		f.BoolVar(&cfg.JSON, "json", false, "print the summary as JSON")
	})
	cfg.S3.WriteFlags(cmd)
	cli.CompleteProgress(cmd)
	return cmd
}

// Check completes the configuration and finds the mistakes that need no look
// at SOURCE.
func (c *Options) Check() error {
	for _, name := range c.excludeFrom {
		patterns, err := readPatterns(name)
		if err != nil {
			return err
		}
		c.Walk.Exclude = append(c.Walk.Exclude, patterns...)
	}
	if err := chunk.CheckPrefix(c.Prefix); err != nil {
		return &cli.UsageError{Err: err}
	}
	if int64(c.Size) > ext2img.MaxSize {
		return cli.WithHint(cli.Usagef("bundle: --size %s: too large", &c.Size),
			"an image has at most %s", words.Size(ext2img.MaxSize))
	}
	if size := int64(c.Size); size > 0 && size < chunk.Size {
		return cli.WithHint(cli.Usagef("bundle: --size %s: too small", &c.Size),
			"one part, %s, is the least", words.Size(chunk.Size))
	}
	var err error
	if c.Walk.Filter, err = c.Filter.Choice(false); err != nil {
		return err
	}
	return c.clock.FromEnvironment()
}

// readPatterns reads one pattern a line; empty lines and lines that start with
// "#" are skipped, "-" is standard input.
func readPatterns(name string) ([]string, error) {
	var r io.Reader = os.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, &cli.UsageError{Err: fmt.Errorf("bundle: --exclude-from: %w", err)}
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

// CheckDest finds what is wrong with DEST before anything is read.
func (c *Options) CheckDest() (err error) {
	if s3.IsURL(c.Dest) {
		if c.Place, err = s3.ParseLocation(c.Dest); err != nil {
			return &cli.UsageError{Err: err}
		}
		return nil
	}
	return CheckDest(c.Source, c.Dest)
}

// bundle makes one bundle, or with --dry-run only says what it would be.
func bundle(ctx context.Context, a *cli.App, cfg *Options) error {
	if err := CheckSource(cfg.Source); err != nil {
		return err
	}
	if err := cfg.CheckDest(); err != nil {
		return err
	}
	// Patterns, --cross and SOURCE's own mount are checked before DEST is touched.
	mounts, err := walker.Mounts(cfg.Source, cfg.Walk)
	if err != nil {
		return err
	}
	r := &Run{App: a, Opt: cfg, UI: a.Show(cfg.Progress)}
	defer r.UI.Close()
	if a.Verbose {
		r.SayMounts(mounts)
	}
	if name := strangerInDest(cfg.Source, cfg.Dest); name != "" && !s3.IsURL(cfg.Dest) {
		r.UI.Warn(cfg.Dest, "holds other files, such as "+name+"; nothing that is in DEST is in the image")
	}
	r.confine(ctx)
	if cfg.DryRun {
		return r.DryRun(ctx)
	}
	return r.run(ctx)
}
