package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// readConfig is what the commands that read a bundle have in common.
type readConfig struct {
	prefix   string
	progress progressMode
	s3       s3Config
}

func newVerify(a *app) *cobra.Command {
	cfg := readConfig{progress: progressAuto}
	var deep bool
	cmd := &cobra.Command{
		Use:   "verify [flags] BUNDLE",
		Short: "Check the digests of all parts; --deep checks the file system as well",
		Long: `Check that BUNDLE is whole: each part is there, has its size and its digest.
With --deep, also walk every name, inode and extent of the file system inside.

BUNDLE is the directory of a bundle, or its manifest; either may be in S3.`,
		Example: `  purebundle verify /mnt/bundle
  purebundle verify --deep /mnt/bundle/web.manifest.json
  purebundle verify s3://my-bucket/web-2026-11-22`,
		Args: argsBetween(1, 1, "BUNDLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cfg.s3.check(cmd, args[0]); err != nil {
				return err
			}
			return verify(cmd.Context(), a, args[0], cfg, deep)
		},
		ValidArgsFunction: a.completeBundles(&cfg.s3),
	}
	group(cmd, "What to check", func(f *pflag.FlagSet) {
		f.BoolVar(&deep, "deep", false, "check the file system in the image as well")
		f.StringVarP(&cfg.prefix, "prefix", "p", "", "the bundle `NAME` of those in the directory")
	})
	group(cmd, "The output", func(f *pflag.FlagSet) {
		progressFlag(f, &cfg.progress)
	})
	cfg.s3.readFlags(cmd)
	completeProgress(cmd)
	return cmd
}

func verify(ctx context.Context, a *app, path string, cfg readConfig, deep bool) error {
	b, err := a.openBundle(ctx, path, cfg.prefix, &cfg.s3)
	if err != nil {
		return err
	}
	defer b.Close()
	show := a.progress(cfg.progress, b, reading)
	defer show.close()
	if err := b.Verify(ctx, cfg.s3.workers(path), show.made); err != nil {
		show.close()
		return damaged(a, path, err)
	}
	show.close()
	if deep {
		if err := verifyDeep(ctx, a, path, b); err != nil {
			return err
		}
	}
	if a.quiet {
		return nil
	}
	m := b.Manifest()
	what := "digests"
	if deep {
		what = "digests and file system"
	}
	_, err = fmt.Fprintf(a.stdout, "ok: %s of %s, %s, %s: %s\n", plural(int64(len(m.Parts)), "part"),
		m.Prefix, formatSize(b.Size()), m.Image.Type, what)
	return err
}

// damaged prints every problem but the last on its own line, and makes the
// rest the error, so that each damaged part is named.
func damaged(a *app, path string, err error) error {
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
		a.errorLine(p.Error())
	}
	return withHint(fmt.Errorf("verify %s: %s", path, plural(int64(len(problems)), "problem")),
		"upload or copy the parts that are named again, or make the bundle again")
}
