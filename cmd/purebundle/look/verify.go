package look

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img"
	"purebundle/ext2img/extfs"
)

// maxProblemsShown is how many problems of a file system are printed.
const maxProblemsShown = 50

// verifyDeep checks every name, inode and extent of the file systems in b, and
// that go-diskfs, which shares no code with the check, reads the same names and
// inodes; of a disk its tables, too. The problems that are printed are added to found.
func verifyDeep(ctx context.Context, a *cli.App, path string, b *chunk.Bundle, found *[]string) error {
	return checkDeep(ctx, a, path, madeIn(b), found, func(say func(string)) error {
		checkTable(b, say)
		return checkFATs(b, say)
	})
}

// checkDeep checks file systems, and first what others has to say.
func checkDeep(ctx context.Context, a *cli.App, path string, systems []ext4, found *[]string, others func(say func(string)) error) error {
	problems := 0
	say := func(problem string) {
		if problems++; problems <= maxProblemsShown {
			a.ErrorLine(fmt.Sprintf("verify %s: %s", path, problem))
			*found = append(*found, problem)
		}
	}
	if err := others(say); err != nil {
		return fmt.Errorf("verify %s: %w", path, err)
	}
	var left int64
	for _, fs := range systems {
		n, err := checkExt4(ctx, fs, say, &problems)
		if err != nil {
			return fmt.Errorf("verify %s: %w", path, err)
		}
		left += n
	}
	if left > 0 && !a.Quiet {
		a.ErrorLine(fmt.Sprintf("verify %s: note: go-diskfs has not read %s: it knows paths in UTF-8 and names of up to 247 bytes, and reads all directories on the way", path, words.Plural(left, "directory")))
	}
	if problems > 0 {
		return cli.WithHint(fmt.Errorf("verify %s: the file system is damaged: %s", path, words.Plural(int64(problems), "problem")),
			"the parts are as they were made: make the bundle again; e2fsck on the joined image says more")
	}
	return nil
}

// checkExt4 checks one file system, and if it has no problem has it read again. It returns
// how many directories were not read a second time.
func checkExt4(ctx context.Context, e ext4, say func(string), problems *int) (left int64, err error) {
	where := ""
	if e.at != "/" {
		where = e.at + ": "
	}
	fs, err := extfs.Open(e, e.Size())
	if err != nil {
		return 0, fmt.Errorf("%s%w", where, err)
	}
	before := *problems
	err = fs.Check(ctx, func(p extfs.Problem) { say(where + p.String()) })
	var second ext2img.SecondReading
	if err == nil && *problems == before {
		second, err = ext2img.ReadAgain(ctx, fs, e, e.Size(), func(path, text string) { say(where + path + ": " + text) })
	}
	if errors.Is(err, extfs.ErrTooManyProblems) {
		err = nil
	}
	return second.Left, err
}

// readConfig holds what the commands that read a bundle have in common.
type readConfig struct {
	prefix   string
	progress progress.Mode
	s3       cli.S3
}

// flags adds a group of flags, some of the command's own and --prefix, and --progress.
func (c *readConfig) flags(cmd *cobra.Command, title string, own func(f *pflag.FlagSet)) {
	cli.Group(cmd, title, func(f *pflag.FlagSet) {
		own(f)
		f.StringVarP(&c.prefix, "prefix", "p", "", "the bundle `NAME` of those in the directory")
	})
	c.progress = progress.Auto
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) { cli.ProgressFlag(f, &c.progress) })
	cli.CompleteProgress(cmd)
}

func NewVerify(a *cli.App) *cobra.Command {
	var cfg readConfig
	var deep, json bool
	cmd := &cobra.Command{
		Use:   "verify [flags] BUNDLE",
		Short: "Check the digests of all parts; --deep checks the file system as well",
		Long: `Check that BUNDLE is whole: each part is there, has its size and its digest.
With --deep, also walk every name, inode and extent of the file system inside.

BUNDLE is the directory of a bundle, or its manifest; either may be in S3. There, of
parts that are all zero it is enough that S3 has their SHA-256: they are not fetched.
It may also be a snapshot of EBS, ebs:snap-…, whoever made it: each block is fetched,
and its SHA-256 compared; of one that purebundle made, the parts with its manifest, too.`,
		Example: `  purebundle verify /mnt/bundle
  purebundle verify --deep /mnt/bundle/web.manifest.json
  purebundle verify s3://my-bucket/web-2026-11-22`,
		Args: cli.ArgsBetween(1, 1, "BUNDLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cfg.s3.Check(cmd, args[0]); err != nil {
				return err
			}
			return verify(cmd.Context(), a, args[0], cfg, deep, json)
		},
		ValidArgsFunction: completeBundles(a, &cfg.s3),
	}
	cfg.flags(cmd, "What to check", func(f *pflag.FlagSet) {
		f.BoolVar(&deep, "deep", false, "check the file system in the image as well")
	})
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) {
		f.BoolVar(&json, "json", false, "print the result as JSON, also if something is damaged")
	})
	cfg.s3.ReadFlags(cmd)
	return cmd
}

// Verified is what --json prints: fields are added, never changed. Sizes are bytes.
type Verified struct {
	Source    chunk.Path `json:"source"`
	Prefix    string     `json:"prefix"`
	ImageSize int64      `json:"image_size"`
	Parts     int        `json:"parts"`
	ZeroParts int        `json:"zero_parts"`
	Deep      bool       `json:"deep"`
	OK        bool       `json:"ok"`
	Problems  []string   `json:"problems"`
	Seconds   float64    `json:"seconds"`

	began time.Time
}

func verify(ctx context.Context, a *cli.App, path string, cfg readConfig, deep, json bool) error {
	began := time.Now()
	a.Confine(cfg.s3.Reading(ctx, path))
	if ebs.IsPlace(path) {
		return verifySnapshot(ctx, a, path, cfg, deep, json)
	}
	b, err := OpenBundle(ctx, a, path, cfg.prefix, &cfg.s3)
	if err != nil {
		return err
	}
	defer b.Close()
	m := b.Manifest()
	_, zero := m.Split()
	result := Verified{Source: full(path), Prefix: m.Prefix, ImageSize: b.Size(), Parts: len(m.Parts), ZeroParts: len(zero), Deep: deep, Problems: []string{}, began: began}
	show := showParts(a, cfg.progress, b, progress.Reading)
	defer show.Close()
	err = b.Verify(ctx, workers(&cfg.s3, path), show.made)
	show.Close()
	about := fmt.Sprintf("%s of %s, %s, %s: digests", words.Plural(int64(len(m.Parts)), "part"), m.Prefix, words.Size(b.Size()), m.Image.Type)
	return result.judge(ctx, a, path, json, err, func() error { return verifyDeep(ctx, a, path, b, &result.Problems) }, about)
}

// judge says what is wrong with the digests, err, and if nothing is and the file systems
// are to be checked, with these; or that all of it, as about calls it, is good.
func (v *Verified) judge(ctx context.Context, a *cli.App, path string, json bool, err error, deep func() error, about string) error {
	switch {
	case err != nil:
		v.Problems = problems(err)
		err = Damaged(a, path, err)
	case v.Deep:
		if err = deep(); err != nil && len(v.Problems) == 0 {
			v.Problems = problems(err)
		}
	}
	switch {
	case json && ctx.Err() == nil:
		v.OK, v.Seconds = err == nil, cli.Seconds(v.began)
		return cmp.Or(err, cli.PrintJSON(a.Stdout, v))
	case err != nil || a.Quiet:
		return err
	}
	if v.Deep {
		about += " and file system"
	}
	_, err = fmt.Fprintf(a.Stdout, "ok: %s\n", about)
	return err
}

// problems returns the texts of all that was joined to an error.
func problems(err error) (texts []string) {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, e := range all {
		texts = append(texts, words.Printable(e.Error()))
	}
	return texts
}

// Damaged prints every problem but the last on its own line, and makes the
// rest the error, so that each damaged part is named.
func Damaged(a *cli.App, path string, err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	problems := joined.Unwrap()
	if len(problems) == 1 {
		return problems[0]
	}
	for _, p := range problems {
		if errors.Is(p, context.Canceled) {
			return err
		}
		a.ErrorLine(p.Error())
	}
	return cli.WithHint(fmt.Errorf("verify %s: %s", path, words.Plural(int64(len(problems)), "problem")),
		"upload or copy the parts that are named again, or make the bundle again")
}
