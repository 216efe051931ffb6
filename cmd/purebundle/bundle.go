package main

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
	"purebundle/ext2img"
	"purebundle/walker"
)

// bundleConfig is what the flags of "bundle" say.
type bundleConfig struct {
	source, dest string
	walk         walker.Options
	filter       filterFlags
	excludeFrom  []string

	prefix string
	size   sizeFlag
	free   freeFlag
	label  labelFlag
	uuid   uuidFlag
	clock  clock

	s3    s3Config
	place s3.Location // DEST, where it is in S3
	work  string      // directory that DEST is in for this run alone; "": none

	force, strict, dryRun, json bool
	progress                    progressMode
}

func newBundle(a *app) *cobra.Command {
	cfg := &bundleConfig{prefix: "image", free: freeFlag{percent: 10}, progress: progressAuto}
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
			if cfg.dryRun {
				least = 1
			}
			return argsBetween(least, 2, "SOURCE and DEST")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.source = args[0]
			if len(args) > 1 {
				cfg.dest = args[1]
			}
			if err := cfg.check(); err != nil {
				return err
			}
			if err := cfg.s3.check(cmd, cfg.dest); err != nil {
				return err
			}
			return bundle(cmd.Context(), a, cfg)
		},
		ValidArgsFunction: completeDirectories,
	}
	cfg.contentFlags(cmd)
	cfg.imageFlags(cmd)
	group(cmd, "The output", func(f *pflag.FlagSet) {
		cfg.outputFlags(f)
		f.BoolVarP(&cfg.dryRun, "dry-run", "n", false, "say what would happen; write nothing")
		progressFlag(f, &cfg.progress)
		f.BoolVar(&cfg.json, "json", false, "print the summary as JSON")
	})
	cfg.s3.writeFlags(cmd)
	completeProgress(cmd)
	return cmd
}

// argsBetween takes from least to most arguments; what names them in the error.
func argsBetween(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s: %s needed, %s given", cmd.Name(), what, plural(int64(len(args)), "argument"))
		case len(args) > most:
			return usagef("%s: %s: one argument too many", cmd.Name(), args[most])
		}
		return nil
	}
}

// check completes the configuration and finds the mistakes that need no look
// at SOURCE.
func (c *bundleConfig) check() error {
	for _, name := range c.excludeFrom {
		patterns, err := readPatterns(name)
		if err != nil {
			return err
		}
		c.walk.Exclude = append(c.walk.Exclude, patterns...)
	}
	if err := chunk.CheckPrefix(c.prefix); err != nil {
		return &usageError{err}
	}
	if int64(c.size) > ext2img.MaxSize {
		return withHint(usagef("bundle: --size %s: too large", &c.size),
			"an image has at most %s", formatSize(ext2img.MaxSize))
	}
	if size := int64(c.size); size > 0 && size < chunk.Size {
		return withHint(usagef("bundle: --size %s: too small", &c.size),
			"one part, %s, is the least", formatSize(chunk.Size))
	}
	var err error
	if c.walk.Filter, err = c.filter.choice(false); err != nil {
		return err
	}
	return c.clock.fromEnvironment()
}

// readPatterns reads one pattern a line; empty lines and lines that start with
// "#" are skipped, "-" is standard input.
func readPatterns(name string) ([]string, error) {
	var r io.Reader = os.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, &usageError{fmt.Errorf("bundle: --exclude-from: %w", err)}
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

// checkDest finds what is wrong with DEST before anything is read.
func (c *bundleConfig) checkDest() (err error) {
	if s3.IsURL(c.dest) {
		if c.place, err = s3.ParseLocation(c.dest); err != nil {
			return &usageError{err}
		}
		return nil
	}
	return checkDest(c.source, c.dest)
}

// bundle makes one bundle, or with --dry-run only says what it would be.
func bundle(ctx context.Context, a *app, cfg *bundleConfig) error {
	if err := checkSource(cfg.source); err != nil {
		return err
	}
	if err := cfg.checkDest(); err != nil {
		return err
	}
	// Patterns, --cross and SOURCE's own mount are checked before DEST is touched.
	mounts, err := walker.Mounts(cfg.source, cfg.walk)
	if err != nil {
		return err
	}
	if a.quiet {
		cfg.progress = progressNone
	}
	a.jsonErrors = cfg.progress == progressJSON
	r := &bundleRun{app: a, cfg: cfg, ui: a.newUI(cfg.progress)}
	defer r.ui.close()
	if a.verbose {
		r.sayMounts(mounts)
	}
	if name := strangerInDest(cfg.source, cfg.dest); name != "" && !s3.IsURL(cfg.dest) {
		r.ui.warn(cfg.dest, "holds other files, such as "+name+"; nothing that is in DEST is in the image")
	}
	if cfg.dryRun {
		return r.dryRun(ctx)
	}
	return r.run(ctx)
}
